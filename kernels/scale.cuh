/// X ← αX, or its lower triangle only; X: m × n, any stride. Reads and writes mn elements; every element by
/// one thread.
#pragma once

#include "grid.cuh"

namespace natgrad::kernels {

template <class R>
__global__ void scale_kernel(R alpha, MatrixView<R> x, Part part, Index count) {
  for (Index i : grid_stride(count)) {
    const auto [row, col] = cell(i, x.rows);
    if (is_in(part, row, col)) at(x, row, col) *= alpha;
  }
}

template <class R>
void scale(R alpha, MatrixView<R> x, Part part, cudaStream_t stream) {
  launch(scale_kernel<R>, blocks_for(x.size()), element_threads, 0, stream, alpha, x, part, x.size());
}

}  // namespace natgrad::kernels
