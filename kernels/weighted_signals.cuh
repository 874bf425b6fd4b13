/// E_jn ← Σ_k w_nr+k D_j,nr+k; D: m × N·r, w: N·r, E: m × N.
/// Reads mNr, writes mN elements; every element by one thread, which adds in the order of k.
#pragma once

#include "grid.cuh"

namespace natgrad::kernels {

template <class R>
__global__ void weighted_signals_kernel(MatrixView<const R> d, const R* w, Index r, MatrixView<R> e,
                                        Index count) {
  for (Index i : grid_stride(count)) {
    const auto [j, n] = cell(i, e.rows);
    R sum = R(0);
    for (Index c = n * r; c < (n + 1) * r; ++c) sum += w[c] * at(d, j, c);
    at(e, j, n) = sum;
  }
}

template <class R>
void weighted_signals(MatrixView<const R> d, VectorView<const R> w, Index r, MatrixView<R> e,
                      cudaStream_t stream) {
  launch(weighted_signals_kernel<R>, blocks_for(e.size()), element_threads, 0, stream, d, w.data, r, e,
         e.size());
}

}  // namespace natgrad::kernels
