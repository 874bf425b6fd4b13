/// out ← products of two layers' signals, row (p, q) of column n: Σ_k D_p,nr+k D'_q,nr+k;
/// D: m × N·r, D': m' × N·r, out: pairs(m, m') × N.
/// Writes out once, coalesced; D and D' come from cache. Every element by one thread, which adds in the order
/// of k.
#pragma once

#include "pairs.cuh"

namespace natgrad::kernels {

template <class R>
__global__ void signal_pairs_kernel(Pairs pairs, MatrixView<const R> x, MatrixView<const R> y, Index r,
                                    MatrixView<R> out, Index count) {
  for (Index e : grid_stride(count)) {
    const auto [i, n] = cell(e, out.rows);
    const auto [p, q] = pair_at(pairs, i, x.rows);
    R sum = R(0);
    for (Index c = n * r; c < (n + 1) * r; ++c) sum += at(x, p, c) * at(y, q, c);
    at(out, i, n) = sum;
  }
}

template <class R>
void signal_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y, Index r, MatrixView<R> out,
                  cudaStream_t stream) {
  launch(signal_pairs_kernel<R>, blocks_for(out.size()), element_threads, 0, stream, pairs, x.d, y.d, r, out,
         out.size());
}

}  // namespace natgrad::kernels
