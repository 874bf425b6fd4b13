/// All of F through the R × R Gram matrix K = SSᵀ.
#pragma once

#include "fisher/damped_solver.hpp"
#include "fisher/fisher.hpp"

namespace natgrad {

template <class R>
class GramFisher final : public Fisher<R> {
 public:
  GramFisher(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options);

  bool dual() const override { return true; }
  bool needs_gradient() const override { return false; }
  void refactor() override { solver_.invalidate(); }
  void multiply(VectorView<const R> v, VectorView<R> out) override;
  void to_dense(MatrixView<R> out) override;
  /// `solve`, without setting the slots of factorisations to 0 before.
  void solve_damped(SolveMethod method, R damping, const RightSide<R>& right, VectorView<R> d) override;
  /// Sd of the last solve, R.
  VectorView<R> response() { return buffers_["Sd"].vector(); }

  static std::vector<PlannedBuffer> buffers(const RowsShape& shape, const FisherOptions& options);

 private:
  void accumulate(R alpha, R beta) override;
  void residual(R damping);
  void refine(R damping, const RightSide<R>& right, VectorView<R> d);
  void respond(R damping, const RightSide<R>& right);
  void complete(const RightSide<R>& right);
  BatchView<R> gram() { return buffers_["Gram matrix"].batch(this->shape_.count(), 1); }

  PlannedBuffers<R> buffers_;
  DampedSolver<R> solver_;
};

/// out ← SᵀS, P × P, both triangles, from expanded rows.
template <class R>
void dense_from_rows(const Rows<R>& rows, MatrixView<R> out);

}  // namespace natgrad
