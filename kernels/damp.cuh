/// out_k ← F_k + λI and largest ← max(largest, every diagonal element of F); F, out: `count` matrices of
/// order n, lower triangles only; a single matrix may have a stride. Reads and writes half of n²·count
/// elements; every element by one thread, and a maximum does not depend on the order.
#pragma once

#include "reduce.cuh"

namespace natgrad::kernels {

template <class R>
__global__ void damp_kernel(BatchView<const R> f, R lambda, BatchView<R> out, Index count) {
  for (Index e : grid_stride(count)) {
    const auto [row, batch_col] = cell(e, f.n);
    const Index col = cell(batch_col, f.n).row;
    if (row < col) continue;
    const R value = at(f, row, batch_col);
    at(out, row, batch_col) = row == col ? value + lambda : value;
  }
}

/// That of column e of the batch.
template <class R>
struct DiagonalElement {
  BatchView<const R> f;
  __device__ Values<1> operator()(Index e) const { return {{at(f, cell(e, f.n).row, e)}}; }
};

template <class R>
void damp(BatchView<const R> f, R lambda, BatchView<R> out, double* largest, const Reduction& reduction) {
  reduce<Max, 1>(DiagonalElement<R>{f}, f.n * f.count, {{largest}, /*factor=*/1.0, /*gather=*/true},
                 reduction);
  launch(damp_kernel<R>, blocks_for(f.size()), element_threads, 0, reduction.stream, f, lambda, out,
         f.size());
}

}  // namespace natgrad::kernels
