/// A_k ← L_k, A_k = L_kL_kᵀ, and b_k ← (L_kL_kᵀ)⁻¹b_k, k = 0 … count−1, orders n ≤ 64: one matrix a warp, one
/// warp a block.
///
/// Reads and writes half of n² elements a matrix, and reads them once more to solve. A warp takes 32 rows and
/// columns at a time, a row a lane, so that orders of 33 … 64 cost as much as 64. The columns of a matrix
/// follow each other in the chain described in cholesky_tile.cuh; what fills a multiprocessor meanwhile are
/// other matrices: 32 of them for n ≤ 32, and as many tiles of 17 KiB (f64: 33 KiB) as its shared memory
/// holds for n ≤ 64. Every matrix by itself, sums in the order of its columns: same input, same bits.
///
/// Lower triangles only: unlike cuSOLVER's batched routines, nothing above the diagonal is read or written.
#pragma once

#include "cholesky_tile.cuh"

namespace natgrad::kernels {

inline constexpr Index warp_cholesky_limit = 64;

/// info_k ← 0, the first minor of A_k that is not positive, or −1 where that is not finite; L_k is NaN from
/// there on.
template <class R, int N>
__global__ void __launch_bounds__(32) warp_cholesky_kernel(BatchView<R> a, int* info) {
  auto& tile = block_shared<CholeskyTile<R, N>>();
  const int lane = threadIdx.x, n = static_cast<int>(a.n), stride = static_cast<int>(a.stride);
  R* const matrix = a.data + blockIdx.x * a.n * a.stride;
  // Each lane loads and stores the rows that factor_tile gives it.
  load_tile(tile, matrix, stride, n, lane, 32);
  const int failed = factor_tile(tile, n);
  store_tile(tile, matrix, stride, n, lane, 32);
  if (lane == 0) info[blockIdx.x] = failed;
}

template <class R, int N>
__global__ void __launch_bounds__(32) warp_cholesky_solve_kernel(BatchView<const R> l, MatrixView<R> b) {
  auto& tile = block_shared<CholeskyTile<R, N>>();
  const int lane = threadIdx.x, n = static_cast<int>(l.n);
  load_factor(tile, l.data + blockIdx.x * l.n * l.stride, static_cast<int>(l.stride), n, lane, 32);
  __syncwarp();  // lanes read each other's rows on the way back, and shuffles order no memory
  R* const b_k = column(b, blockIdx.x);
  R z[N / warp_tile];
  NATGRAD_UNROLL
  for (int h = 0; h < N / warp_tile; ++h) z[h] = warp_tile * h + lane < n ? b_k[warp_tile * h + lane] : R(0);
  forward_solve(z, tile, n);
  backward_solve(z, tile, n);
  NATGRAD_UNROLL
  for (int h = 0; h < N / warp_tile; ++h)
    if (warp_tile * h + lane < n) b_k[warp_tile * h + lane] = z[h];
}

/// Calls body with the order of the tile, a constant.
template <class Body>
void with_warp_cholesky_order(Index n, Body body) {
  if (n <= warp_tile)
    body(std::integral_constant<int, warp_tile>{});
  else
    body(std::integral_constant<int, 2 * warp_tile>{});
}

/// `info`: `count` numbers of device memory, for cholesky_info.
template <class R>
void warp_cholesky(BatchView<R> a, int* info, cudaStream_t stream) {
  with_warp_cholesky_order(a.n, [&](auto order) {
    launch(warp_cholesky_kernel<R, order>, grid_of(a.count), 32, sizeof(CholeskyTile<R, order>), stream, a,
           info);
  });
}

/// Column k of B belongs to matrix k.
template <class R>
void warp_cholesky_solve(BatchView<const R> l, MatrixView<R> b, cudaStream_t stream) {
  with_warp_cholesky_order(l.n, [&](auto order) {
    launch(warp_cholesky_solve_kernel<R, order>, grid_of(l.count), 32, sizeof(CholeskyTile<R, order>), stream,
           l, b);
  });
}

}  // namespace natgrad::kernels
