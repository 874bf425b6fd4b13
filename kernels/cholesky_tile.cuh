/// One warp's work on a lower triangular tile L of order N in shared memory, N a multiple of 32: the steps of
/// warp_cholesky.cuh and small_cholesky.cuh.
///
/// | step             | formula    | held in registers           | multiply-adds of a lane, N = 32, 64 |
/// |------------------|------------|-----------------------------|-------------------------------------|
/// | factor_tile      | A = LLᵀ    | a row of 32 columns a lane  | 496, 2512                           |
/// | solve_panel_row  | x ← xL⁻ᵀ   | a row of 32 columns a lane  | 496, 2016                           |
/// | forward_solve    | z ← L⁻¹z   | N/32 elements of z a lane   | 32, 96                              |
/// | backward_solve   | z ← L⁻ᵀz   | N/32 elements of z a lane   | 32, 96                              |
///
/// Sums in R, in the order of the columns: same input, same bits.
///
/// What a factorisation waits for is the chain from one column to the next, so that is what is kept short: a
/// broadcast, a division, a product, a subtraction. Roots are taken at the end, for all columns at once
/// (A = L̃DL̃ᵀ first). natgrad/device/warp_cholesky.hpp, for users, has the textbook's root and division in the
/// chain, stops at a failure, and holds its matrix in the registers of the warp.
#pragma once

#include <cmath>

#include "grid.cuh"
#include "natgrad/device/macros.hpp"
#include "natgrad/device/warp.hpp"

namespace natgrad::kernels {

/// Rows and columns that a warp takes at a time, one row a lane.
inline constexpr int warp_tile = 32;

/// Column-major; the padding keeps the columns at multiples of 16 bytes (they are broadcast by 128-bit loads)
/// and out of one bank.
template <class R, int N>
struct alignas(16) CholeskyTile {
  static constexpr int stride = N + 16 / static_cast<int>(sizeof(R));
  R l[N * stride];
  R inverse[N];  // 1/L_jj
};

/// One row of a column-major matrix, or a vector. Offsets in 32 bits: in 64 they take up the registers.
template <class R>
struct MatrixRow {
  R* data;
  int stride;
  __device__ __forceinline__ R& operator[](int col) const { return data[col * stride]; }
  __device__ __forceinline__ MatrixRow from(int col) const { return {data + col * stride, stride}; }
};

/// tile ← the lower triangle of order n ≤ N at `a`, zeros around it in the first n columns.
template <class R, int N>
__device__ __forceinline__ void load_tile(CholeskyTile<R, N>& tile, const R* a, int stride, int n, int thread,
                                          int threads) {
  for (int e = thread; e < N * n; e += threads) {
    const int row = e % N, col = e / N;
    tile.l[row + col * tile.stride] = row < n && row >= col ? a[row + col * stride] : R(0);
  }
}

/// The lower triangle of order n at `a` ← that of the tile.
template <class R, int N>
__device__ __forceinline__ void store_tile(const CholeskyTile<R, N>& tile, R* a, int stride, int n,
                                           int thread, int threads) {
  for (int e = thread; e < N * n; e += threads) {
    const int row = e % N, col = e / N;
    if (row < n && row >= col) a[row + col * stride] = tile.l[row + col * tile.stride];
  }
}

/// load_tile for a factor, with the inverses of its diagonal.
template <class R, int N>
__device__ __forceinline__ void load_factor(CholeskyTile<R, N>& tile, const R* l, int stride, int n,
                                            int thread, int threads) {
  load_tile(tile, l, stride, n, thread, threads);
  for (int j = thread; j < n; j += threads) tile.inverse[j] = R(1) / l[j + j * stride];
}

template <class R>
__device__ __forceinline__ bool is_pivot(R x) {
  return x > R(0) && x < R(HUGE_VAL);
}

/// x_c ← a_c' − Σ_k<32h row_k L_c'k, c' = 32h + c: block h of a row of A without what the blocks of L before
/// it account for.
template <class R, int N>
__device__ __forceinline__ void remaining_block(R (&x)[warp_tile], MatrixRow<const R> a, MatrixRow<R> row,
                                                const CholeskyTile<R, N>& tile, int h) {
  const int first = warp_tile * h;
  NATGRAD_UNROLL
  for (int c = 0; c < warp_tile; ++c) x[c] = a[first + c];
  for (int k = 0; k < first; ++k) {
    const R l = row[k];
    const R* column = tile.l + k * tile.stride + first;
    NATGRAD_UNROLL
    for (int c = 0; c < warp_tile; ++c) x[c] -= l * column[c];
  }
}

/// x ← xL⁻ᵀ, L block h of the diagonal.
template <class R, int N>
__device__ __forceinline__ void solve_block(R (&x)[warp_tile], const CholeskyTile<R, N>& tile, int h) {
  const int first = warp_tile * h;
  NATGRAD_UNROLL
  for (int j = 0; j < warp_tile; ++j) {
    x[j] *= tile.inverse[first + j];
    const R* column = tile.l + (first + j) * tile.stride + first;
    NATGRAD_UNROLL
    for (int c = j + 1; c < warp_tile; ++c) x[c] -= x[j] * column[c];
  }
}

/// row ← aL⁻ᵀ, N elements, by one thread; `row` may be `a` itself.
template <class R, int N>
__device__ __forceinline__ void solve_panel_row(MatrixRow<const R> a, MatrixRow<R> row,
                                                const CholeskyTile<R, N>& tile) {
  for (int h = 0; h < N / warp_tile; ++h) {
    R x[warp_tile];
    remaining_block(x, a, row, tile, h);
    solve_block(x, tile, h);
    NATGRAD_UNROLL
    for (int c = 0; c < warp_tile; ++c) row[warp_tile * h + c] = x[c];
  }
}

/// Lane i: a ← row i of L, `root` ← L_ii, A = LLᵀ of order n ≤ 32; what stands behind the diagonal and below
/// row n is of no consequence. Returns 0, the first minor that is not positive, or −1 where that is not
/// finite: L is NaN from there on.
template <class R>
__device__ __forceinline__ int factor_rows(R (&a)[warp_tile], R& root, int n) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  R own = R(0);  // pivot
  NATGRAD_UNROLL
  for (int j = 0; j < warp_tile; ++j) {
    const R pivot = __shfl_sync(full_warp, a[j], j);
    const R inverse = R(1) / pivot;
    const R scaled = a[j] * (is_pivot(pivot) ? inverse : R(NAN));
    NATGRAD_UNROLL
    for (int c = j + 1; c < warp_tile; ++c) a[c] -= scaled * __shfl_sync(full_warp, a[j], c);
    a[j] = scaled;
    own = lane == j ? pivot : own;
  }
  root = is_pivot(own) ? std::sqrt(own) : R(NAN);
  NATGRAD_UNROLL
  for (int j = 0; j < warp_tile; ++j) {
    const R root_j = __shfl_sync(full_warp, root, j);
    a[j] = lane == j ? root : a[j] * root_j;
  }
  const unsigned failed = __ballot_sync(full_warp, lane < n && !is_pivot(own));
  if (failed == 0) return 0;
  int first = 0;
  while ((failed >> first & 1) == 0) ++first;
  return __shfl_sync(full_warp, own, first) <= R(0) ? first + 1 : -1;
}

