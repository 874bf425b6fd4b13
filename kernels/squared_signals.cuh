/// E_jn ← T_jn Σ_k D_j,nr+k²; D: m × N·r, T, E: m × N, may be the same.
/// Reads mN(r + 1), writes mN elements; every element by one thread, which adds in the order of k.
#pragma once

#include "grid.cuh"

namespace natgrad::kernels {

template <class R>
__global__ void squared_signals_kernel(MatrixView<const R> d, MatrixView<const R> t, Index r, MatrixView<R> e,
                                       Index count) {
  for (Index i : grid_stride(count)) {
    const auto [j, n] = cell(i, e.rows);
    R sum = R(0);
    for (Index c = n * r; c < (n + 1) * r; ++c) sum += at(d, j, c) * at(d, j, c);
    at(e, j, n) = at(t, j, n) * sum;
  }
}

template <class R>
void squared_signals(MatrixView<const R> d, MatrixView<const R> t, Index r, MatrixView<R> e,
                     cudaStream_t stream) {
  launch(squared_signals_kernel<R>, blocks_for(e.size()), element_threads, 0, stream, d, t, r, e, e.size());
}

}  // namespace natgrad::kernels
