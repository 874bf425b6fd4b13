/// D_jc ← D_jc · slopes_j⌊c/r⌋; D: n × N·r, slopes: n × N. Reads 2nNr (slopes mostly from cache), writes nNr
/// elements; every element by one thread.
#pragma once

#include "grid.cuh"

namespace natgrad::kernels {

template <class R>
__global__ void multiply_slopes_kernel(MatrixView<const R> slopes, MatrixView<R> d, Index r, Index count) {
  for (Index i : grid_stride(count)) {
    const auto [j, c] = cell(i, d.rows);
    at(d, j, c) *= at(slopes, j, cell(c, r).col);
  }
}

template <class R>
void multiply_slopes(MatrixView<const R> slopes, MatrixView<R> d, Index r, cudaStream_t stream) {
  launch(multiply_slopes_kernel<R>, blocks_for(d.size()), element_threads, 0, stream, slopes, d, r, d.size());
}

}  // namespace natgrad::kernels
