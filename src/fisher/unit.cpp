/// Unit-wise blocks: F_{l,j} = Σ_rows δ_j² ããᵀ, per layer a batch of m matrices of order ñ.
#include "fisher/damped_solver.hpp"
#include "fisher/extended.hpp"
#include "fisher/fisher.hpp"
#include "fisher/symmetric.hpp"

namespace natgrad {
namespace {

Index all_units(const RowsShape& shape) {
  Index units = 0;
  for (const auto& layer : shape.layers) units += layer.units;
  return units;
}

std::vector<PlannedBuffer> buffers_of(const RowsShape& shape, const FisherOptions& options) {
  std::vector<PlannedBuffer> buffers;
  for (std::size_t l = 0; l < shape.layers.size(); ++l) {
    const auto& layer = shape.layers[l];
    buffers.push_back(
        {layer_buffer(l, "unit matrices"), capped_product(layer.parameters(), layer.extended())});
    buffers.push_back(
        {layer_buffer(l, "unit factors"), DampedSolver<float>::elements(layer.extended(), layer.units)});
  }
  buffers.push_back({"columns", unit_elements(shape)});
  buffers.push_back({"products of columns", unit_elements(shape)});
  if (options.decay > 0.0 || options.refresh > 1)
    buffers.push_back({"Fd", shape.parameters()});
  else
    buffers.push_back({"responses", capped_product(2 * all_units(shape), shape.samples)});
  return buffers;
}

template <class R>
class UnitFisher final : public Fisher<R> {
 public:
  UnitFisher(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options)
      : Fisher<R>(backend, shape, options), buffers_(backend, buffers_of(shape, options)) {
    for (std::size_t l = 0; l < shape.layers.size(); ++l)
      solvers_.emplace_back(backend, std::move(buffers_[layer_buffer(l, "unit factors")]),
                            shape.layers[l].extended(), shape.layers[l].units, options.cutoff);
  }

  void multiply(VectorView<const R> v, VectorView<R> out) override {
    for (std::size_t l = 0; l < solvers_.size(); ++l) {
      const MatrixView<R> columns = unit_columns("columns", l);
      const MatrixView<R> products = unit_columns("products of columns", l);
      gather_units(this->backend_, layer_part(this->shape_, l, v), columns);
      const BatchView<R> blocks = matrices(l);
      for (Index j = 0; j < columns.cols; ++j)
        this->backend_.symv(blocks[j], columns.column(j), products.column(j));
      scatter_units<R>(this->backend_, products, layer_part(this->shape_, l, out));
    }
  }

  void to_dense(MatrixView<R> out) override {
    this->backend_.fill(out, R(0));
    for (std::size_t l = 0; l < solvers_.size(); ++l)
      for (Index j = 0; j < this->shape_.layers[l].units; ++j) place(l, j, out);
    mirror_lower(this->backend_, out);
  }

 private:
  void accumulate(R alpha, R beta) override {
    if (!this->due()) return;
    for (std::size_t l = 0; l < solvers_.size(); ++l) {
      this->backend_.unit_blocks(this->rows_.layers[l], alpha, beta, matrices(l));
      solvers_[l].invalidate();
    }
  }

  void visit_curvature(StateVisitor<R>& state) override {
    for (std::size_t l = 0; l < solvers_.size(); ++l) {
      StateVisitor<R> layer = state.within("layer " + std::to_string(l + 1));
      layer.matrices("matrices", matrices(l), Triangle::lower);
      visit_solver(this->options_, solvers_[l], layer);
    }
  }

  void solve_damped(SolveMethod method, R damping, const RightSide<R>& right, VectorView<R> d) override {
    for (std::size_t l = 0; l < solvers_.size(); ++l) {
      const MatrixView<R> columns = unit_columns("columns", l);
      gather_units(this->backend_, layer_part(this->shape_, l, right.b), columns);
      solvers_[l].solve(method, matrices(l), damping, columns);
      scatter_units<R>(this->backend_, columns, layer_part(this->shape_, l, d));
    }
    quadratic(d);
  }

