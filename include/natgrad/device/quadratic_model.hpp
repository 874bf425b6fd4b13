/// The quadratic model of a step along two directions, for host and device.
#pragma once

#include <cmath>

#include "natgrad/device/macros.hpp"

namespace natgrad {

/// What the model knows of the direction d and the step before, s: F the exact Fisher, C = F + κI.
struct QuadraticModel {
  double fisher_dd, fisher_ds, fisher_ss;  // dᵀFd, dᵀFs, sᵀFs
  double norm_dd, norm_ds, norm_ss;        // dᵀd, dᵀs, sᵀs
  double slope_d, slope_s;                 // gᵀd, gᵀs
  double kappa;
};

/// α, μ of the step αd + μs, and the quadratic form of that step with F.
struct QuadraticStep {
  double rate, momentum, quadratic;
};

/// The minimiser (Martens & Grosse 2015, section 7): [dᵀCd, dᵀCs; dᵀCs, sᵀCs](α, μ)ᵀ = (gᵀd, gᵀs)ᵀ. μ = 0
/// where the system is singular to 1e-10; α = 0 where d is 0 as well. NaN where an input is not finite, or
/// where the model falls along d without an end.
NATGRAD_HD QuadraticStep solve_quadratic_model(const QuadraticModel& m) {
  const bool finite = std::isfinite(m.fisher_dd) && std::isfinite(m.fisher_ds) &&
                      std::isfinite(m.fisher_ss) && std::isfinite(m.norm_dd) && std::isfinite(m.norm_ds) &&
                      std::isfinite(m.norm_ss) && std::isfinite(m.slope_d) && std::isfinite(m.slope_s) &&
                      std::isfinite(m.kappa);
  const double dd = m.fisher_dd + m.kappa * m.norm_dd, ds = m.fisher_ds + m.kappa * m.norm_ds,
               ss = m.fisher_ss + m.kappa * m.norm_ss;
  if (!finite || dd < 0.0 || (dd == 0.0 && m.slope_d != 0.0)) return {NAN, NAN, NAN};
  if (dd == 0.0) return {0.0, 0.0, 0.0};
  // With d and s scaled to dᵀCd = sᵀCs = 1 the matrix is [1, c; c, 1], whatever the lengths of both were.
  const double length_d = std::sqrt(dd), length_s = ss > 0.0 ? std::sqrt(ss) : 0.0;
  const double c = length_s > 0.0 ? ds / length_d / length_s : 1.0, determinant = (1.0 - c) * (1.0 + c);
  double rate = m.slope_d / dd, momentum = 0.0;
  if (determinant > 1e-10) {
    const double d = m.slope_d / length_d, s = m.slope_s / length_s;
    rate = (d - c * s) / determinant / length_d;
    momentum = (s - c * d) / determinant / length_s;
  }
  return {
      rate, momentum,
      rate * rate * m.fisher_dd + 2.0 * rate * momentum * m.fisher_ds + momentum * momentum * m.fisher_ss};
}

}  // namespace natgrad
