/// The whole Fisher matrix, P × P.
#include <algorithm>

#include "fisher/damped_solver.hpp"
#include "fisher/fisher.hpp"
#include "fisher/outer_product.hpp"
#include "fisher/symmetric.hpp"

namespace natgrad {
namespace {

template <class R>
class DenseFisher final : public Fisher<R> {
 public:
  DenseFisher(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options)
      : Fisher<R>(backend, shape, options),
        buffers_(backend, own_buffers(shape, options)),
        outer_(backend, shape, Blocks::all),
        solver_(backend, std::move(buffers_["factor"]), shape.parameters(), 1, options.cutoff,
                accuracy_of(options)) {}

  static std::vector<PlannedBuffer> own_buffers(const RowsShape& shape, const FisherOptions& options) {
    const Index p = shape.parameters();
    return {{"Fisher matrix", capped_product(p, p)},
            {"factor", DampedSolver<R>::elements(p, 1)},
            {"Sd", std::max(p, shape.count())},
            {"residual", options.refine > 0 ? p : 0},
            {"product scratch", product_scratch(shape)}};
  }

  void multiply(VectorView<const R> v, VectorView<R> out) override { this->backend_.symv(matrix(), v, out); }

  void to_dense(MatrixView<R> out) override {
    this->backend_.copy(matrix(), out);
    mirror_lower(this->backend_, out);
  }

 private:
  void accumulate(R alpha, R beta) override {
    if (!this->due()) return;
    outer_.accumulate(this->rows_, alpha, beta, matrix(), accuracy_of(this->options_));
    solver_.invalidate();
  }

  void visit_curvature(StateVisitor<R>& state) override {
    state.matrices("matrix", BatchView<R>(matrix()), Triangle::lower);
    visit_solver(this->options_, solver_, state.within("solver"));
  }

  void solve_damped(SolveMethod method, R damping, const RightSide<R>& right, VectorView<R> d) override {
    const Index p = this->parameters();
    this->backend_.copy({right.b.data, p, 1}, {d.data, p, 1});
    solver_.solve(method, buffers_["Fisher matrix"].batch(p, 1), damping, {d.data, p, 1});
    if (this->options_.refine > 0) refine(method, damping, right.b, d);
    quadratic(d);
  }

  // r = b − λd − Sᵀ(Sd), d ← d + (F + λI)⁻¹r, so often as asked for; the last residual is the one reported.
  void refine(SolveMethod method, R damping, VectorView<const R> b, VectorView<R> d) {
    Backend<R>& backend = this->backend_;
    const VectorView<R> r = buffers_["residual"].vector();
    const VectorView<R> sd = buffers_["Sd"].vector().slice(0, this->rows_.count());
    for (int step = 0;; ++step) {
      natgrad::multiply<R>(this->rows_, d, sd, buffers_["product scratch"]);
      multiply_transposed<R>(this->rows_, sd, r, buffers_["product scratch"]);
      backend.axpy(damping, d, r);
      backend.scale(R(-1), r);
      backend.axpy(R(1), b, r);
      backend.dot(r, r, Slot::residual_norm2);
      if (step == this->options_.refine) break;
      backend.set_scalar(Slot::rank, 0.0);  // eigenvalues are counted once
      solver_.solve_again({r.data, r.size, 1});
      backend.axpy(R(1), r, d);
    }
    if (method == SolveMethod::cholesky)  // a pseudo-inverse leaves a part of b unsolved
      backend.dot(b, b, Slot::right_side_norm2);
  }

  // dᵀFd = ‖Sd‖², which never cancels; of an older F dᵀ(Fd)
  void quadratic(VectorView<const R> d) {
    const VectorView<R> w = buffers_["Sd"].vector().slice(0, this->older() ? d.size : this->rows_.count());
    if (this->older()) {
      multiply(d, w);
      return this->backend_.dot(d, w, Slot::quadratic);
    }
    natgrad::multiply(this->rows_, d, w, buffers_["product scratch"]);
    this->backend_.dot(w, w, Slot::quadratic);
  }

  MatrixView<R> matrix() { return buffers_["Fisher matrix"].matrix(this->parameters(), this->parameters()); }

  PlannedBuffers<R> buffers_;
  OuterProduct<R> outer_;
  DampedSolver<R> solver_;
};

}  // namespace

// P³/3 for the factor
FisherPlan plan_dense(const RowsShape& shape, const FisherOptions& options) {
  FisherPlan plan{DenseFisher<float>::own_buffers(shape, options),
                  OuterProduct<float>::flops(shape, Blocks::all), true};
  for (auto& buffer : OuterProduct<float>::buffers(shape, Blocks::all))
    plan.buffers.push_back(std::move(buffer));
  const double p = static_cast<double>(shape.parameters());
  plan.flops += p * p * p / 3.0;
  return plan;
}

template <class R>
FisherOwner<R> make_dense(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options) {
  return std::make_unique<DenseFisher<R>>(backend, shape, options);
}
template FisherOwner<float> make_dense(Backend<float>&, const RowsShape&, const FisherOptions&);
template FisherOwner<double> make_dense(Backend<double>&, const RowsShape&, const FisherOptions&);

}  // namespace natgrad
