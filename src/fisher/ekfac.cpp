/// Kronecker-factored eigenbases with the eigenvalues of F itself (George et al. 2018): of a layer
///
///     F_l = U diag(s) Uᵀ,   U = U_G ⊗ U_A,   s = diag(UᵀF_lU) = Σ_rows (U_Aᵀã)² ((U_Gᵀδ)²)ᵀ,
///
/// U_A and U_G the eigenvectors of the running Kronecker factors. That is the nearest matrix to F_l with
/// these eigenvectors, in the Frobenius norm.
#include "fisher/damped_solver.hpp"
#include "fisher/dense_by_products.hpp"
#include "fisher/kronecker_factors.hpp"
#include "fisher/squares.hpp"

namespace natgrad {
namespace {

std::vector<PlannedBuffer> buffers_of(const RowsShape& shape, const FisherOptions& options) {
  std::vector<PlannedBuffer> buffers = KroneckerFactors<float>::plan(shape);
  for (std::size_t l = 0; l < shape.layers.size(); ++l) {
    const Index inputs = shape.layers[l].extended(), units = shape.layers[l].units;
    buffers.push_back({layer_buffer(l, "eigenvectors of A"), capped_product(inputs, inputs)});
    buffers.push_back({layer_buffer(l, "eigenvectors of G"), capped_product(units, units)});
  }
  const Index order = largest_order(shape);
  buffers.push_back({"eigenvalues of a factor", order});
  if (options.decay > 0.0) {
    buffers.push_back({"eigenvectors before", capped_product(order, order)});
    buffers.push_back({"turn of the eigenvectors", capped_product(order, order)});
  }
  buffers.push_back({"eigenvalues", shape.parameters()});
  buffers.push_back({"rotated vector", shape.parameters()});
  buffers.push_back({"scaled vector", shape.parameters()});
  buffers.push_back({"columns", unit_elements(shape)});
  buffers.push_back({"products of columns", unit_elements(shape)});
  buffers.push_back({"extended inputs", extended_elements(shape)});
  buffers.push_back({"rotated inputs", extended_elements(shape)});
  buffers.push_back({"rotated signals", capped_product(squared_signal_elements(shape), shape.per_sample)});
  buffers.push_back({"squared signals", squared_signal_elements(shape)});
  return buffers;
}

template <class R>
class EkfacFisher final : public Fisher<R> {
 public:
  EkfacFisher(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options)
      : Fisher<R>(backend, shape, options),
        buffers_(backend, buffers_of(shape, options)),
        factors_(backend, shape, buffers_) {}

  // U diag(s) Uᵀv
  void multiply(VectorView<const R> v, VectorView<R> out) override {
    rotate(v);
    const MatrixView<R> s = as_column("eigenvalues"), c = as_column("rotated vector");
    this->backend_.hadamard(s, c, c);
    rotate_back(out);
  }

  void to_dense(MatrixView<R> out) override { dense_by_products(this->backend_, *this, out); }

 private:
  std::size_t layers() const { return this->shape_.layers.size(); }

  // The eigenvectors are those of every refresh-th update. The eigenvalues are cheap and taken of every one,
  // and their average counts every one.
  void accumulate(R alpha, R beta) override {
    if (this->due()) factors_.accumulate(this->rows_, alpha, beta, buffers_["extended inputs"]);
    const double updates = static_cast<double>(this->updates_);
    const R kept = static_cast<R>(std::min(this->options_.decay, 1.0 - 1.0 / updates));
    for (std::size_t l = 0; l < layers(); ++l) {
      if (this->due()) turn_bases(l, kept != R(0));
      estimate_eigenvalues(l, R(1) - kept, kept);
    }
  }

  // The eigenvectors ← those of the factors as they are now. What F was before, U diag(s) Uᵀ, goes on as its
  // diagonal in the new basis: S ← Q_A S Q_Gᵀ, Q = (U_newᵀU)∘².
  void turn_bases(std::size_t l, bool carry) {
    const PhaseScope phase(this->backend_, Phase::factor);
    const MatrixView<R> s = of_layer(l, "eigenvalues");
    const MatrixView<R> t = buffers_["columns"].matrix(s.rows, s.cols);
    const MatrixView<R> q_a = turn(basis_a(l), factors_.a(l), carry);
    if (carry) this->backend_.gemm(Transpose::no, Transpose::no, R(1), q_a, s, R(0), t);
    const MatrixView<R> q_g = turn(basis_g(l), factors_.g(l), carry);
    if (carry) this->backend_.gemm(Transpose::no, Transpose::yes, R(1), t, q_g, R(0), s);
  }

  // U ← the eigenvectors of the factor; returns Q where it is asked for.
  MatrixView<R> turn(MatrixView<R> u, MatrixView<const R> factor, bool carry) {
    MatrixView<R> before, q;
    if (carry) {
      before = buffers_["eigenvectors before"].matrix(u.rows, u.cols);
      q = buffers_["turn of the eigenvectors"].matrix(u.rows, u.cols);
      this->backend_.copy(u, before);
    }
    this->backend_.copy(factor, u);
    this->backend_.eigen(u, buffers_["eigenvalues of a factor"].vector().slice(0, u.rows));
    if (carry) {
      this->backend_.gemm(Transpose::yes, Transpose::no, R(1), u, before, R(0), q);
      this->backend_.hadamard(q, q, q);
    }
    return q;
  }

