/// The products behind a tile of a Gram matrix, sum ← X_iᵀX_j with X_i, X_j panels of `size` neighbouring
/// columns of X: what score_gram.cuh repeats, by the CUDA cores and by the tensor cores.
///
/// Columns are contiguous along k, the dimension that is summed over. So panels lie in shared memory as in X,
/// in chunks of 64 bytes a column, and are read 16 bytes at a time along the columns: nothing is transposed.
/// (chunk_product.cuh takes its operands k by k, as its caller forms them.) The next chunk waits in registers
/// while one is multiplied; two stages of shared memory leave one barrier a chunk. A chunk of a tile's
/// interior, by the instructions of sm_90:
///
/// | tile                   | threads | a thread's elements | instructions          | multiply-adds a byte |
/// |------------------------|---------|---------------------|-----------------------|----------------------|
/// | CoreTile<float>        | 128     | 8 × 4               | 512 FFMA of about 660 | 0.67                 |
/// | CoreTile<double>       | 256     | 4 × 4               | 128 DFMA of about 190 | 0.25                 |
/// | TensorTile<float, 64>  | 128     | 1/32 of 32 × 32     | 16 HMMA of about 160  | 4                    |
/// | TensorTile<float, 128> | 256     | 1/32 of 64 × 32     | 32 HMMA of about 230  | 5.3                  |
/// | TensorTile<double, 64> | 128     | 1/32 of 32 × 32     | 32 DMMA of about 90   | 2                    |
///
/// The bytes are those read from shared memory by every lane (CoreTile: 4 to 8 lanes read the same). At 128 a
/// cycle they keep shared memory busy 3/4 of the time at the full f32 rate, and hold TF32 to about half of an
/// H200's peak, T = 128.
#pragma once

#include "grid.cuh"
#include "natgrad/device/macros.hpp"
#include "tensor_core.cuh"

namespace natgrad::kernels {

/// What is loaded and stored at once: 16 bytes along a column.
template <class R>
struct alignas(16) Piece {
  static constexpr int size = 16 / sizeof(R);
  R value[size];
};
inline constexpr int chunk_pieces = 4;  // of a column in a stage

/// The first `count` elements of a piece at any address, then 0.
template <class R>
__device__ __forceinline__ Piece<R> partial_piece(const R* from, int count) {
  Piece<R> piece;
  NATGRAD_UNROLL
  for (int i = 0; i < Piece<R>::size; ++i) piece.value[i] = i < count ? from[i] : R(0);
  return piece;
}
/// `from`: a multiple of 16 bytes.
template <class R>
__device__ __forceinline__ Piece<R> whole_piece(const R* from) {
  return *reinterpret_cast<const Piece<R>*>(from);
}

template <class R>
__device__ __forceinline__ bool has_aligned_columns(MatrixView<const R> x) {
  const auto stride = static_cast<std::uintptr_t>(x.stride) * sizeof(R);
  return (reinterpret_cast<std::uintptr_t>(x.data) | stride) % 16 == 0;
}

/// By the CUDA cores. A thread's rows and columns are spread evenly over the tile.
template <class Real>
struct CoreTile {
  using R = Real;
  static constexpr int rows = sizeof(R) == 4 ? 8 : 4, cols = 4;  // a double takes two registers
  static constexpr int size = 64, threads = size * size / (rows * cols), elements = rows * cols;
  static constexpr int blocks = sizeof(R) == 4 ? 3 : 1;  // that a multiprocessor should hold
  static constexpr int pitch = chunk_pieces + 1;  // pieces from column to column: 8 columns lie in all banks

  // A warp's threads are 8 × 4. Lanes that differ in bit 0 alone share rows, in bit 1 alone columns: that
  // lets shared memory serve half a warp at once.
  static __device__ __forceinline__ int row() {
    return (threadIdx.x / 2 % 8) + 8 * (threadIdx.x / 32 % (size / rows / 8));
  }
  static __device__ __forceinline__ int col() {
    return threadIdx.x % 2 + 2 * (threadIdx.x / 16 % 2) + 4 * (threadIdx.x / 32 / (size / rows / 8));
  }
  /// Where element e of the thread stands in the tile.
  static __device__ __forceinline__ int row(int e) { return row() + e % rows * (size / rows); }
  static __device__ __forceinline__ int col(int e) { return col() + e / rows * (size / cols); }

