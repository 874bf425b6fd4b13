/// What the block of scalars tells of a solve.
#pragma once

#include <cmath>
#include <limits>

#include "natgrad/fisher.hpp"

namespace natgrad {

/// Numbers that were not measured are NaN.
struct SolveOutcome {
  double residual;                              // ‖b − Ax‖/‖b‖
  double rank, condition, smallest_eigenvalue;  // of a solve by eigendecomposition
};

inline SolveOutcome solve_outcome(const Scalars& s, SolveMethod method) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  SolveOutcome outcome{none, none, none, none};
  if (s[Slot::right_side_norm2] > 0.0)
    outcome.residual = std::sqrt(s[Slot::residual_norm2] / s[Slot::right_side_norm2]);
  if (method == SolveMethod::eigen && s[Slot::rank] > 0.0) {
    outcome.rank = s[Slot::rank];
    outcome.smallest_eigenvalue = s[Slot::smallest_eigenvalue];
    outcome.condition = s[Slot::largest_eigenvalue] / s[Slot::smallest_eigenvalue];
  }
  return outcome;
}

/// The direction is usable: its factorisation held, and dᵀFd ≥ 0 and d are finite.
inline bool solve_held(const Scalars& s) {
  return s[Slot::factor_info] == 0.0 && std::isfinite(s[Slot::step_norm2]) &&
         std::isfinite(s[Slot::quadratic]) && s[Slot::quadratic] >= 0.0;
}

}  // namespace natgrad
