/// The steps of small_cholesky.cuh on the way forwards: the diagonal tile, the panel below it, the tiles
/// behind it. All blocks of the grid take part in a step; between two steps they meet.
#pragma once

#include "cholesky_tile.cuh"
#include "reduce.cuh"

namespace natgrad::kernels {

inline constexpr int cholesky_threads = reduction_threads, cholesky_warps = cholesky_threads / 32;
inline constexpr int cholesky_panel = 64, cholesky_depth = 32;  // of a tile; of what is multiplied at a time

/// A square matrix and one row below it, which lies elsewhere.
template <class R>
struct BorderedMatrix {
  R* data;
  int stride;
  R* last;
  __device__ __forceinline__ MatrixRow<R> row(int i, int n) const {
    return i < n ? MatrixRow<R>{data + i, stride} : MatrixRow<R>{last, 1};
  }
};

/// The slots of a factorisation: info ← where it is still 0, `minors_before` + the first minor that is not
/// positive, or −1 where that is not finite; largest ← max(largest, diagonal of F) unless it is null.
struct CholeskySlots {
  double* info;
  double* largest = nullptr;
  Index minors_before = 0;
};

/// What is left to factor stands in F, damped, until the first panel has updated it, and in L from then on.
template <class R>
struct Remaining {
  BorderedMatrix<const R> a;
  R lambda;
};

template <class R>
struct SmallCholesky {
  Remaining<R> f;       // F, b and λ
  BorderedMatrix<R> l;  // L and y
  R* x;
  int n, rows;     // rows: n, or n + 1 with a right-hand side
  R most_squares;  // what bᵀ(F + λI)⁻¹b has to stay below, or minor n + 1 fails
  CholeskySlots slots;
};

template <class R>
struct SmallCholeskyShared {
  /// Element (row, k) of a panel at [k][row].
  struct alignas(16) Operand {
    R at[cholesky_depth][cholesky_panel];
  };
  union {
    CholeskyTile<R, cholesky_panel> tile;
    Operand operands[2];
  };
  R x[cholesky_panel];
  WarpResults reduction;
};

__device__ __forceinline__ constexpr int at_most(int value, int limit) {
  return value < limit ? value : limit;
}

__host__ __device__ __forceinline__ constexpr int panels_of(int size) {
  return (size + cholesky_panel - 1) / cholesky_panel;
}

/// Columns of panel k.
template <class R>
__device__ __forceinline__ int panel_width(const SmallCholesky<R>& m, int k) {
  return at_most(m.n - k * cholesky_panel, cholesky_panel);
}

/// Keeps the first failure of several factorisations; one thread.
__device__ __forceinline__ void record_minor(const CholeskySlots& slots, int failed) {
  if (failed != 0 && *slots.info == 0.0)
    *slots.info = failed > 0 ? static_cast<double>(slots.minors_before + failed) : -1.0;
}

template <class R>
__device__ void find_largest(const SmallCholesky<R>& m, SmallCholeskyShared<R>& s) {
  double mine = Max::identity();
  for (int i = threadIdx.x; i < m.n; i += cholesky_threads) mine = Max::combine(mine, m.f.a.row(i, m.n)[i]);
  const double all = block_reduce<Max>(mine, s.reduction);
  if (threadIdx.x == 0) *m.slots.largest = Max::combine(*m.slots.largest, all);
}

/// A_ij. A stands for its symmetric whole, and for its last row and column beyond them: nothing is read that
/// is not there.
template <class R>
__device__ __forceinline__ R element(const SmallCholesky<R>& m, const Remaining<R>& left, int i, int j) {
  const int a = at_most(i, m.rows - 1), b = at_most(j, m.n - 1), row = a < b ? b : a, col = at_most(a, b);
  return left.a.row(row, m.n)[col] + (row == col ? left.lambda : R(0));
}

template <class R>
__device__ __forceinline__ void store(const SmallCholesky<R>& m, int row, int col, R value) {
  if (row < m.rows && col < m.n && row >= col) m.l.row(row, m.n)[col] = value;
}

/// operand ← columns first_k … of 64 rows of L; beyond the last row, that one.
template <class R, class Operand>
__device__ __forceinline__ void load_operand(const SmallCholesky<R>& m, int first_row, int first_k,
                                             Operand& operand) {
  const int i = static_cast<int>(threadIdx.x) % cholesky_panel;
  const MatrixRow<R> l = m.l.row(at_most(first_row + i, m.rows - 1), m.n).from(first_k);
  for (int d = static_cast<int>(threadIdx.x) / cholesky_panel; d < cholesky_depth;
       d += cholesky_threads / cholesky_panel)
    operand.at[d][i] = l[d];
}

/// A thread's part of the tile A_ij − L_ik L_jkᵀ: rows `lane` and 32 + lane of eight columns.
template <class R>
struct TileSums {
  static constexpr int cols = cholesky_panel / cholesky_warps;
  R sum[2][cols];

