/// Kronecker-factored blocks of the layers, F_l = G_l ⊗ A_l (Martens & Grosse 2015).
///
/// Systems are damped in the factors, γ = √λ (section 6.3):
///
///     D̃ = (A + πγI)⁻¹ B̃ (G + γ/π I)⁻¹,
///
/// which is (F + λI)⁻¹b up to the terms πγ I ⊗ G and γ/π A ⊗ I. With `eigen` at λ = 0 the inverses are
/// pseudo-inverses of the factors.
#include <cmath>

#include "fisher/damped_solver.hpp"
#include "fisher/dense_by_products.hpp"
#include "fisher/extended.hpp"
#include "fisher/kronecker_factors.hpp"

namespace natgrad {
namespace {

std::vector<PlannedBuffer> buffers_of(const RowsShape& shape) {
  std::vector<PlannedBuffer> buffers = KroneckerFactors<float>::plan(shape);
  for (std::size_t l = 0; l < shape.layers.size(); ++l) {
    const Index inputs = shape.layers[l].extended(), units = shape.layers[l].units;
    buffers.push_back({layer_buffer(l, "inverse of A"), capped_product(inputs, inputs)});
    buffers.push_back({layer_buffer(l, "inverse of G"), capped_product(units, units)});
  }
  buffers.push_back({"factor", capped_product(largest_order(shape), largest_order(shape))});
  buffers.push_back({"extended inputs", extended_elements(shape)});
  buffers.push_back({"columns", unit_elements(shape)});
  buffers.push_back({"products of columns", unit_elements(shape)});
  buffers.push_back({"Fd", shape.parameters()});
  return buffers;
}

template <class R>
class KroneckerFisher final : public Fisher<R> {
 public:
  KroneckerFisher(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options)
      : Fisher<R>(backend, shape, options),
        buffers_(backend, buffers_of(shape)),
        factors_(backend, shape, buffers_) {}

  void multiply(VectorView<const R> v, VectorView<R> out) override {
    for (std::size_t l = 0; l < layers(); ++l) apply(l, factors_.a(l), v, factors_.g(l), out);
  }

  void to_dense(MatrixView<R> out) override { dense_by_products(this->backend_, *this, out); }

 private:
  std::size_t layers() const { return this->shape_.layers.size(); }

  void accumulate(R alpha, R beta) override {
    if (this->due()) {
      factors_.accumulate(this->rows_, alpha, beta, buffers_["extended inputs"]);
      formed_ = false;
    }
    carried_ = formed_;
  }

  void visit_curvature(StateVisitor<R>& state) override {
    factors_.visit_state(state);
    if (this->options_.refresh == 1) return;
    bool spectral = method_ == SolveMethod::eigen;
    double damping = static_cast<double>(damping_);
    state.flag("formed", formed_);
    state.flag("eigen", spectral);
    state.number("damping", damping);
    method_ = spectral ? SolveMethod::eigen : SolveMethod::cholesky;
    damping_ = static_cast<R>(damping);
    if (!formed_) return;
    for (std::size_t l = 0; l < layers(); ++l)
      for (const char* inverse : {"inverse of A", "inverse of G"})
        state.array(layer_buffer(l, inverse), buffers_[layer_buffer(l, inverse)].vector());
  }

  // Between refreshes the first solve after an update takes the inverses as they are, whatever λ is by then.
  // Another λ or method after that means that its direction was not good enough: they are formed anew.
  void solve_damped(SolveMethod method, R damping, const RightSide<R>& right, VectorView<R> d) override {
    const bool served = formed_ && (carried_ || (method == method_ && damping == damping_));
    carried_ = false;
    method_ = method;
    damping_ = damping;
    if (!served) form_inverses();
    for (std::size_t l = 0; l < layers(); ++l) apply(l, inverse_a(l), right.b, inverse_g(l), d);
    const VectorView<R> fd = buffers_["Fd"].vector();
    multiply(d, fd);
    this->backend_.dot(d, fd, Slot::quadratic);
  }

