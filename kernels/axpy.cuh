/// y ← y + α·s·x with s a number on the device; x, y: n. Reads 2n, writes n elements; every element by one
/// thread.
#pragma once

#include "grid.cuh"

namespace natgrad::kernels {

template <class R>
__global__ void axpy_kernel(R alpha, const double* s, const R* x, R* y, Index count) {
  const R factor = alpha * static_cast<R>(*s);
  for (Index i : grid_stride(count)) y[i] += factor * x[i];
}

template <class R>
void axpy(R alpha, const double* s, VectorView<const R> x, VectorView<R> y, cudaStream_t stream) {
  launch(axpy_kernel<R>, blocks_for(x.size), element_threads, 0, stream, alpha, s, x.data, y.data, x.size);
}

}  // namespace natgrad::kernels
