/// out ← products of two layers' inputs, row (p, q) of column n: ã_pn ã'_qn;
/// A: n × N, A': n' × N, out: pairs(ñ, ñ') × N.
/// Writes out once, coalesced; A and A' come from cache. Every element by one thread.
#pragma once

#include "extended_input.cuh"
#include "pairs.cuh"

namespace natgrad::kernels {

template <class R>
__global__ void input_pairs_kernel(Pairs pairs, MatrixView<const R> x, MatrixView<const R> y, Index inputs,
                                   MatrixView<R> out, Index count) {
  for (Index e : grid_stride(count)) {
    const auto [i, n] = cell(e, out.rows);
    const auto [p, q] = pair_at(pairs, i, inputs);
    at(out, i, n) = extended_input(x, p, n) * extended_input(y, q, n);
  }
}

template <class R>
void input_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y, MatrixView<R> out,
                 cudaStream_t stream) {
  launch(input_pairs_kernel<R>, blocks_for(out.size()), element_threads, 0, stream, pairs, x.a, y.a,
         x.inputs(), out, out.size());
}

}  // namespace natgrad::kernels
