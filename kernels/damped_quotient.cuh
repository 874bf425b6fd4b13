/// x_i ← b_i / (f_i + λ), 0 where the denominator is 0, NaN where it is infinite; b, f, x: n, x may be b.
/// Reads 2n, writes n elements; every element by one thread.
#pragma once

#include "grid.cuh"

namespace natgrad::kernels {

template <class R>
__global__ void damped_quotient_kernel(const R* b, const R* f, R lambda, R* x, Index count) {
  for (Index i : grid_stride(count)) {
    const R denominator = f[i] + lambda;
    x[i] = denominator == R(0) ? R(0) : b[i] / denominator + (denominator - denominator);
  }
}

template <class R>
void damped_quotient(VectorView<const R> b, VectorView<const R> f, R lambda, VectorView<R> x,
                     cudaStream_t stream) {
  launch(damped_quotient_kernel<R>, blocks_for(x.size), element_threads, 0, stream, b.data, f.data, lambda,
         x.data, x.size);
}

}  // namespace natgrad::kernels