  static __device__ __forceinline__ R staged(R x) { return x; }

  static __device__ __forceinline__ void multiply(const Piece<R>* x, const Piece<R>* y, R (&sum)[elements]) {
    for (int k = 0; k < chunk_pieces; ++k) {
      Piece<R> right[cols];
      NATGRAD_UNROLL
      for (int q = 0; q < cols; ++q) right[q] = y[col(q * rows) * pitch + k];
      NATGRAD_UNROLL
      for (int p = 0; p < rows; ++p) {
        const Piece<R> left = x[row(p) * pitch + k];
        NATGRAD_UNROLL
        for (int q = 0; q < cols; ++q) NATGRAD_UNROLL
        for (int i = 0; i < Piece<R>::size; ++i) sum[q * rows + p] += left.value[i] * right[q].value[i];
      }
    }
  }
};

/// By the tensor cores: TF32, to which `staged` rounds, or f64. Compute capability 8.0 and above.
///
/// A warp owns tile/2 × 32 elements, as fragments of 16 × 8 (f32) or 8 × 8 (f64), whose step along k is half
/// a chunk. A lane's piece holds what it brings to both steps, so that k is summed in the order 0, 1, 4, 5, …
/// of a chunk; quarters of a warp then read 128 neighbouring bytes.
template <class Real, int tile>
struct TensorTile {
  using R = Real;
  static constexpr bool f32 = sizeof(R) == 4;
  static constexpr int warp_rows = tile / 2;  // 2 warps below each other
  static constexpr int size = tile, elements = warp_rows, threads = size * size / elements;
  static constexpr int blocks = size > 64 ? 1 : f32 ? 3 : 2;  // that a multiprocessor should hold
  static constexpr int pitch = chunk_pieces;
  static constexpr int height = f32 ? 16 : 8, share = height * 8 / 32;  // of a fragment; of it a lane's

  static __device__ __forceinline__ int lane() { return threadIdx.x % 32; }
  static __device__ __forceinline__ int warp_row() { return threadIdx.x / 32 % 2 * warp_rows; }
  static __device__ __forceinline__ int warp_col() { return threadIdx.x / 64 * 32; }
  /// Where element e of the thread stands in the tile.
  static __device__ __forceinline__ int row(int e) {
    return warp_row() + e / (4 * share) * height + e % share / 2 * 8 + lane() / 4;
  }
  static __device__ __forceinline__ int col(int e) {
    return warp_col() + e / share % 4 * 8 + lane() % 4 * 2 + e % 2;
  }

  static __device__ __forceinline__ float staged(float x) { return to_tf32(x); }
  static __device__ __forceinline__ double staged(double x) { return x; }

  static __device__ __forceinline__ void multiply(const Piece<R>* x, const Piece<R>* y, R (&sum)[elements]) {
    Piece<R> right[4];
    NATGRAD_UNROLL
    for (int q = 0; q < 4; ++q) right[q] = y[(warp_col() + 8 * q + lane() / 4) * pitch + lane() % 4];
    NATGRAD_UNROLL
    for (int p = 0; p < warp_rows / height; ++p) {
      const Piece<R>* const left = x + row(p * 4 * share) * pitch + lane() % 4;
      NATGRAD_UNROLL
      for (int q = 0; q < 4; ++q)
        multiply_fragment(*reinterpret_cast<R(*)[share]>(sum + (4 * p + q) * share), left[0],
                          left[(height - 8) * pitch], right[q]);
    }
  }

