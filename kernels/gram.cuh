/// One layer's part of a tile of K = SSᵀ: K_cc' ← βK_cc' + (A_⌊c/r⌋⌊c'/r⌋ + bias) D_cc', with A the products
/// of the inputs of the tile's samples, D those of their signals; A: N × N', D, K: N·r × N'·r. Of a tile on
/// the diagonal the lower triangle only. Where β = 0, K may hold anything on entry.
/// Reads A about once and D once, reads and writes K once; every element by one thread.
#pragma once

#include "grid.cuh"

namespace natgrad::kernels {

template <class R>
__global__ void gram_tile_kernel(MatrixView<const R> a, MatrixView<const R> d, Index r, R bias, R beta,
                                 Part part, MatrixView<R> k, Index count) {
  for (Index e : grid_stride(count)) {
    const auto [row, col] = cell(e, k.rows);
    if (!is_in(part, row, col)) continue;
    const R product = (at(a, cell(row, r).col, cell(col, r).col) + bias) * at(d, row, col);
    R& element = at(k, row, col);
    element = product + (beta == R(0) ? R(0) : beta * element);
  }
}

template <class R>
void gram_tile(MatrixView<const R> a, MatrixView<const R> d, Index r, bool bias, R beta, Part part,
               MatrixView<R> k, cudaStream_t stream) {
  launch(gram_tile_kernel<R>, blocks_for(k.size()), element_threads, 0, stream, a, d, r, R(bias ? 1 : 0),
         beta, part, k, k.size());
}

}  // namespace natgrad::kernels
