/// Score rows as the columns of S: S_(jn+i),c ← D_jc A_i⌊c/r⌋ and, with a bias, S_(mn+j),c ← D_jc;
/// A: n × N, D: m × N·r, S: mñ × N·r.
/// Writes S once, coalesced; A and D come from cache. Every element by one thread.
#pragma once

#include "grid.cuh"
#include "natgrad/backend.hpp"

namespace natgrad::kernels {

template <class R>
__global__ void khatri_rao_kernel(MatrixView<const R> a, MatrixView<const R> d, Index r, MatrixView<R> s,
                                  Index count) {
  const Index weights = d.rows * a.rows;
  for (Index e : grid_stride(count)) {
    const auto [p, c] = cell(e, s.rows);
    if (p < weights) {
      const auto [i, j] = cell(p, a.rows);
      at(s, p, c) = at(d, j, c) * at(a, i, cell(c, r).col);
    } else {
      at(s, p, c) = at(d, p - weights, c);
    }
  }
}

template <class R>
void khatri_rao(const LayerFactors<R>& layer, Index r, MatrixView<R> s, cudaStream_t stream) {
  launch(khatri_rao_kernel<R>, blocks_for(s.size()), element_threads, 0, stream, layer.a, layer.d, r, s,
         s.size());
}

}  // namespace natgrad::kernels
