#include "natgrad/natural_gradient.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quadratic_model.hpp"
#include "solve_outcome.hpp"

namespace natgrad {
namespace {

constexpr int max_tries = 12;       // of β
constexpr double kl_margin = 0.95;  // of √(ε / KL), the cut of β where only the KL is over
// Aimed below ε: where the quadratic model is exact (linear nets, gaussian outputs) the measured KL would
// else be over the budget by its rounding error.
template <class R>
constexpr double kl_rounding = sizeof(R) == 8 ? 0x1p-33 : 0x1p-17;
constexpr double smallest_cut = 0.1;  // a KL far over says little about where the budget ends
}  // namespace

template <class R>
NaturalGradient<R>::NaturalGradient(Network<R>& net, Likelihood likelihood,
                                    const NaturalGradientOptions& options)
    : net_(net),
      backend_(net.backend()),
      likelihood_(likelihood),
      options_(options),
      damping_(options.damping),
      pass_(net, likelihood, options.l2) {
  options.validate();
  const Index p = net.shape().parameters();
  direction_ = Buffer<R>(backend_, p);
  start_ = Buffer<R>(backend_, p);
  if (options.rule == StepRule::quadratic) model_ = std::make_unique<QuadraticModel<R>>(net, likelihood);
  if (options.rule == StepRule::quadratic || options.momentum > 0.0) previous_ = Buffer<R>(backend_, p);
}

template <class R>
NaturalGradient<R>::~NaturalGradient() = default;

template <class R>
StepReport NaturalGradient<R>::step(const Batch<R>& batch) {
  see(batch);  // F = SᵀS and what g = Sᵀu needs
  backend_.copy(parameters(), start_parameters());

  StepReport report;
  SolveLadder rung(damping_.value(), options_.solver);
  Scalars s = first_solve(batch, rung, report);
  report.loss = pass_.loss(s);
  if (std::isnan(report.loss)) require_finite(batch, s);
  const bool solved = climb_until_solved(rung, s, batch, report);
  if (!solved) require_finite(batch, s);
  const bool accepted = solved && backtrack(s, batch, report);
  if (!accepted) restore();
  complete(report, s, rung, accepted);
  remember_step(report);
  ++steps_;
  damping_.adapt({.solved_with = report.damping,
                  .rho = report.rho,
                  .rejected = report.rejected,
                  .retried = report.solver_retries > 0});
  return report;
}

// The first rung, with what may spoil it for reasons that a larger λ does not mend: a label of no
// probability, whose u is not finite, and a momentum that leads uphill.
template <class R>
Scalars NaturalGradient<R>::first_solve(const Batch<R>& batch, const SolveLadder& rung, StepReport& report) {
  Scalars s = solve_and_try(batch, rung);
  // A u whose squares are too large fails the last minor, that of the right-hand side which K is factored
  // with.
  const double info = s[Slot::factor_info];
  const bool matrix_failed = info > 0.0 && info <= static_cast<double>(rows_.count());
  if (fisher_->dual() && has_residuals() && !solve_held(s) && !matrix_failed) {
    use_residuals_ = false;
    restore();
    if (info < 0.0) fisher_->refactor();
    if (!gradient_formed_) form_gradient(batch);
    s = solve_and_try(batch, rung);
    if (solve_held(s))
      report.note = "a label of no probability: solved from the gradient, not from its parts";
  }
  if (use_momentum_ && solve_held(s) && s[Slot::gradient_step] <= 0.0) {
    use_momentum_ = false;
    restore();
    s = solve_and_try(batch, rung);
  }
  return s;
}

// From rung to rung until a direction is usable; false where none is.
template <class R>
bool NaturalGradient<R>::climb_until_solved(SolveLadder& rung, Scalars& s, const Batch<R>& batch,
                                            StepReport& report) {
  if (solve_held(s)) return true;
  report.note = describe_failure(s, rung);
  do {
    if (!rung.climb()) {
      report.note += "; no rung of the ladder holds: step rejected";
      return false;
    }
    restore();
    s = solve_and_try(batch, rung);
  } while (!solve_held(s));
  report.note += "; retried with " + std::string(to_string(rung.method())) + ": ok";
  return true;
}

// Smaller and smaller β until a try is acceptable; false where the last one is not.
template <class R>
bool NaturalGradient<R>::backtrack(Scalars& s, const Batch<R>& batch, StepReport& report) {
  while (!acceptable(s)) {
    if (report.backtracks + 1 == max_tries) return false;
    backend_.set_scalar(Slot::beta, s[Slot::beta] * cut(s));
    s = try_step(batch);
    ++report.backtracks;
  }
  return true;
}

// d₋ ← the step applied
template <class R>
void NaturalGradient<R>::remember_step(const StepReport& report) {
  if (previous_.size() == 0) return;
  has_previous_ = !report.rejected;
  if (report.rejected) return;
  backend_.copy({direction_.data(), direction_.size(), 1}, {previous_.data(), previous_.size(), 1});
  backend_.scale(static_cast<R>(report.beta), previous_.vector());
}

// b = g + λμd₋ = Sᵀu + λv, v = (η/λ)θ + μd₋, λ with η
template <class R>
RightSide<R> NaturalGradient<R>::right_side(double damping) {
  RightSide<R> right;
  const Index p = net_.shape().parameters();
  if (gradient_formed_) {
    right.b = pass_.gradient();
    if (use_momentum_) {
      right_side_.reserve(backend_, p);
      backend_.copy({right.b.data, p, 1}, right_side_.matrix(p, 1));
      backend_.axpy(static_cast<R>(damping * options_.momentum), previous_.vector(), right_side_.vector());
      right.b = right_side_.vector();
    }
  }
  if (!fisher_->dual() || !has_residuals()) return right;
  right.u = rows_.u;
  if (!use_momentum_ && options_.l2 == 0.0) return right;
  shift_.reserve(backend_, p);
  backend_.fill(shift_.matrix(p, 1), R(0));
  if (use_momentum_) backend_.axpy(static_cast<R>(options_.momentum), previous_.vector(), shift_.vector());
  if (options_.l2 != 0.0)
    backend_.axpy(static_cast<R>(options_.l2 / damping), start_.vector(), shift_.vector());
  right.v = shift_.vector();
  return right;
}

// d = (F + (λ + η)I)⁻¹b, β = min(β_max, √(2ε / dᵀFd)), and the first try, all in one go of the device.
template <class R>
Scalars NaturalGradient<R>::solve_and_try(const Batch<R>& batch, const SolveLadder& rung) {
  const double damping = rung.damping() + options_.l2;
  const VectorView<R> d = direction_.vector();
  fisher_->solve(rung.method(), damping, right_side(damping), d);
  {
    const PhaseScope phase(backend_, Phase::solve);
    if (model_) minimise_model(batch.x.cols, rung);
    backend_.dot(d, d, Slot::step_norm2);
    if (gradient_formed_) backend_.dot(pass_.gradient(), d, Slot::gradient_step);
    if (options_.l2 != 0.0) backend_.dot(start_.vector(), d, Slot::parameter_step);
    backend_.step_size(options_.kl * (1.0 - kl_rounding<R>), options_.max_beta);
  }
  return try_step(batch);
}

// d ← αd + μd₋ by the quadratic model
template <class R>
void NaturalGradient<R>::minimise_model(Index samples, const SolveLadder& rung) {
  const Index part = options_.model_batch == 0 ? samples : std::min(options_.model_batch, samples);
  const VectorView<R> previous = has_previous_ ? previous_.vector() : VectorView<R>{};
  model_->minimise(pass_.activations().columns(window_begin(samples, part), part), pass_.gradient(),
                   options_.model_damping * rung.damping() + options_.l2, previous, direction_.vector());
}

// θ ← θ_start − βd; the KL and the change of the loss that it makes.
template <class R>
Scalars NaturalGradient<R>::try_step(const Batch<R>& batch) {
  const PhaseScope phase(backend_, Phase::line_search);
  restore();
  backend_.axpy(R(-1), Slot::beta, direction_.vector(), net_.theta());
  forward_output(net_, batch.x, trial_);
  backend_.divergence(likelihood_, pass_.activations().output(), trial_.output(), batch.y);
  return backend_.read_scalars();
}

// Of the loss with its L2 term: η/2 (‖θ − βd‖² − ‖θ‖²) = η(½β²dᵀd − βθᵀd).
template <class R>
double NaturalGradient<R>::loss_change(const Scalars& s) const {
  const double beta = s[Slot::beta];
  if (options_.l2 == 0.0) return s[Slot::loss_change];
  return s[Slot::loss_change] +
         options_.l2 * (0.5 * beta * beta * s[Slot::step_norm2] - beta * s[Slot::parameter_step]);
}

// Written so that a NaN is not acceptable.
template <class R>
bool NaturalGradient<R>::acceptable(const Scalars& s) const {
  return loss_change(s) <= 0.0 && s[Slot::kl] <= options_.kl * (1.0 + options_.kl_tolerance) && fits(s);
}

// θ − βd is finite, by a bound that costs no look at it. A weight that is not makes the KL divergence NaN,
// but for a BLAS that skips the products with a feature that is 0.
template <class R>
bool NaturalGradient<R>::fits(const Scalars& s) const {
  return std::sqrt(s[Slot::parameter_norm2]) + s[Slot::beta] * std::sqrt(s[Slot::step_norm2]) <=
         static_cast<double>(std::numeric_limits<R>::max());
}

template <class R>
double NaturalGradient<R>::cut(const Scalars& s) const {
  const double kl = s[Slot::kl];
  if (!std::isfinite(kl)) return smallest_cut;
  const double to_budget =
      kl > options_.kl ? std::max(smallest_cut, kl_margin * std::sqrt(options_.kl / kl)) : 1.0;
  return loss_change(s) <= 0.0 ? to_budget : std::min(0.5, to_budget);
}

template class NaturalGradient<float>;
template class NaturalGradient<double>;

}  // namespace natgrad
