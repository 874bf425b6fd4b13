/// The damping λ from step to step.
#pragma once

#include <string_view>

#include "natgrad/state.hpp"

namespace natgrad {

/// adaptive: by how well the quadratic model foretold the change of the loss (Levenberg-Marquardt) · constant
/// · geometric: λ ← max(least, rate · λ) after every step.
enum class DampingSchedule { adaptive, constant, geometric };

std::string_view to_string(DampingSchedule schedule);
/// Throws UsageError, naming the allowed values, where `name` is none of them.
DampingSchedule parse_damping_schedule(std::string_view name);

struct DampingOptions {
  double start = 1e-2;  // 0: minimum-norm solves
  DampingSchedule schedule = DampingSchedule::adaptive;
  double factor = 2.0;  // adaptive: λ is divided or multiplied by it …
  int interval = 1;     // … at every interval-th step
  double rate = 0.95;   // geometric
  double least = 1e-8, most = 1e8;

  /// Throws UsageError naming the option, its value and what is allowed.
  void validate() const;
};

/// What became of a step, as far as λ is concerned.
struct DampingOutcome {
  double solved_with = 0.0;  // λ of the direction, at least the damping's own
  double rho = 0.0;          // actual over predicted change of the loss
  bool rejected = false, retried = false;
};

class Damping {
 public:
  /// Throws UsageError for options out of range.
  explicit Damping(const DampingOptions& options);

  /// λ of the next step.
  double value() const { return value_; }
  /// After a step: ρ > ¾ lowers λ, ρ < ¼ or a rejection raises it, a λ that solves had to climb to is kept. A
  /// rejection raises λ under every schedule but the constant one.
  void adapt(const DampingOutcome& outcome);
  template <class R>
  void visit_state(StateVisitor<R>& state) {
    state.number("value", value_);
    state.count("steps", steps_);
  }

 private:
  void adapt_to_model(const DampingOutcome& outcome, double solved_with);

  DampingOptions options_;
  double value_;
  Index steps_ = 0;
};

}  // namespace natgrad
