/// b_j ← Σ_n E_jn; E: m × N, b: m; sums in f64.
/// A block of 32 warps takes 32 rows: warp g adds every 32nd column from g on (coalesced over rows), then
/// warp j adds the 32 partial sums of row j. Reads mN elements; a sum's order depends on N alone.
#pragma once

#include "reduce.cuh"

namespace natgrad::kernels {

inline constexpr int row_sums_threads = 32 * 32;

/// partial[j][g], padded against bank conflicts.
struct RowSums {
  double partial[32][33];
};

template <class R>
__global__ void __launch_bounds__(row_sums_threads) row_sums_kernel(MatrixView<const R> e, R* b) {
  auto& s = block_shared<RowSums>();
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const Index first = static_cast<Index>(blockIdx.x) * 32;
  double sum = 0.0;
  if (first + lane < e.rows)
    for (Index n = warp; n < e.cols; n += 32) sum += at(e, first + lane, n);
  s.partial[lane][warp] = sum;
  __syncthreads();
  sum = warp_reduce<Sum>(s.partial[warp][lane]);
  if (lane == 0 && first + warp < e.rows) b[first + warp] = static_cast<R>(sum);
}

template <class R>
void row_sums(MatrixView<const R> e, VectorView<R> b, cudaStream_t stream) {
  launch(row_sums_kernel<R>, grid_of((e.rows + 31) / 32), row_sums_threads, sizeof(RowSums), stream, e,
         b.data);
}

}  // namespace natgrad::kernels
