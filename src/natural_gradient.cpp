#include "natgrad/natural_gradient.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace natgrad {
namespace {

constexpr int max_tries = 12;       // of β
constexpr double kl_margin = 0.95;  // of √(ε / KL), the cut of β where only the KL is over
// Aimed below ε: where the quadratic model is exact (linear nets, gaussian outputs) the measured KL would
// else be over the budget by its rounding error.
template <class R>
constexpr double kl_rounding = sizeof(R) == 8 ? 0x1p-33 : 0x1p-17;
constexpr double smallest_cut = 0.1;    // a KL far over says little about where the budget ends
constexpr int damping_retries = 6;      // rungs of the ladder
constexpr double damping_retry = 10.0;  // λ from rung to rung
constexpr double damping_factor = 2.0;  // Levenberg-Marquardt

void require(bool allowed, const char* option, double value, const char* range) {
  if (allowed) return;
  char message[160];
  std::snprintf(message, sizeof message, "%s is %g, must be %s", option, value, range);
  throw UsageError(message);
}

// The direction is usable: its factorisation held, and dᵀFd and d are finite.
bool solved(const Scalars& s) {
  return s[Slot::factor_info] == 0.0 && std::isfinite(s[Slot::step_norm2]) &&
         std::isfinite(s[Slot::quadratic]);
}

}  // namespace

void NaturalGradientOptions::validate() const {
  require(kl > 0.0 && std::isfinite(kl), "kl", kl, "positive");
  require(kl_tolerance >= 0.0 && std::isfinite(kl_tolerance), "kl-tolerance", kl_tolerance, "at least 0");
  require(damping >= 0.0 && std::isfinite(damping), "damping", damping, "at least 0");
  require(max_beta > 0.0 && std::isfinite(max_beta), "max-beta", max_beta, "positive");
  require(min_damping >= 0.0 && min_damping <= max_damping, "the least damping", min_damping,
          "at least 0 and at most the largest");
  require(l2 >= 0.0 && std::isfinite(l2), "l2", l2, "at least 0");
  require(draws >= 1, "fisher-samples", static_cast<double>(draws), "at least 1");
}

bool SolveLadder::climb() {
  if (method_ == SolveMethod::eigen) return false;
  ++retries_;
  if (retries_ <= damping_retries) {
    damping_ *= damping_retry;
  } else {
    method_ = SolveMethod::eigen;
    damping_ = start_;
  }
  return true;
}

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
  fisher_ = make_fisher(backend_, net.shape(), options.structure);
  direction_ = Buffer<R>(backend_, net.shape().parameters());
  start_ = Buffer<R>(backend_, net.shape().parameters());
}

template <class R>
StepReport NaturalGradient<R>::step(const Batch<R>& batch) {
  const Rows<R> rows = curvature_rows(pass_.run(batch), batch);  // g = ∇loss, and S
  fisher_->update(rows);                                         // F = SᵀS
  backend_.copy(parameters(), start_parameters());

  StepReport report;
  SolveLadder rung(damping_);
  Scalars s = solve_and_try(rung, batch);
  try {
    report.loss = pass_.checked_loss(s);
  } catch (const NumericError&) {
    restore();
    throw;
  }
  const bool accepted = climb_until_solved(rung, s, batch, report) && backtrack(s, batch, report);
  if (!accepted) restore();
  complete(report, s, rung, accepted);
  adapt_damping(report);
  return report;
}

// The empirical rows that gave the gradient serve as they are; other kinds need a backward pass of their own.
template <class R>
Rows<R> NaturalGradient<R>::curvature_rows(const Rows<R>& empirical_rows, const Batch<R>& batch) {
  const ScoreSpec spec{options_.kind, options_.draws, {options_.seed, Stream::scores, steps_++}};
  if (options_.kind == ScoreKind::empirical) return empirical_rows;
  const PhaseScope phase(backend_, Phase::scores);
  return score_rows(net_, pass_.activations(), spec, likelihood_, batch.y, signals_);
}

