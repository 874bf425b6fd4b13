#include "natgrad/damping.hpp"

#include <algorithm>
#include <cmath>

#include "names.hpp"
#include "option_check.hpp"

namespace natgrad {
namespace {

constexpr Name<DampingSchedule> schedule_names[] = {{DampingSchedule::adaptive, "adaptive"},
                                                    {DampingSchedule::constant, "constant"},
                                                    {DampingSchedule::geometric, "geometric"}};

}  // namespace

std::string_view to_string(DampingSchedule schedule) { return name_of(schedule_names, schedule); }
DampingSchedule parse_damping_schedule(std::string_view name) {
  return value_of(schedule_names, name, "damping schedule");
}

void DampingOptions::validate() const {
  require_option(start >= 0.0 && std::isfinite(start), "damping", start, "at least 0");
  require_option(factor > 1.0 && std::isfinite(factor), "damping-factor", factor, "above 1");
  require_option(interval >= 1, "damping-interval", interval, "at least 1");
  require_option(rate > 0.0 && rate <= 1.0, "damping-rate", rate, "above 0 and at most 1");
  require_option(least >= 0.0 && least <= most, "min-damping", least,
                 "at least 0 and at most the largest damping");
}

Damping::Damping(const DampingOptions& options) : options_(options), value_(options.start) {
  options.validate();
}

void Damping::adapt(const DampingOutcome& outcome) {
  ++steps_;
  const double solved_with = std::max(value_, outcome.solved_with);
  switch (options_.schedule) {
    case DampingSchedule::adaptive:
      return adapt_to_model(outcome, solved_with);
    case DampingSchedule::geometric:
      value_ = outcome.rejected ? std::min(options_.most, options_.factor * solved_with)
                                : std::max(options_.least, options_.rate * value_);
      return;
    case DampingSchedule::constant:
      return;
  }
}

void Damping::adapt_to_model(const DampingOutcome& outcome, double solved_with) {
  const auto bounded = [&](double damping) { return std::clamp(damping, options_.least, options_.most); };
  const bool due = steps_ % options_.interval == 0;
  if (outcome.rejected || (due && outcome.rho < 0.25)) {
    value_ = bounded(options_.factor * solved_with);
  } else if (outcome.retried) {
    value_ = bounded(solved_with);
  } else if (due && outcome.rho > 0.75 && value_ > 0.0) {
    value_ = bounded(value_ / options_.factor);
  }
}

}  // namespace natgrad
