/// pointers_k ← base + k·step: the arrays of pointers that batched library calls read from device memory.
/// Writes `count` pointers.
#pragma once

#include "grid.cuh"

namespace natgrad::kernels {

template <class R>
__global__ void pointers_kernel(R* base, Index step, R** out, Index count) {
  for (Index k : grid_stride(count)) out[k] = base + k * step;
}

template <class R>
void pointers(R* base, Index step, R** out, Index count, cudaStream_t stream) {
  launch(pointers_kernel<R>, blocks_for(count), element_threads, 0, stream, base, step, out, count);
}

}  // namespace natgrad::kernels
