/// A ← 0 where any element of its lower triangle is not finite; A: n × n, any stride. An iterative
/// eigensolver may never end over a NaN, and the host cannot look without waiting for the device.
/// `not_finite` ← 1 in that case, else 0. Reads n²/2 elements; a maximum does not depend on the order.
#pragma once

#include "reduce.cuh"

namespace natgrad::kernels {

template <class R>
struct NotFinite {
  MatrixView<const R> a;
  __device__ Values<1> operator()(Index e) const {
    const auto [row, col] = cell(e, a.rows);
    const bool finite = row < col || std::fabs(at(a, row, col)) < R(HUGE_VAL);
    return {{finite ? 0.0 : 1.0}};
  }
};

template <class R>
__global__ void zero_if_kernel(const double* flag, MatrixView<R> a, Index count) {
  if (*flag == 0.0) return;
  for (Index e : grid_stride(count)) {
    const auto [row, col] = cell(e, a.rows);
    at(a, row, col) = R(0);
  }
}

/// `a` holds at least one element.
template <class R>
void zero_unless_finite(MatrixView<R> a, double* not_finite, const Reduction& reduction) {
  reduce<Max, 1>(NotFinite<R>{a}, a.size(), {{not_finite}}, reduction);
  launch(zero_if_kernel<R>, blocks_for(a.size()), element_threads, 0, reduction.stream, not_finite, a,
         a.size());
}

}  // namespace natgrad::kernels
