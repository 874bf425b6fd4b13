/// to_·k ← from_·index_k; from: m × any, index: K, to: m × K. Reads and writes mK elements, coalesced within
/// a column; every element by one thread.
#pragma once

#include "grid.cuh"

namespace natgrad::kernels {

template <class R>
__global__ void gather_columns_kernel(MatrixView<const R> from, const Index* index, MatrixView<R> to,
                                      Index count) {
  for (Index i : grid_stride(count)) {
    const auto [row, k] = cell(i, to.rows);
    at(to, row, k) = at(from, row, index[k]);
  }
}

template <class R>
void gather_columns(MatrixView<const R> from, VectorView<const Index> index, MatrixView<R> to,
                    cudaStream_t stream) {
  launch(gather_columns_kernel<R>, blocks_for(to.size()), element_threads, 0, stream, from, index.data, to,
         to.size());
}

}  // namespace natgrad::kernels