// From rung to rung until a direction is usable; false where none is.
template <class R>
bool NaturalGradient<R>::climb_until_solved(SolveLadder& rung, Scalars& s, const Batch<R>& batch,
                                            StepReport& report) {
  while (!solved(s)) {
    if (report.note.empty()) report.note = describe_failure(s, rung);
    if (!rung.climb()) {
      report.note += "; no rung of the ladder holds: step rejected";
      return false;
    }
    s = solve_and_try(rung, batch);
  }
  if (!report.note.empty()) report.note += "; retried with " + std::string(to_string(rung.method())) + ": ok";
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

template <class R>
void NaturalGradient<R>::complete(StepReport& report, const Scalars& s, const SolveLadder& rung,
                                  bool accepted) const {
  const double beta = s[Slot::beta];
  report.rejected = !accepted;
  report.new_loss = accepted ? report.loss + loss_change(s) : report.loss;
  report.kl_budget = options_.kl;
  report.quadratic = s[Slot::quadratic];
  report.kl_model = 0.5 * beta * beta * report.quadratic;
  report.kl_measured = s[Slot::kl];
  report.beta = beta;
  report.damping = rung.damping();
  report.rho = reduction_ratio(s);
  report.solver = to_string(rung.method());
  report.solver_retries = rung.retries();
  report.grad_norm = std::sqrt(s[Slot::gradient_norm2]);
  report.step_norm = accepted ? beta * std::sqrt(s[Slot::step_norm2]) : 0.0;
}

// d = (F + (λ + η)I)⁻¹g, β = min(β_max, √(2ε / dᵀFd)), and the first try, all in one go of the device.
template <class R>
Scalars NaturalGradient<R>::solve_and_try(const SolveLadder& rung, const Batch<R>& batch) {
  const VectorView<R> g = pass_.gradient(), d = direction_.vector();
  fisher_->factor(rung.method(), static_cast<R>(rung.damping() + options_.l2));
  {
    const PhaseScope phase(backend_, Phase::solve);
    fisher_->solve(g, d);
    fisher_->quadratic(d);
    backend_.dot(d, d, Slot::step_norm2);
    backend_.dot(g, d, Slot::gradient_step);
    backend_.dot(start_.vector(), d, Slot::parameter_step);
    backend_.step_size(options_.kl * (1.0 - kl_rounding<R>), options_.max_beta);
  }
  return try_step(batch);
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
  return s[Slot::loss_change] +
         options_.l2 * (0.5 * beta * beta * s[Slot::step_norm2] - beta * s[Slot::parameter_step]);
}

// Written so that a NaN is not acceptable.
template <class R>
bool NaturalGradient<R>::acceptable(const Scalars& s) const {
  return loss_change(s) <= 0.0 && s[Slot::kl] <= options_.kl * (1.0 + options_.kl_tolerance);
}

template <class R>
double NaturalGradient<R>::cut(const Scalars& s) const {
  const double kl = s[Slot::kl];
  if (!std::isfinite(kl)) return smallest_cut;
  const double to_budget =
      kl > options_.kl ? std::max(smallest_cut, kl_margin * std::sqrt(options_.kl / kl)) : 1.0;
  return loss_change(s) <= 0.0 ? to_budget : std::min(0.5, to_budget);
}

// ρ = actual / predicted, predicted = −gᵀs + ½sᵀ(F + ηI)s with s = βd.
template <class R>
double NaturalGradient<R>::reduction_ratio(const Scalars& s) const {
  const double beta = s[Slot::beta];
  const double curvature = s[Slot::quadratic] + options_.l2 * s[Slot::step_norm2];
  return loss_change(s) / (-beta * s[Slot::gradient_step] + 0.5 * beta * beta * curvature);
}

template <class R>
void NaturalGradient<R>::adapt_damping(const StepReport& report) {
  if (!options_.adapt_damping) return;
  const double solved_with = std::max(damping_, report.damping);
  const auto bounded = [&](double damping) {
    return std::clamp(damping, options_.min_damping, options_.max_damping);
  };
  if (report.rejected || report.rho < 0.25) {
    damping_ = bounded(damping_factor * solved_with);
  } else if (report.solver_retries > 0) {
    damping_ = bounded(solved_with);
  } else if (report.rho > 0.75 && damping_ > 0.0) {
    damping_ = bounded(damping_ / damping_factor);
  }
}

template <class R>
std::string NaturalGradient<R>::describe_failure(const Scalars& s, const SolveLadder& failed) const {
  const int info = static_cast<int>(s[Slot::factor_info]);
  char message[256];
  std::snprintf(
      message, sizeof message,
      "fisher: %s %s%s of %lld parameters (%s, damping %g, largest diagonal %g); to avoid it raise --damping "
      "or take --precision f64",
      std::string(to_string(failed.method())).c_str(),
      info > 0   ? "failed at minor "
      : info < 0 ? "gave a factor that is not finite"
                 : "gave a direction that is not finite",
      info > 0 ? std::to_string(info).c_str() : "", static_cast<long long>(net_.shape().parameters()),
      sizeof(R) == 4 ? "f32" : "f64", failed.damping(), s[Slot::largest_diagonal]);
  return message;
}

template class NaturalGradient<float>;
template class NaturalGradient<double>;

}  // namespace natgrad
