/// The diagonal of F: f = Σ_rows s∘s.
#include "fisher/fisher.hpp"
#include "fisher/squares.hpp"

namespace natgrad {
namespace {

std::vector<PlannedBuffer> buffers_of(const RowsShape& shape) {
  return {{"diagonal", shape.parameters()},
          {"Fd", shape.parameters()},
          {"squared inputs", extended_elements(shape)},
          {"squared signals", squared_signal_elements(shape)}};
}

template <class R>
class DiagonalFisher final : public Fisher<R> {
 public:
  DiagonalFisher(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options)
      : Fisher<R>(backend, shape, options), buffers_(backend, buffers_of(shape)) {}

  void multiply(VectorView<const R> v, VectorView<R> out) override {
    const VectorView<R> f = diagonal();
    this->backend_.hadamard({f.data, f.size, 1}, {v.data, v.size, 1}, {out.data, out.size, 1});
  }

  void to_dense(MatrixView<R> out) override {
    const VectorView<R> f = diagonal();
    this->backend_.fill(out, R(0));
    this->backend_.copy({f.data, 1, f.size, 1}, {out.data, 1, f.size, out.stride + 1});
  }

 private:
  void accumulate(R alpha, R beta) override {
    if (!this->due()) return;
    for (std::size_t l = 0; l < this->shape_.layers.size(); ++l)
      add_squares(this->backend_, this->rows_.layers[l], alpha, beta,
                  diagonal().slice(this->shape_.offset(l), this->shape_.layers[l].parameters()),
                  buffers_["squared inputs"], buffers_["squared signals"]);
  }

  void visit_curvature(StateVisitor<R>& state) override { state.array("diagonal", diagonal()); }

  // Both methods are the same: an element of 0 gives 0, as of minimum norm.
  void solve_damped(SolveMethod, R damping, const RightSide<R>& right, VectorView<R> d) override {
    this->backend_.damped_quotient(right.b, diagonal(), damping, d);
    const VectorView<R> fd = buffers_["Fd"].vector();
    multiply(d, fd);
    this->backend_.dot(d, fd, Slot::quadratic);  // Σ f d²: nothing cancels
  }

  VectorView<R> diagonal() { return buffers_["diagonal"].vector(); }

  PlannedBuffers<R> buffers_;
};

}  // namespace

// Per layer: 2 N m ñ for the product of squares, 2 R m for Σ δ².
FisherPlan plan_diagonal(const RowsShape& shape, const FisherOptions&) {
  FisherPlan plan{buffers_of(shape), 0.0, false};
  for (const auto& layer : shape.layers)
    plan.flops += 2.0 * static_cast<double>(shape.samples) * static_cast<double>(layer.parameters()) +
                  2.0 * static_cast<double>(shape.count()) * static_cast<double>(layer.units);
  return plan;
}

template <class R>
FisherOwner<R> make_diagonal(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options) {
  return std::make_unique<DiagonalFisher<R>>(backend, shape, options);
}
template FisherOwner<float> make_diagonal(Backend<float>&, const RowsShape&, const FisherOptions&);
template FisherOwner<double> make_diagonal(Backend<double>&, const RowsShape&, const FisherOptions&);

}  // namespace natgrad
