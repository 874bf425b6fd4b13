/// The step αd + μs that minimises the quadratic model, from the block of scalars to the block of scalars;
/// see solve_quadratic_model. One thread.
#pragma once

#include "launch.cuh"
#include "natgrad/device.hpp"
#include "natgrad/device/quadratic_model.hpp"

namespace natgrad::kernels {

static __global__ void quadratic_step_kernel(double* scalars, double kappa) {
  const auto slot = [scalars](Slot name) -> double& { return scalars[static_cast<int>(name)]; };
  const QuadraticStep step = solve_quadratic_model(
      {slot(Slot::fisher_dd), slot(Slot::fisher_ds), slot(Slot::fisher_ss), slot(Slot::norm_dd),
       slot(Slot::norm_ds), slot(Slot::norm_ss), slot(Slot::slope_d), slot(Slot::slope_s), kappa});
  slot(Slot::rate) = step.rate;
  slot(Slot::momentum) = step.momentum;
  slot(Slot::quadratic) = step.quadratic;
}

/// `scalars`: the block, in the order of Slot.
inline void quadratic_step(double* scalars, double kappa, cudaStream_t stream) {
  launch(quadratic_step_kernel, 1, 1, 0, stream, scalars, kappa);
}

}  // namespace natgrad::kernels