  // dᵀFd = Σ_l Σ_jn T_jn² Σ_k δ_jk², T = D̃_lᵀã, which never cancels; of an older F dᵀ(Fd)
  void quadratic(VectorView<const R> d) {
    if (this->older()) {
      const VectorView<R> fd = buffers_["Fd"].vector();
      multiply(d, fd);
      return this->backend_.dot(d, fd, Slot::quadratic);
    }
    const VectorView<R> responses = buffers_["responses"].vector();
    const Index total = responses.size / 2;
    R* next = responses.data;
    for (std::size_t l = 0; l < solvers_.size(); ++l) {
      const LayerFactors<R>& layer = this->rows_.layers[l];
      const LayerView<const R> part = layer_part(this->shape_, l, d);
      const MatrixView<R> t{next, layer.units(), layer.a.cols}, e{next + total, t.rows, t.cols};
      this->backend_.gemm(Transpose::yes, Transpose::no, R(1), part.weights, layer.a, R(0), t);
      if (layer.bias) this->backend_.activate(Activation::identity, part.bias, t, t);
      this->backend_.squared_signals(layer.d, t, e);
      next += t.size();
    }
    this->backend_.dot(responses.slice(0, total), responses.slice(total, total), Slot::quadratic);
  }

  // The lower triangle of unit j's block, whose weights stand together in θ and whose bias stands behind
  // those of all units.
  void place(std::size_t l, Index j, MatrixView<R> out) {
    const auto& layer = this->shape_.layers[l];
    const Index n = layer.inputs, begin = this->shape_.offset(l);
    const Index weights = begin + j * n, bias = begin + layer.units * n + j;
    const MatrixView<R> block = matrices(l)[j];
    for (Index c = 0; c < n; ++c)  // a column from its diagonal on
      this->backend_.copy(block.block(c, c, n - c, 1), out.block(weights + c, weights + c, n - c, 1));
    if (!layer.bias) return;
    this->backend_.copy(block.block(n, 0, 1, n), out.block(bias, weights, 1, n));
    this->backend_.copy(block.block(n, n, 1, 1), out.block(bias, bias, 1, 1));
  }

  BatchView<R> matrices(std::size_t l) {
    const auto& layer = this->shape_.layers[l];
    return buffers_[layer_buffer(l, "unit matrices")].batch(layer.extended(), layer.units);
  }
  MatrixView<R> unit_columns(const char* name, std::size_t l) {
    return buffers_[name].matrix(this->shape_.layers[l].extended(), this->shape_.layers[l].units);
  }

  PlannedBuffers<R> buffers_;
  std::vector<DampedSolver<R>> solvers_;  // by layer
};

}  // namespace

// Per layer: N m ñ² for the lower triangles, m ñ³/3 for their factors, 2 m ñ² for the solves, and dᵀFd from
// rows (2 N m ñ) or from the matrices (2 m ñ²).
FisherPlan plan_unit(const RowsShape& shape, const FisherOptions& options) {
  FisherPlan plan{buffers_of(shape, options), 0.0, false};
  const double samples = static_cast<double>(shape.samples);
  for (const auto& layer : shape.layers) {
    const double n = static_cast<double>(layer.extended()), p = static_cast<double>(layer.parameters());
    const bool older = options.decay > 0.0 || options.refresh > 1;
    plan.flops += p * ((samples * n + n * n / 3.0) / options.refresh + 2.0 * n + 2.0 * (older ? n : samples));
  }
  return plan;
}

template <class R>
FisherOwner<R> make_unit(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options) {
  return std::make_unique<UnitFisher<R>>(backend, shape, options);
}
template FisherOwner<float> make_unit(Backend<float>&, const RowsShape&, const FisherOptions&);
template FisherOwner<double> make_unit(Backend<double>&, const RowsShape&, const FisherOptions&);

}  // namespace natgrad
