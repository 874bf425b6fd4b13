/// L ← chol(F + λI), b ← (F + λI)⁻¹b in one cooperative launch; F, L: n × n, lower triangles, b: n.
///
/// Panels of 64 columns, p of them. The right-hand side is row n of the matrix: where the columns of L are
/// solved for, so is y = L⁻¹b.
///
///     block 0                 all blocks
///     L_00 = chol(A_00)
///     for panel k:
///       grid_sync             L_ik ← A_ik L_kk⁻ᵀ, a row a thread, rows i > k and b
///       grid_sync             A_ij ← A_ij − L_ik L_jkᵀ, a tile of 64 × 64 a block, i ≥ j > k, and b
///       L_jj = chol(A_jj), j = k + 1, as soon as its tile is there
///     for panel k, backwards:
///       grid_sync             x_k = L_kk⁻ᵀy_k, in every block; y_j ← y_j − L_kjᵀx_k, 8 columns a warp, j < k
///
/// Time: 3p grid_syncs of about 1.2 µs; n columns one after another at about 0.06 µs in the diagonal tiles,
/// hidden behind the update of the rest for as long as that is larger; p panels at about 2 µs; n³/3
/// FLOPs at 25 TF/s; n columns at about 0.02 µs backwards. At n = 2048 in f32 on 132 multiprocessors that
/// makes 0.12 + 0.13 + 0.06 + 0.1 + 0.04 ≈ 0.45 ms, where cuSOLVER takes 0.95 ms for the factor alone (L40S,
/// f32). This is a model: no GPU has timed it yet. Moves p/2 · n² elements through the L2 cache, in which F
/// has room.
///
/// Of chunk_product.cuh, whose tiles of f32 are 128 wide and whose sums begin at 0, nothing is used: block 0
/// must have the next diagonal tile soon, and the sums begin with A_ij, which may be replaced. Sums in R;
/// every element by one thread, in an order that n alone decides, and not the number of blocks: same input,
/// same bits.
///
/// One block of 256 threads a multiprocessor: the registers hold the rows of a panel. A pivot that fails is a
/// NaN in L, and so is what depends on it: the rest of L, and all of b.
#pragma once

#include <algorithm>
#include <limits>

#include "cooperative.cuh"
#include "small_cholesky_steps.cuh"

namespace natgrad::kernels {

/// The largest order for which F stays in the L2 cache, and 3p grid_syncs cost less than cuSOLVER.
inline constexpr Index small_cholesky_limit = 2500;

/// The share of lane i in rows i and 32 + i of the eight columns that a warp takes from row k of panels;
/// beyond the last of them, that one: what it is multiplied by is zero, or is not used.
template <class R>
struct BackwardColumns {
  static constexpr int cols = 8;
  R l[2][cols];

