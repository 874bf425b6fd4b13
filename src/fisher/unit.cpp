/// Unit-wise blocks: F_{l,j} = Σ_rows δ_j² ããᵀ, per layer a batch of n_{l+1} matrices of order n_l + 1.
#include "fisher/damped_solver.hpp"
#include "fisher/fisher.hpp"
#include "shape_check.hpp"

namespace natgrad {
namespace {

template <class R>
class UnitFisher final : public Fisher<R> {
 public:
  UnitFisher(Backend<R>& backend, const NetworkShape& shape)
      : Fisher<R>(backend, shape.parameters()), shape_(shape) {
    Index widest = 0;
    for (Index l = 0; l < shape.layers(); ++l) {
      const Index order = shape.width(l) + 1, units = shape.width(l + 1);
      blocks_.emplace_back(backend, order * order * units);
      solvers_.emplace_back(backend, order, units);
      widest = std::max(widest, shape.layer_parameters(l));
    }
    columns_ = Buffer<R>(backend, widest);
  }

  void update(const Rows<R>& rows) override {
    require_size("fisher", "the number of parameters", rows.parameters(), this->parameters_);
    const PhaseScope phase(this->backend_, Phase::fisher);
    rows_ = rows;
    for (Index l = 0; l < shape_.layers(); ++l)
      this->backend_.unit_blocks(factors(l).a, factors(l).d, batch(l));
  }

  // Fv, of layer l: E Ãᵀ with E = (V ã) ∘ Σ_k δ²
  void multiply(VectorView<const R> v, VectorView<R> out) override {
    for (Index l = 0; l < shape_.layers(); ++l) {
      const MatrixView<R> e = responses(l, v);
      this->backend_.squared_signals(factors(l).d, e, e);
      const LayerView<R> part = layer_of(shape_, out, l);
      this->backend_.gemm(Transpose::no, Transpose::yes, R(1), factors(l).a, e, R(0), part.weights);
      this->backend_.row_sums(e, part.bias);
    }
  }

  // dᵀFd = Σ_l Σ_jn T_jn² Σ_k δ_jk², T = D_l ã
  void quadratic(VectorView<const R> d) override {
    Index total = 0;
    for (Index l = 0; l < shape_.layers(); ++l) total += shape_.width(l + 1) * rows_.samples();
    products_.reserve(this->backend_, 2 * total);
    Index offset = 0;
    for (Index l = 0; l < shape_.layers(); ++l) {
      const MatrixView<R> t = responses(l, d);
      const MatrixView<R> kept{products_.data() + offset, t.rows, t.cols};
      this->backend_.copy(t, kept);
      this->backend_.squared_signals(factors(l).d, t, {products_.data() + total + offset, t.rows, t.cols});
      offset += t.size();
    }
    this->backend_.dot(products_.vector().slice(0, total), products_.vector().slice(total, total),
                       Slot::quadratic);
  }

  void factor(SolveMethod method, R damping) override {
    for (Slot slot : {Slot::factor_info, Slot::largest_diagonal, Slot::rank})
      this->backend_.set_scalar(slot, 0.0);
    for (Index l = 0; l < shape_.layers(); ++l)
      solvers_[static_cast<std::size_t>(l)].factor(method, batch(l), damping);
  }

  // A unit's weights and its bias stand apart in θ: gathered into one column per unit, and back.
  void solve(VectorView<const R> b, VectorView<R> d) override {
    for (Index l = 0; l < shape_.layers(); ++l) {
      const Index n = shape_.width(l), m = shape_.width(l + 1);
      const MatrixView<R> columns = columns_.matrix(n + 1, m);
      const MatrixView<R> weights = columns.block(0, 0, n, m), bias = columns.block(n, 0, 1, m);
      const LayerView<const R> from = layer_of(shape_, b, l);
      this->backend_.copy(from.weights, weights);
      this->backend_.copy({from.bias.data, 1, m, 1}, bias);
      solvers_[static_cast<std::size_t>(l)].solve(columns);
      const LayerView<R> to = layer_of(shape_, d, l);
      this->backend_.copy(weights, to.weights);
      this->backend_.copy(bias, {to.bias.data, 1, m, 1});
    }
  }

  void to_dense(MatrixView<R> out) override;

 private:
  const LayerFactors<R>& factors(Index l) const { return rows_.layers[static_cast<std::size_t>(l)]; }
  BatchView<R> batch(Index l) const {
    return blocks_[static_cast<std::size_t>(l)].batch(shape_.width(l) + 1, shape_.width(l + 1));
  }

  // V ã of layer l, n_{l+1} × N
  MatrixView<R> responses(Index l, VectorView<const R> v) {
    const LayerView<const R> part = layer_of(shape_, v, l);
    scratch_.reserve(this->backend_, shape_.width(l + 1) * rows_.samples());
    const MatrixView<R> t = scratch_.matrix(shape_.width(l + 1), rows_.samples());
    this->backend_.gemm(Transpose::yes, Transpose::no, R(1), part.weights, factors(l).a, R(0), t);
    this->backend_.activate(Activation::identity, part.bias, t, t);
    return t;
  }

  NetworkShape shape_;
  Rows<R> rows_;
  std::vector<Buffer<R>> blocks_;  // by layer: (n_l + 1)² × n_{l+1}
  std::vector<DampedSolver<R>> solvers_;
  Buffer<R> columns_;   // (n_l + 1) × n_{l+1} of the widest layer
  Buffer<R> products_;  // T and T ∘ Σδ² of all layers
  Buffer<R> scratch_;
};

template <class R>
void UnitFisher<R>::to_dense(MatrixView<R> out) {
  this->backend_.fill(out, R(0));
  for (Index l = 0; l < shape_.layers(); ++l) {
    const Index n = shape_.width(l), m = shape_.width(l + 1), begin = shape_.offset(l);
    for (Index j = 0; j < m; ++j) {
      const MatrixView<R> block = batch(l)[j];
      const Index weights = begin + j * n, bias = begin + m * n + j;  // where unit j stands in θ
      for (Index c = 0; c <= n; ++c) {
        const Index col = c < n ? weights + c : bias, below = n - c;  // weights from c on, then the bias
        const R* from = block.data + c + c * (n + 1);
        const auto copy_run = [&](const R* source, Index row, Index count) {
          this->backend_.copy({source, count, 1}, {out.data + row + col * out.stride, count, 1});
          this->backend_.copy({source, 1, count, 1},
                              {out.data + col + row * out.stride, 1, count, out.stride});
        };
        if (c < n) copy_run(from, weights + c, below);
        copy_run(from + below, bias, 1);
      }
    }
  }
}

}  // namespace

template <class R>
std::unique_ptr<Fisher<R>> make_unit_fisher(Backend<R>& backend, const NetworkShape& shape) {
  return std::make_unique<UnitFisher<R>>(backend, shape);
}
template std::unique_ptr<Fisher<float>> make_unit_fisher(Backend<float>&, const NetworkShape&);
template std::unique_ptr<Fisher<double>> make_unit_fisher(Backend<double>&, const NetworkShape&);

}  // namespace natgrad
