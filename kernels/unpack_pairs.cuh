/// F_(j,p),(j',q) ← βF_(j,p),(j',q) + Q_(p,q),(j,j')−first, for the signal pairs (j, j') that are the columns
/// of Q and all inputs p, q; (j, p) is the row of F of unit j's weight p, or bias. Q: pairs(ñ, ñ') × any, F:
/// mñ × m'ñ'. Unique pairs (one layer with itself): the lower triangle of F, whose element stands at its
/// mirror image where the bias of j' makes the column the greater. Where β = 0, F may hold anything on entry.
/// Reads and writes ñ² elements of F a column of Q, coalesced; where p < q unique pairs read Q by strides of
/// about ñ, from cache. Every element by one thread.
#pragma once

#include "pairs.cuh"

namespace natgrad::kernels {

/// Sizes of a layer that the order of its parameters depends on: inputs without and with the bias, units.
struct LayerSizes {
  Index weights, inputs, units;
};

/// Where weight or bias p of unit j stands.
__device__ __forceinline__ Index parameter(const LayerSizes& layer, Index j, Index p) {
  return p < layer.weights ? j * layer.weights + p : layer.units * layer.weights + j;
}

template <class R>
__global__ void unpack_pairs_kernel(Pairs pairs, LayerSizes x, LayerSizes y, MatrixView<const R> q,
                                    Index first, R beta, MatrixView<R> f, Index count) {
  for (Index e : grid_stride(count)) {
    const auto [i, c] = cell(e, x.inputs * y.inputs);
    const auto [px, py] = cell(i, x.inputs);
    const auto [jx, jy] = pair_at(pairs, first + c, x.units);
    Index row = parameter(x, jx, px), col = parameter(y, jy, py);
    if (pairs == Pairs::unique && row < col) {
      if (jx == jy) continue;  // taken as (py, px)
      const Index greater = col;
      col = row;
      row = greater;
    }
    const R product = at(q, pair_index(pairs, px, py, x.inputs), c);
    R& element = at(f, row, col);
    element = product + (beta == R(0) ? R(0) : beta * element);
  }
}

template <class R>
void unpack_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y, MatrixView<const R> q,
                  Index first, R beta, MatrixView<R> f, cudaStream_t stream) {
  const auto sizes = [](const LayerFactors<R>& layer) {
    return LayerSizes{layer.a.rows, layer.inputs(), layer.units()};
  };
  const Index count = x.inputs() * y.inputs() * q.cols;
  launch(unpack_pairs_kernel<R>, blocks_for(count), element_threads, 0, stream, pairs, sizes(x), sizes(y), q,
         first, beta, f, count);
}

}  // namespace natgrad::kernels