  __device__ __forceinline__ void load(const SmallCholesky<R>& m, int k, int first_col) {
    const int first_row = k * cholesky_panel, lane = static_cast<int>(threadIdx.x) % 32;
    NATGRAD_UNROLL
    for (int h = 0; h < 2; ++h) {
      const MatrixRow<R> row = m.l.row(at_most(first_row + 32 * h + lane, m.n - 1), m.n);
      NATGRAD_UNROLL
      for (int c = 0; c < cols; ++c) l[h][c] = row[at_most(first_col + c, first_row)];
    }
  }
  /// y_j ← y_j − L_kjᵀx_k
  __device__ __forceinline__ void subtract(const SmallCholesky<R>& m, int first_col, const R* x) const {
    const int lane = threadIdx.x % 32;
    NATGRAD_UNROLL
    for (int c = 0; c < cols; ++c) {
      const R sum = warp_sum(l[0][c] * x[lane] + l[1][c] * x[32 + lane]);
      if (lane == c) m.l.last[first_col + c] -= sum;
    }
  }
};

/// x_k = L_kk⁻ᵀy_k by one warp, which leaves it in shared memory; of the last panel y_k = L_kk⁻¹b_k too, and
/// returns Σ y_k².
template <class R>
__device__ R solve_diagonal(const SmallCholesky<R>& m, const R* y, int k, SmallCholeskyShared<R>& s) {
  const int first = k * cholesky_panel, width = panel_width(m, k), lane = threadIdx.x;
  const bool is_last = first + width == m.n;
  R z[2], squares = R(0);
  NATGRAD_UNROLL
  for (int h = 0; h < 2; ++h) z[h] = 32 * h + lane < width ? y[first + 32 * h + lane] : R(0);
  if (is_last) {
    forward_solve(z, s.tile, width);
    squares = warp_sum(z[0] * z[0] + z[1] * z[1]);
  }
  backward_solve(z, s.tile, width);
  NATGRAD_UNROLL
  for (int h = 0; h < 2; ++h) {
    s.x[32 * h + lane] = z[h];
    if (blockIdx.x == 0 && 32 * h + lane < width) m.x[first + 32 * h + lane] = z[h];
  }
  return squares;
}

/// x_k, and y_j ← y_j − L_kjᵀx_k for j < k. What does not depend on x_k+1 is read before the blocks meet.
/// Returns what solve_diagonal does, in the first warp.
template <class R>
__device__ R solve_backward(const SmallCholesky<R>& m, const R* y, int k, bool is_last,
                            SmallCholeskyShared<R>& s) {
  constexpr int cols = BackwardColumns<R>::cols;
  const int first = k * cholesky_panel, block = static_cast<int>(blockIdx.x);
  const int blocks = static_cast<int>(gridDim.x), warp = static_cast<int>(threadIdx.x) / 32;
  const bool takes_part = is_last || block == 0 || cols * block < first;
  int col = cols * (block + blocks * warp);
  BackwardColumns<R> columns;
  columns.load(m, k, col);
  if (takes_part)
    load_factor(s.tile, m.l.data + first + first * m.l.stride, m.l.stride, panel_width(m, k), threadIdx.x,
                cholesky_threads);
  if (is_last)
    __syncthreads();
  else
    grid_sync();
  if (!takes_part) return R(0);
  const R squares = threadIdx.x < 32 ? solve_diagonal(m, y, k, s) : R(0);
  __syncthreads();
  while (col < first) {
    columns.subtract(m, col, s.x);
    col += cols * cholesky_warps * blocks;
    columns.load(m, k, col);
  }
  return squares;
}

/// Σ y_j² of a panel that is not the last, by one warp.
template <class R>
__device__ R squares_of(const SmallCholesky<R>& m, int k) {
  const R* const y = m.l.last + k * cholesky_panel + threadIdx.x;
  return warp_sum(y[0] * y[0] + y[32] * y[32]);
}

template <class R>
__global__ void __launch_bounds__(cholesky_threads, 1) small_cholesky_kernel(SmallCholesky<R> m) {
  auto& s = block_shared<SmallCholeskyShared<R>>();
  const bool has_b = m.rows > m.n, sums_squares = has_b && blockIdx.x + 1 == gridDim.x && threadIdx.x < 32;
  const int last = panels_of(m.n) - 1;
  Remaining<R> left = m.f;
  R squares = R(0);
  if (blockIdx.x == 0 && m.slots.largest != nullptr) find_largest(m, s);
  for (int k = -1; k < last; ++k) {
    if (k >= 0) {
      grid_sync();
      solve_panel(m, left, k, s);
      grid_sync();
      if (sums_squares) squares += squares_of(m, k);
    }
    update_trailing(m, left, k, s);
    if (k == 0) left = {{m.l.data, m.l.stride, m.l.last}, R(0)};
  }
  if (!has_b) return;
  grid_sync();
  for (int k = last; k >= 0; --k) squares += solve_backward(m, left.a.last, k, k == last, s);
  if (sums_squares && threadIdx.x == 0 && !(squares < m.most_squares)) record_minor(m.slots, m.n + 1);
}

/// L over `l`, of which nothing above the diagonal is touched; `l` may be `f` itself. b may be empty; n ≥ 1.
/// `workspace`: as many elements of device memory as b has. No more than `most_blocks` blocks take part.
template <class R>
void small_cholesky(MatrixView<const R> f, R lambda, MatrixView<R> l, VectorView<R> b, R* workspace,
                    const CholeskySlots& slots, cudaStream_t stream,
                    int most_blocks = std::numeric_limits<int>::max()) {
  const auto kernel = small_cholesky_kernel<R>;
  SmallCholesky<R> m{.f = {{f.data, static_cast<int>(f.stride), b.data}, lambda},
                     .l = {l.data, static_cast<int>(l.stride), workspace},
                     .x = b.data,
                     .n = static_cast<int>(f.rows),
                     .rows = static_cast<int>(f.rows + (b.size > 0 ? 1 : 0)),
                     .most_squares = std::numeric_limits<R>::max() / R(4),
                     .slots = slots};
  const int panels = panels_of(m.n), tiles = panels * (panels + 1) / 2;
  const int resident = resident_blocks(kernel, cholesky_threads, sizeof(SmallCholeskyShared<R>));
  launch_cooperative(kernel, static_cast<unsigned>(std::min({tiles, resident, most_blocks})),
                     cholesky_threads, sizeof(SmallCholeskyShared<R>), stream, m);
}

}  // namespace natgrad::kernels
