/// X ← value, or its lower triangle only; X: m × n, any stride. Writes mn elements; every element by one
/// thread.
#pragma once

#include "grid.cuh"

namespace natgrad::kernels {

template <class T>
__global__ void fill_kernel(MatrixView<T> x, T value, Part part, Index count) {
  for (Index i : grid_stride(count)) {
    const auto [row, col] = cell(i, x.rows);
    if (is_in(part, row, col)) at(x, row, col) = value;
  }
}

template <class T>
void fill(MatrixView<T> x, T value, Part part, cudaStream_t stream) {
  launch(fill_kernel<T>, blocks_for(x.size()), element_threads, 0, stream, x, value, part, x.size());
}

}  // namespace natgrad::kernels