  // S ← αΣ_rows (U_Aᵀã)² ((U_Gᵀδ)²)ᵀ + βS: the diagonal of rotated rows
  void estimate_eigenvalues(std::size_t l, R alpha, R beta) {
    const LayerFactors<R>& layer = this->rows_.layers[l];
    Buffer<R>& extended = buffers_["extended inputs"];
    const MatrixView<R> inputs = extended.matrix(layer.inputs(), layer.a.cols);
    const MatrixView<R> a = buffers_["rotated inputs"].matrix(inputs.rows, inputs.cols);
    const MatrixView<R> d = buffers_["rotated signals"].matrix(layer.d.rows, layer.d.cols);
    extend_inputs(this->backend_, layer, inputs);
    this->backend_.gemm(Transpose::yes, Transpose::no, R(1), basis_a(l), inputs, R(0), a);
    this->backend_.gemm(Transpose::yes, Transpose::no, R(1), basis_g(l), layer.d, R(0), d);
    const MatrixView<R> s = of_layer(l, "eigenvalues");
    add_squares(this->backend_, LayerFactors<R>{a, d, false}, alpha, beta, VectorView<R>{s.data, s.size()},
                extended, buffers_["squared signals"]);
  }

  void visit_curvature(StateVisitor<R>& state) override {
    factors_.visit_state(state);
    for (std::size_t l = 0; l < layers(); ++l)
      for (const char* basis : {"eigenvectors of A", "eigenvectors of G"})
        state.array(layer_buffer(l, basis), buffers_[layer_buffer(l, basis)].vector());
    state.array("eigenvalues", buffers_["eigenvalues"].vector());
  }

  void solve_damped(SolveMethod, R damping, const RightSide<R>& right, VectorView<R> d) override {
    rotate(right.b);
    const VectorView<R> s = buffers_["eigenvalues"].vector(), c = buffers_["rotated vector"].vector();
    const double cutoff = this->options_.cutoff;
    if (damping == R(0))  // eigenvalues within the rounding error of 0 count as 0
      this->backend_.spectral_solve(
          s, cutoff > 0.0 ? static_cast<R>(cutoff) : spectral_cutoff<R>(largest_order(this->shape_)), c);
    else
      this->backend_.damped_quotient(c, s, damping, c);
    // dᵀFd = Σ s c², c = Uᵀd: nothing cancels
    this->backend_.hadamard(as_column("eigenvalues"), as_column("rotated vector"),
                            as_column("scaled vector"));
    this->backend_.dot(c, buffers_["scaled vector"].vector(), Slot::quadratic);
    rotate_back(d);
  }

  // "rotated vector" ← Uᵀv: per layer U_Aᵀ Ṽ U_G
  void rotate(VectorView<const R> v) {
    for (std::size_t l = 0; l < layers(); ++l) {
      const MatrixView<R> c = of_layer(l, "rotated vector");
      const MatrixView<R> columns = buffers_["columns"].matrix(c.rows, c.cols);
      gather_units(this->backend_, layer_part(this->shape_, l, v), columns);
      sandwich<R>(this->backend_, Transpose::yes, basis_a(l), columns, Transpose::no, basis_g(l), c,
                  buffers_["products of columns"]);
    }
  }

  // out ← U "rotated vector": per layer U_A C U_Gᵀ
  void rotate_back(VectorView<R> out) {
    for (std::size_t l = 0; l < layers(); ++l) {
      const MatrixView<R> c = of_layer(l, "rotated vector");
      const MatrixView<R> columns = buffers_["columns"].matrix(c.rows, c.cols);
      sandwich<R>(this->backend_, Transpose::no, basis_a(l), c, Transpose::yes, basis_g(l), columns,
                  buffers_["products of columns"]);
      scatter_units<R>(this->backend_, columns, layer_part(this->shape_, l, out));
    }
  }

  MatrixView<R> basis_a(std::size_t l) {
    const Index inputs = this->shape_.layers[l].extended();
    return buffers_[layer_buffer(l, "eigenvectors of A")].matrix(inputs, inputs);
  }
  MatrixView<R> basis_g(std::size_t l) {
    const Index units = this->shape_.layers[l].units;
    return buffers_[layer_buffer(l, "eigenvectors of G")].matrix(units, units);
  }
  // A layer's part of a vector in the eigenbasis, ñ × m.
  MatrixView<R> of_layer(std::size_t l, const char* name) {
    const auto& layer = this->shape_.layers[l];
    return {buffers_[name].data() + this->shape_.offset(l), layer.extended(), layer.units};
  }
  MatrixView<R> as_column(const char* name) { return buffers_[name].matrix(this->parameters(), 1); }

  PlannedBuffers<R> buffers_;
  KroneckerFactors<R> factors_;
};

}  // namespace

// The factors, and 9n³ for the eigenvectors of each; the rows rotated, as many FLOPs as for the factors, and
// their squares multiplied (2 N m ñ); four products for a solve.
FisherPlan plan_ekfac(const RowsShape& shape, const FisherOptions& options) {
  const double factors = KroneckerFactors<float>::flops(shape);
  const double squares = 2.0 * static_cast<double>(shape.samples) * static_cast<double>(shape.parameters());
  return {buffers_of(shape, options),
          (factors + 9.0 * factor_cubes(shape)) / options.refresh + factors + squares +
              2.0 * sandwich_flops(shape),
          false};
}

template <class R>
FisherOwner<R> make_ekfac(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options) {
  return std::make_unique<EkfacFisher<R>>(backend, shape, options);
}
template FisherOwner<float> make_ekfac(Backend<float>&, const RowsShape&, const FisherOptions&);
template FisherOwner<double> make_ekfac(Backend<double>&, const RowsShape&, const FisherOptions&);

}  // namespace natgrad
