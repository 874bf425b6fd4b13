#include "fisher/gram.hpp"

#include <algorithm>

#include "fisher/dual.hpp"
#include "fisher/symmetric.hpp"

namespace natgrad {

template <class R>
GramFisher<R>::GramFisher(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options)
    : Fisher<R>(backend, shape, options),
      buffers_(backend, buffers(shape, options)),
      solver_(backend, std::move(buffers_["factor"]), shape.count(), 1, options.cutoff,
              accuracy_of(options)) {}

template <class R>
std::vector<PlannedBuffer> GramFisher<R>::buffers(const RowsShape& shape, const FisherOptions& options) {
  const Index rows = shape.count();
  return {{"Gram matrix", capped_product(rows, rows)},
          {"factor", DampedSolver<R>::elements(rows, 1)},
          {"u - Sv", rows},
          {"y", rows},
          {"Sd", rows},
          {"residual", rows},
          {"correction of d", options.refine > 0 ? shape.parameters() : 0},
          {"product scratch", product_scratch(shape)}};
}

template <class R>
void GramFisher<R>::accumulate(R, R) {
  natgrad::gram(this->rows_, gram()[0], accuracy_of(this->options_));
  solver_.invalidate();
}

// Fv = Sᵀ(Sv)
template <class R>
void GramFisher<R>::multiply(VectorView<const R> v, VectorView<R> out) {
  natgrad::multiply(this->rows_, v, buffers_["Sd"].vector(), buffers_["product scratch"]);
  multiply_transposed<R>(this->rows_, buffers_["Sd"].vector(), out, buffers_["product scratch"]);
}

template <class R>
void GramFisher<R>::solve_damped(SolveMethod method, R damping, const RightSide<R>& right, VectorView<R> d) {
  Backend<R>& backend = this->backend_;
  const VectorView<R> t = buffers_["u - Sv"].vector(), y = buffers_["y"].vector();
  dual_right_side(this->rows_, right, damping, t, buffers_["product scratch"]);
  backend.copy({t.data, t.size, 1}, {y.data, y.size, 1});
  solver_.solve(method, gram(), damping, {y.data, y.size, 1});
  const bool squared = squared_dual(right, damping);
  if (squared) {
    backend.set_scalar(Slot::rank, 0.0);  // eigenvalues are counted once
    solver_.solve_again({y.data, y.size, 1});
  }
  dual_direction<R>(this->rows_, right, damping, y, d, buffers_["product scratch"]);
  if (!squared && this->options_.refine > 0) refine(damping, right, d);
  if (method == SolveMethod::cholesky && !squared) {
    if (this->options_.refine == 0) residual(damping);
    backend.dot(t, t, Slot::right_side_norm2);
    respond(damping, right);
  } else {  // a pseudo-inverse leaves a part of t unsolved
    natgrad::multiply<R>(this->rows_, d, response(), buffers_["product scratch"]);
  }
  complete(right);
}

// r ← λy + Ky − t
template <class R>
void GramFisher<R>::residual(R damping) {
  Backend<R>& backend = this->backend_;
  const VectorView<R> y = buffers_["y"].vector(), r = buffers_["residual"].vector();
  backend.symv(gram()[0], y, r);
  backend.axpy(damping, y, r);
  backend.axpy(R(-1), buffers_["u - Sv"].vector(), r);
  backend.dot(r, r, Slot::residual_norm2);
}

// r = u − λy − Sd, y ← y + (K + λI)⁻¹r, d ← d + Sᵀ(K + λI)⁻¹r, so often as asked for; the last residual is
// the one reported. It is that of d as it has been rounded: where F ≫ λ, the error of Sᵀy goes too.
template <class R>
void GramFisher<R>::refine(R damping, const RightSide<R>& right, VectorView<R> d) {
  Backend<R>& backend = this->backend_;
  const VectorView<R> y = buffers_["y"].vector(), r = buffers_["residual"].vector();
  const VectorView<R> correction = buffers_["correction of d"].vector();
  for (int step = 0;; ++step) {
    natgrad::multiply<R>(this->rows_, d, r, buffers_["product scratch"]);
    backend.axpy(damping, y, r);
    backend.scale(R(-1), r);
    if (right.u.size > 0) backend.axpy(R(1), right.u, r);
    backend.dot(r, r, Slot::residual_norm2);
    if (step == this->options_.refine) return;
    backend.set_scalar(Slot::rank, 0.0);  // eigenvalues are counted once
    solver_.solve_again({r.data, r.size, 1});
    backend.axpy(R(1), r, y);
    multiply_transposed<R>(this->rows_, r, correction, buffers_["product scratch"]);
    backend.axpy(R(1), correction, d);
  }
}

// Sd ← u − λy
template <class R>
void GramFisher<R>::respond(R damping, const RightSide<R>& right) {
  const VectorView<R> y = buffers_["y"].vector(), sd = response();
  this->backend_.copy({y.data, y.size, 1}, {sd.data, sd.size, 1});
  this->backend_.scale(-damping, sd);
  if (right.u.size > 0) this->backend_.axpy(R(1), right.u, sd);
}

// The numbers that follow from Sd.
template <class R>
void GramFisher<R>::complete(const RightSide<R>& right) {
  Backend<R>& backend = this->backend_;
  const VectorView<R> sd = response();
  backend.dot(sd, sd, Slot::quadratic);
  if (right.b.size > 0) return;
  backend.dot(right.u, sd, Slot::gradient_step);
  const VectorView<R> ku = buffers_["residual"].vector();  // ‖Sᵀu‖² = uᵀKu
  backend.symv(gram()[0], right.u, ku);
  backend.dot(right.u, ku, Slot::gradient_norm2);
}

// Chunks that take no more memory than the result.
template <class R>
void dense_from_rows(const Rows<R>& rows, MatrixView<R> out) {
  const Index p = rows.parameters(), samples = rows.samples();
  const Index chunk = std::clamp<Index>(p / std::max<Index>(1, rows.per_sample), 1, samples);
  Buffer<R> expanded(*rows.backend, p * chunk * rows.per_sample);
  for (Index begin = 0; begin < samples; begin += chunk) {
    const Rows<R> part = rows.slice(begin, std::min(chunk, samples - begin));
    const MatrixView<R> s = expanded.matrix(p, part.count());
    expand(part, s);
    rows.backend->syrk(R(1), s, begin == 0 ? R(0) : R(1), out);
  }
  mirror_lower(*rows.backend, out);
}

template <class R>
void GramFisher<R>::to_dense(MatrixView<R> out) {
  dense_from_rows(this->rows_, out);
}

// R²Σ(ñ + m) for the lower triangle of K, the input products once for r rows; R³/3 for its factor; Sᵀy as a
// gradient.
FisherPlan plan_gram(const RowsShape& shape, const FisherOptions& options) {
  FisherPlan plan{.buffers = GramFisher<float>::buffers(shape, options),
                  .exact = true,
                  .dual = true,
                  .needs_gradient = false};
  const double rows = static_cast<double>(shape.count()), samples = static_cast<double>(shape.samples);
  for (const auto& layer : shape.layers)
    plan.flops += samples * samples * static_cast<double>(layer.inputs) +
                  rows * rows * static_cast<double>(layer.units);
  plan.flops += rows * rows * rows / 3.0 + 2.0 * samples * static_cast<double>(shape.parameters());
  return plan;
}

template void dense_from_rows(const Rows<float>&, MatrixView<float>);
template void dense_from_rows(const Rows<double>&, MatrixView<double>);
template class GramFisher<float>;
template class GramFisher<double>;

template <class R>
FisherOwner<R> make_gram(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options) {
  return std::make_unique<GramFisher<R>>(backend, shape, options);
}
template FisherOwner<float> make_gram(Backend<float>&, const RowsShape&, const FisherOptions&);
template FisherOwner<double> make_gram(Backend<double>&, const RowsShape&, const FisherOptions&);

}  // namespace natgrad
