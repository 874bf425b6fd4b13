/// to ← from; both m × n, any strides. Reads and writes mn elements; every element by one thread.
#pragma once

#include "grid.cuh"

namespace natgrad::kernels {

template <class R>
__global__ void copy_kernel(MatrixView<const R> from, MatrixView<R> to, Index count) {
  for (Index i : grid_stride(count)) {
    const auto [row, col] = cell(i, from.rows);
    at(to, row, col) = at(from, row, col);
  }
}

template <class R>
void copy(MatrixView<const R> from, MatrixView<R> to, cudaStream_t stream) {
  launch(copy_kernel<R>, blocks_for(from.size()), element_threads, 0, stream, from, to, from.size());
}

}  // namespace natgrad::kernels
