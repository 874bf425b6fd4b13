/// β ← min(β_max, √(2ε / q)); β_max where q = 0, NaN where q is not a finite number ≥ 0. One thread.
#pragma once

#include <cmath>

#include "launch.cuh"

namespace natgrad::kernels {

static __global__ void step_size_kernel(const double* quadratic, double kl_budget, double max_beta,
                                        double* beta) {
  const double q = *quadratic;
  if (!(q >= 0.0 && q < HUGE_VAL)) {
    *beta = NAN;
  } else {
    *beta = q == 0.0 ? max_beta : std::fmin(max_beta, std::sqrt(2.0 * kl_budget / q));
  }
}

inline void step_size(const double* quadratic, double kl_budget, double max_beta, double* beta,
                      cudaStream_t stream) {
  launch(step_size_kernel, 1, 1, 0, stream, quadratic, kl_budget, max_beta, beta);
}

}  // namespace natgrad::kernels