 private:
  /// `low`: of the row 8 further down.
  static __device__ __forceinline__ void multiply_fragment(float (&d)[4], const Piece<float>& left,
                                                           const Piece<float>& low,
                                                           const Piece<float>& right) {
    NATGRAD_UNROLL
    for (int k = 0; k < 4; k += 2) {
      const float a[4] = {left.value[k], low.value[k], left.value[k + 1], low.value[k + 1]};
      const float b[2] = {right.value[k], right.value[k + 1]};
      tensor_multiply(d, a, b);
    }
  }
  static __device__ __forceinline__ void multiply_fragment(double (&d)[2], const Piece<double>& left,
                                                           const Piece<double>&, const Piece<double>& right) {
    NATGRAD_UNROLL
    for (int k = 0; k < 2; ++k) tensor_multiply(d, left.value[k], right.value[k]);
  }
};

/// A chunk of two panels.
template <class Tile>
using Stage = Piece<typename Tile::R>[2][Tile::size * Tile::pitch];

/// A thread's part of the next chunk of the panels of X that begin at its columns `row` and `col`, row ≥ col.
template <class Tile>
struct ChunkLoader {
  using R = typename Tile::R;
  static constexpr int step = chunk_pieces * Piece<R>::size;  // of a chunk, along the columns
  static constexpr int at_once = Tile::threads / chunk_pieces, passes = Tile::size / at_once;  // of columns

  const R* next;       // where the thread's next piece begins, in its first column of the first panel
  Index pass_stride;   // to its next column
  Index panel_stride;  // to its first column of the second panel
  int there;           // columns of X from its first one on
  int between;         // columns from the second panel to the first
  bool whole;          // no piece is unaligned, and none is cut but in the last chunk
  Piece<R> held[2][passes];

  __device__ __forceinline__ ChunkLoader(MatrixView<const R> x, int row, int col)
      : next(column(x, row + own_column()) + own_piece() * Piece<R>::size),
        pass_stride(at_once * x.stride),
        panel_stride((col - row) * x.stride),
        there(static_cast<int>(x.cols) - row - own_column()),
        between(row - col),
        whole(has_aligned_columns(x) && row + Tile::size <= x.cols) {}

  static __device__ __forceinline__ int own_column() { return threadIdx.x / chunk_pieces; }
  static __device__ __forceinline__ int own_piece() { return threadIdx.x % chunk_pieces; }

  /// `left`: elements of a column not yet loaded.
  __device__ __forceinline__ void load(Index left) {
    if (whole && left >= step) {
      NATGRAD_UNROLL
      for (int p = 0; p < 2; ++p) NATGRAD_UNROLL
      for (int i = 0; i < passes; ++i) held[p][i] = whole_piece(next + p * panel_stride + i * pass_stride);
    } else {
      const int count = static_cast<int>(left < step ? left : step) - own_piece() * Piece<R>::size;
      NATGRAD_UNROLL
      for (int p = 0; p < 2; ++p) NATGRAD_UNROLL
      for (int i = 0; i < passes; ++i)
        held[p][i] = partial_piece(next + p * panel_stride + i * pass_stride,
                                   i * at_once < there + p * between ? count : 0);
    }
    next += step;
  }
  __device__ __forceinline__ void store(Stage<Tile>& stage) {
    NATGRAD_UNROLL
    for (int p = 0; p < 2; ++p) NATGRAD_UNROLL
    for (int i = 0; i < passes; ++i) {
      NATGRAD_UNROLL
      for (R& value : held[p][i].value) value = Tile::staged(value);
      stage[p][(own_column() + i * at_once) * Tile::pitch + own_piece()] = held[p][i];
    }
  }
};

/// sum ← the thread's elements of X_iᵀX_j, the panels of X that begin at its columns `row` and `col`. `turn`
/// says which stage is free: the caller's next product goes on from there, without a barrier between.
template <class Tile>
__device__ __forceinline__ void tile_product(Stage<Tile> (&stages)[2], int& turn,
                                             MatrixView<const typename Tile::R> x, int row, int col,
                                             typename Tile::R (&sum)[Tile::elements]) {
  NATGRAD_UNROLL
  for (auto& element : sum) element = 0;
  if (x.rows == 0) return;
  ChunkLoader<Tile> chunk(x, row, col);
  Index left = x.rows;
  chunk.load(left);
  while (left > 0) {
    auto& stage = stages[turn];
    chunk.store(stage);
    __syncthreads();
    left -= ChunkLoader<Tile>::step;
    chunk.load(left);
    Tile::multiply(stage[0], stage[1], sum);
    turn ^= 1;
  }
}

}  // namespace natgrad::kernels
