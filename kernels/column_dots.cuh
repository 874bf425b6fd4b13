/// w_c ← βw_c + Σ_j D_jc T_j⌊c/r⌋; D: m × N·r, T: m × N, w: N·r; products and sums in f64.
/// One warp a column, so that reads coalesce: 2mNr elements. A sum's order depends on m alone.
#pragma once

#include "reduce.cuh"

namespace natgrad::kernels {

template <class R>
__global__ void column_dots_kernel(MatrixView<const R> d, MatrixView<const R> t, Index r, R beta, R* w) {
  const Index first = (static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
  const Index warps = static_cast<Index>(gridDim.x) * blockDim.x / 32;
  for (Index c = first; c < d.cols; c += warps) {
    const R *dc = column(d, c), *tc = column(t, cell(c, r).col);
    double sum = 0.0;
    for (Index j = threadIdx.x % 32; j < d.rows; j += 32) sum += static_cast<double>(dc[j]) * tc[j];
    sum = warp_reduce<Sum>(sum);
    if (threadIdx.x % 32 == 0) w[c] = (beta == R(0) ? R(0) : beta * w[c]) + static_cast<R>(sum);
  }
}

template <class R>
void column_dots(MatrixView<const R> d, MatrixView<const R> t, Index r, R beta, VectorView<R> w,
                 cudaStream_t stream) {
  launch(column_dots_kernel<R>, blocks_for(d.cols, element_threads / 32), element_threads, 0, stream, d, t, r,
         beta, w.data);
}

}  // namespace natgrad::kernels