  // out ← X Ṽ Y of layer l
  void apply(std::size_t l, MatrixView<const R> x, VectorView<const R> v, MatrixView<const R> y,
             VectorView<R> out) {
    const MatrixView<R> columns = buffers_["columns"].matrix(x.rows, y.rows);  // ñ × m
    gather_units(this->backend_, layer_part(this->shape_, l, v), columns);
    sandwich<R>(this->backend_, Transpose::no, x, columns, Transpose::no, y, columns,
                buffers_["products of columns"]);
    scatter_units<R>(this->backend_, columns, layer_part(this->shape_, l, out));
  }

  void form_inverses() {
    const PhaseScope phase(this->backend_, Phase::factor);
    const R gamma = std::sqrt(damping_);
    for (std::size_t l = 0; l < layers(); ++l) {
      const MatrixView<R> a = inverse_a(l), g = inverse_g(l);
      if (method_ == SolveMethod::cholesky) {
        factors_.factor(l, gamma, a, g);
        invert_factored(a);
        invert_factored(g);
      } else {
        this->backend_.damp_factors(factors_.a(l), factors_.g(l), gamma, a, g);
        invert_spectral(a);
        invert_spectral(g);
      }
    }
    formed_ = true;
  }

  // M ← (LLᵀ)⁻¹, L the lower triangle of M
  void invert_factored(MatrixView<R> m) {
    const MatrixView<R> inverse = buffers_["factor"].matrix(m.rows, m.rows);
    this->backend_.fill(inverse, R(0));
    this->backend_.fill({inverse.data, 1, m.rows, m.rows + 1}, R(1));
    this->backend_.cholesky_solve(BatchView<const R>(MatrixView<const R>(m)), inverse);
    this->backend_.copy(inverse, m);
  }

  // M ← V diag(1/w) Vᵀ over the eigenvalues w of M that count
  void invert_spectral(MatrixView<R> m) {
    const Index n = m.rows, order = largest_order(this->shape_);
    const double cutoff = this->options_.cutoff;
    scaled_.reserve(this->backend_, order * order);
    eigenvalues_.reserve(this->backend_, 2 * order);
    const MatrixView<R> v = buffers_["factor"].matrix(n, n), scaled = scaled_.matrix(n, n);
    const VectorView<R> w = eigenvalues_.vector().slice(0, n), inverse = eigenvalues_.vector().slice(n, n);
    this->backend_.copy(m, v);
    this->backend_.eigen(v, w);
    this->backend_.fill({inverse.data, n, 1}, R(1));
    this->backend_.spectral_solve(w, cutoff > 0.0 ? static_cast<R>(cutoff) : spectral_cutoff<R>(n), inverse);
    this->backend_.weighted_signals(v, inverse, scaled);  // column by column
    this->backend_.gemm(Transpose::no, Transpose::yes, R(1), scaled, v, R(0), m);
  }

  MatrixView<R> inverse_a(std::size_t l) {
    const Index inputs = this->shape_.layers[l].extended();
    return buffers_[layer_buffer(l, "inverse of A")].matrix(inputs, inputs);
  }
  MatrixView<R> inverse_g(std::size_t l) {
    const Index units = this->shape_.layers[l].units;
    return buffers_[layer_buffer(l, "inverse of G")].matrix(units, units);
  }

  PlannedBuffers<R> buffers_;
  KroneckerFactors<R> factors_;
  Buffer<R> scaled_, eigenvalues_;  // of the largest factor, with `eigen`
  SolveMethod method_ = SolveMethod::cholesky;
  R damping_ = R(0);
  bool formed_ = false;   // there are inverses, for this method and λ
  bool carried_ = false;  // from an earlier update, and no solve since the last
};

}  // namespace

// The factors; n³/3 + 2n³ for the inverse of each; two products for a solve and two for dᵀFd.
FisherPlan plan_kronecker(const RowsShape& shape, const FisherOptions& options) {
  const double factors = KroneckerFactors<float>::flops(shape) + 7.0 / 3.0 * factor_cubes(shape);
  return {buffers_of(shape), factors / options.refresh + 2.0 * sandwich_flops(shape), false};
}

template <class R>
FisherOwner<R> make_kronecker(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options) {
  return std::make_unique<KroneckerFisher<R>>(backend, shape, options);
}
template FisherOwner<float> make_kronecker(Backend<float>&, const RowsShape&, const FisherOptions&);
template FisherOwner<double> make_kronecker(Backend<double>&, const RowsShape&, const FisherOptions&);

}  // namespace natgrad