  /// Of the tile at (first_row, first_col); what A does not have is of no consequence. k = −1: A itself.
  __device__ __forceinline__ void form(const SmallCholesky<R>& m, const Remaining<R>& left, int k,
                                       int first_row, int first_col, SmallCholeskyShared<R>& s) {
    for_each([&](int i, int j, R& sum_ij) { sum_ij = element(m, left, first_row + i, first_col + j); });
    for (int depth = 0; k >= 0 && depth < cholesky_panel; depth += cholesky_depth) {
      load_operand(m, first_row, k * cholesky_panel + depth, s.operands[0]);
      load_operand(m, first_col, k * cholesky_panel + depth, s.operands[1]);
      __syncthreads();
      for (int d = 0; d < cholesky_depth; ++d)
        for_each([&](int i, int j, R& sum_ij) { sum_ij -= s.operands[0].at[d][i] * s.operands[1].at[d][j]; });
      __syncthreads();
    }
  }

  /// body(i, j, sum_ij) for every element that this thread owns.
  template <class Body>
  __device__ __forceinline__ void for_each(Body body) {
    const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, first_col = thread / 32 * cols;
    NATGRAD_UNROLL
    for (int h = 0; h < 2; ++h) {
      NATGRAD_UNROLL
      for (int c = 0; c < cols; ++c) body(32 * h + lane, first_col + c, sum[h][c]);
    }
  }
};

/// L_kk ← chol(A_kk), A_kk the tile whose sums the block holds.
template <class R>
__device__ __forceinline__ void factor_diagonal(const SmallCholesky<R>& m, int k, TileSums<R>& a,
                                                SmallCholeskyShared<R>& s) {
  constexpr int stride = decltype(s.tile)::stride;
  const int first = k * cholesky_panel;
  a.for_each([&](int i, int j, R value) {
    s.tile.l[i + j * stride] = value;
    if (first + i == m.n) store(m, m.n, first + j, value);  // b's row is no part of the diagonal tile
  });
  __syncthreads();
  if (threadIdx.x < 32) {
    const int failed = factor_tile(s.tile, panel_width(m, k));
    if (threadIdx.x == 0) record_minor(m.slots, failed > 0 ? first + failed : failed);
  }
  __syncthreads();
  store_tile(s.tile, m.l.data + first + first * m.l.stride, m.l.stride, panel_width(m, k), threadIdx.x,
             cholesky_threads);
  __syncthreads();
}

/// L_ik ← A_ik L_kk⁻ᵀ for all rows below panel k, which is not the last: 32 rows a warp, spread over the
/// blocks first.
template <class R>
__device__ __forceinline__ void solve_panel(const SmallCholesky<R>& m, const Remaining<R>& left, int k,
                                            SmallCholeskyShared<R>& s) {
  const int first_col = k * cholesky_panel, first_row = first_col + cholesky_panel;
  const int block = static_cast<int>(blockIdx.x), blocks = static_cast<int>(gridDim.x);
  if (first_row + 32 * block >= m.rows) return;
  load_factor(s.tile, m.l.data + first_col + first_col * m.l.stride, m.l.stride, cholesky_panel, threadIdx.x,
              cholesky_threads);
  __syncthreads();
  const int warp = block + blocks * (static_cast<int>(threadIdx.x) / 32);
  for (int row = first_row + 32 * warp + static_cast<int>(threadIdx.x) % 32; row < m.rows;
       row += 32 * cholesky_warps * blocks)
    solve_panel_row(left.a.row(row, m.n).from(first_col), m.l.row(row, m.n).from(first_col), s.tile);
}

/// A_ij ← A_ij − L_ik L_jkᵀ behind panel k, and L_jj, j = k + 1, by block 0, which does nothing else unless
/// it is alone. k = −1: L_00 only.
template <class R>
__device__ __forceinline__ void update_trailing(const SmallCholesky<R>& m, const Remaining<R>& left, int k,
                                                SmallCholeskyShared<R>& s) {
  const int block = static_cast<int>(blockIdx.x), blocks = static_cast<int>(gridDim.x);
  const int first = (k + 1) * cholesky_panel, tile_rows = panels_of(m.rows - first);
  const int tiles = k < 0 ? 1 : tile_rows * (tile_rows + 1) / 2;
  const int step = blocks == 1 ? 1 : block == 0 ? tiles : blocks - 1;
  for (int t = block; t < tiles; t += step) {
    const auto [tile_row, tile_col] = lower_cell(t);
    const int first_row = first + static_cast<int>(tile_row) * cholesky_panel;
    const int first_col = first + static_cast<int>(tile_col) * cholesky_panel;
    TileSums<R> a;
    a.form(m, left, k, first_row, first_col, s);
    if (t == 0)
      factor_diagonal(m, k + 1, a, s);
    else
      a.for_each([&](int i, int j, R value) { store(m, first_row + i, first_col + j, value); });
  }
}

}  // namespace natgrad::kernels