/// A = LLᵀ, order n, L over A, and the inverses of its diagonal, by one warp. Returns as factor_rows does.
template <class R, int N>
__device__ __forceinline__ int factor_tile(CholeskyTile<R, N>& tile, int n) {
  const int lane = threadIdx.x % 32;
  const auto row_of = [&](int block) { return MatrixRow<R>{tile.l + warp_tile * block + lane, tile.stride}; };
  int failed = 0;
  for (int h = 0; warp_tile * h < n; ++h) {
    const int first = warp_tile * h;
    const MatrixRow<R> row = row_of(h);
    R a[warp_tile], root;
    remaining_block(a, {row.data, row.stride}, row, tile, h);
    const int minor = factor_rows(a, root, n - first);
    if (failed == 0 && minor != 0) failed = minor > 0 ? first + minor : minor;
    NATGRAD_UNROLL
    for (int c = 0; c < warp_tile; ++c)
      if (c <= lane) row[first + c] = a[c];
    tile.inverse[first + lane] = R(1) / root;
    __syncwarp();
    for (int g = h + 1; warp_tile * g < n; ++g) {
      const MatrixRow<R> below = row_of(g);
      remaining_block(a, {below.data, below.stride}, below, tile, h);
      solve_block(a, tile, h);
      NATGRAD_UNROLL
      for (int c = 0; c < warp_tile; ++c) below[first + c] = a[c];
    }
    __syncwarp();
  }
  return failed;
}

/// z ← L⁻¹z, n elements, by one warp; lane i holds elements i, 32 + i, …, zeros from n.
template <class R, int N>
__device__ __forceinline__ void forward_solve(R (&z)[N / warp_tile], const CholeskyTile<R, N>& tile, int n) {
  const int lane = threadIdx.x % 32;
  NATGRAD_UNROLL
  for (int h = 0; h < N / warp_tile; ++h)
    for (int j = 0; j < warp_tile && warp_tile * h + j < n; ++j) {
      const int col = warp_tile * h + j;
      const R solved = __shfl_sync(full_warp, z[h] * tile.inverse[col], j);
      const R* column = tile.l + col * tile.stride + lane;
      if (lane == j) z[h] = solved;
      if (lane > j) z[h] -= column[warp_tile * h] * solved;
      NATGRAD_UNROLL
      for (int g = h + 1; g < N / warp_tile; ++g) z[g] -= column[warp_tile * g] * solved;
    }
}

/// z ← L⁻ᵀz, likewise.
template <class R, int N>
__device__ __forceinline__ void backward_solve(R (&z)[N / warp_tile], const CholeskyTile<R, N>& tile, int n) {
  const int lane = threadIdx.x % 32;
  NATGRAD_UNROLL
  for (int h = N / warp_tile - 1; h >= 0; --h)
    for (int j = (n - warp_tile * h < warp_tile ? n - warp_tile * h : warp_tile) - 1; j >= 0; --j) {
      const MatrixRow<const R> row{tile.l + warp_tile * h + j, tile.stride};
      const R solved = __shfl_sync(full_warp, z[h] * tile.inverse[warp_tile * h + j], j);
      if (lane == j) z[h] = solved;
      if (lane < j) z[h] -= row[warp_tile * h + lane] * solved;
      NATGRAD_UNROLL
      for (int g = 0; g < h; ++g) z[g] -= row[warp_tile * g + lane] * solved;
    }
}

}  // namespace natgrad::kernels
