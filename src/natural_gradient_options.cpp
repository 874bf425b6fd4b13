#include <cmath>

#include "names.hpp"
#include "natgrad/natural_gradient.hpp"
#include "option_check.hpp"

namespace natgrad {
namespace {

constexpr Name<StepRule> rule_names[] = {{StepRule::kl, "kl"}, {StepRule::quadratic, "quadratic"}};
constexpr Name<Solver> solver_names[] = {
    {Solver::automatic, "auto"}, {Solver::cholesky, "cholesky"}, {Solver::eigen, "eigen"}};

}  // namespace

std::string_view to_string(StepRule rule) { return name_of(rule_names, rule); }
StepRule parse_step_rule(std::string_view name) { return value_of(rule_names, name, "step rule"); }
std::string_view to_string(Solver solver) { return name_of(solver_names, solver); }
Solver parse_solver(std::string_view name) { return value_of(solver_names, name, "solver"); }

void NaturalGradientOptions::validate() const {
  fisher.validate();
  damping.validate();
  require_option(kl > 0.0 && std::isfinite(kl), "kl", kl, "positive");
  require_option(kl_tolerance >= 0.0 && std::isfinite(kl_tolerance), "kl-tolerance", kl_tolerance,
                 "at least 0");
  require_option(max_beta > 0.0 && std::isfinite(max_beta), "max-beta", max_beta, "positive");
  require_option(l2 >= 0.0 && std::isfinite(l2), "l2", l2, "at least 0");
  require_option(draws >= 1, "fisher-samples", static_cast<double>(draws), "at least 1");
  require_option(fisher_batch >= 0, "fisher-batch", static_cast<double>(fisher_batch), "at least 0");
  require_option(model_batch >= 0, "model-batch", static_cast<double>(model_batch), "at least 0");
  require_option(momentum >= 0.0 && momentum < 1.0, "momentum", momentum, "at least 0 and below 1");
  require_option(momentum == 0.0 || rule == StepRule::kl, "momentum", momentum,
                 "0 with step-rule quadratic, which has its own");
  require_option(model_damping >= 0.0 && std::isfinite(model_damping), "model-damping", model_damping,
                 "at least 0");
  require_option(solver != Solver::cholesky || damping.start > 0.0, "damping", damping.start,
                 "positive with solver cholesky");
}

}  // namespace natgrad
