/// out ← x ∘ y; m × n, any strides, out may be x or y. Reads 2mn, writes mn elements; every element by one
/// thread.
#pragma once

#include "grid.cuh"

namespace natgrad::kernels {

template <class R>
__global__ void hadamard_kernel(MatrixView<const R> x, MatrixView<const R> y, MatrixView<R> out,
                                Index count) {
  for (Index e : grid_stride(count)) {
    const auto [i, j] = cell(e, out.rows);
    at(out, i, j) = at(x, i, j) * at(y, i, j);
  }
}

template <class R>
void hadamard(MatrixView<const R> x, MatrixView<const R> y, MatrixView<R> out, cudaStream_t stream) {
  launch(hadamard_kernel<R>, blocks_for(out.size()), element_threads, 0, stream, x, y, out, out.size());
}

}  // namespace natgrad::kernels
