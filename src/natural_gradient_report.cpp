/// The report of a step.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "natgrad/natural_gradient.hpp"
#include "solve_outcome.hpp"

namespace natgrad {
namespace {

constexpr double poor_residual = 1e-2;  // of a direct solve: worth a person's attention

}  // namespace

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
  report.rho = reduction_ratio(s);
  report.grad_norm = std::sqrt(s[Slot::gradient_norm2]);
  report.step_norm = accepted ? beta * std::sqrt(s[Slot::step_norm2]) : 0.0;
  if (options_.rule == StepRule::quadratic)
    report.momentum = s[Slot::momentum];
  else if (options_.momentum > 0.0)
    report.momentum = use_momentum_ ? options_.momentum : 0.0;
  complete_solver(report, s, rung);
}

template <class R>
void NaturalGradient<R>::complete_solver(StepReport& report, const Scalars& s,
                                         const SolveLadder& rung) const {
  report.damping = rung.damping();
  report.solver = to_string(rung.method());
  report.solver_retries = rung.retries();
  report.iterations = fisher_->iterations();
  const SolveOutcome outcome = solve_outcome(s, rung.method());
  report.residual = outcome.residual;
  report.rank = outcome.rank;
  report.condition = outcome.condition;
  report.smallest_eigenvalue = outcome.smallest_eigenvalue;
  const bool iterative = report.iterations > 0;
  const double rounding = 1e3 * std::numeric_limits<R>::epsilon();  // no iteration gets below it
  const double allowed = iterative ? std::max(options_.fisher.tolerance, rounding) : poor_residual;
  const bool cut_off =
      rung.method() == SolveMethod::eigen && !iterative;  // what it leaves out is in the residual
  if (!(report.residual > allowed) || cut_off || !report.note.empty()) return;
  char note[200];
  std::snprintf(note, sizeof note, "the solve %s at a relative residual of %g; %s",
                iterative ? "stopped" : "lost accuracy and ended", report.residual,
                iterative ? "raise --cg-iterations or --damping"
                          : "raise --damping, give --refine 1 or take --precision f64");
  report.note = note;
}

// ρ = actual / predicted, predicted = −gᵀs + ½sᵀ(F + ηI)s with s = βd.
template <class R>
double NaturalGradient<R>::reduction_ratio(const Scalars& s) const {
  const double beta = s[Slot::beta];
  const double curvature = s[Slot::quadratic] + options_.l2 * s[Slot::step_norm2];
  return loss_change(s) / (-beta * s[Slot::gradient_step] + 0.5 * beta * beta * curvature);
}

template <class R>
std::string NaturalGradient<R>::describe_failure(const Scalars& s, const SolveLadder& failed) const {
  const int info = static_cast<int>(s[Slot::factor_info]);
  char message[256];
  std::snprintf(message, sizeof message,
                "fisher: %s %s%s (structure %s, %s, damping %g, largest diagonal %g); to avoid it raise "
                "--damping or take --precision f64",
                std::string(to_string(failed.method())).c_str(),
                info > 0   ? "failed at minor "
                : info < 0 ? "gave a factor that is not finite"
                           : "gave a direction that is not usable",
                info > 0 ? std::to_string(info).c_str() : "",
                std::string(to_string(options_.fisher.structure)).c_str(), sizeof(R) == 4 ? "f32" : "f64",
                failed.damping(), s[Slot::largest_diagonal]);
  return message;
}

template void NaturalGradient<float>::complete(StepReport&, const Scalars&, const SolveLadder&, bool) const;
template void NaturalGradient<double>::complete(StepReport&, const Scalars&, const SolveLadder&, bool) const;
template std::string NaturalGradient<float>::describe_failure(const Scalars&, const SolveLadder&) const;
template std::string NaturalGradient<double>::describe_failure(const Scalars&, const SolveLadder&) const;

}  // namespace natgrad
