/// A short run of natural-gradient steps, and what it did.
#pragma once

#include <vector>

#include "support/stepping.hpp"

namespace natgrad {

/// What a run of a few steps did.
template <class R>
struct Course {
  std::vector<StepReport> reports;
  std::vector<R> parameters;
  std::size_t tries = 0, synchronizations = 0;
  std::size_t allocations = 0;  // after the first two steps
};

template <class R>
Course<R> train(Backend<R>& backend, const oracle::Problem& problem, const NaturalGradientOptions& options,
                int steps) {
  Stepping<R> stepping(backend, problem, options);
  Course<R> course;
  const std::size_t synchronizations = backend.synchronizations();
  std::size_t allocations = 0;
  for (int k = 0; k < steps; ++k) {
    course.reports.push_back(stepping.optimizer.step(stepping.device.batch()));
    if (k == 1) allocations = backend.allocations();
    const StepReport& report = course.reports.back();
    course.tries += static_cast<std::size_t>(1 + report.backtracks + report.solver_retries);
  }
  course.synchronizations = backend.synchronizations() - synchronizations;
  course.allocations = backend.allocations() - allocations;
  course.parameters = download<R>(backend, stepping.device.net.theta()).data;
  return course;
}

}  // namespace natgrad
