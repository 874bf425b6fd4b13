/// The inner loop of kernels that form their operands in shared memory, by a block of 256 threads:
///
///     sum_ij ← sum_ij + Σ_k left_ki right_kj,   k of a chunk of 8; i, j of a square tile
///
///     SimtProduct    f32: 128 × 128, 8 × 8 a thread;    f64: 64 × 64, 4 × 4 a thread;    in the order of k
///     TensorProduct  f32: 128 × 128, 64 × 32 a warp;    f64: 64 × 64, 32 × 16 a warp;    8 or 4 k's at once
///
/// The sums stay in registers, 64 or (f64) 32 of them. SIMT: for 64 products a thread reads 16 floats, four
/// at a time, and a warp of 8 × 4 threads meets no bank conflict. Tensor cores (tensor_core.cuh): the padding
/// of a chunk puts the 8 × 4 elements of a fragment into different banks.
#pragma once

#include "natgrad/device/macros.hpp"
#include "tensor_core.cuh"

namespace natgrad::kernels {

inline constexpr int product_threads = 256;

/// Rows and columns of a tile.
template <class R>
inline constexpr int product_tile = 512 / static_cast<int>(sizeof(R));

/// k's held in shared memory at a time.
inline constexpr int product_chunk = 8;

/// One operand of a tile: element (k, i) at at[k][i].
template <class R>
struct alignas(16) ProductChunk {
  R at[product_chunk][product_tile<R> + 32 / sizeof(R)];
};

template <class R>
struct SimtProduct {
  static constexpr int side = 16;  // threads along a side of the tile
  static constexpr int fours = product_tile<R> / (4 * side), share = 4 * fours;  // a thread has share × share

  R sum[share][share] = {};  // [column][row]

  struct alignas(16) Four {
    R value[4];
  };

  /// The thread's place in the tile: a warp's are 8 × 4.
  __device__ __forceinline__ static int x() { return threadIdx.x / 32 % 2 * 8 + threadIdx.x % 8; }
  __device__ __forceinline__ static int y() { return threadIdx.x / 64 * 4 + threadIdx.x / 8 % 4; }
  /// Where the p-th of a thread's rows, or columns, stands in the tile.
  __device__ __forceinline__ static int position(int thread, int p) {
    return p / 4 * 4 * side + 4 * thread + p % 4;
  }

  __device__ __forceinline__ static R rounded(R x) { return x; }

  __device__ __forceinline__ static void load(const R* from, int thread, Four (&to)[fours]) {
    NATGRAD_UNROLL
    for (int f = 0; f < fours; ++f) to[f] = *reinterpret_cast<const Four*>(from + position(thread, 4 * f));
  }

  __device__ __forceinline__ void multiply(const ProductChunk<R>& left, const ProductChunk<R>& right) {
    NATGRAD_UNROLL
    for (int k = 0; k < product_chunk; ++k) {
      Four l[fours], r[fours];
      load(left.at[k], x(), l);
      load(right.at[k], y(), r);
      NATGRAD_UNROLL
      for (int q = 0; q < share; ++q) {
        NATGRAD_UNROLL
        for (int p = 0; p < share; ++p) sum[q][p] += l[p / 4].value[p % 4] * r[q / 4].value[q % 4];
      }
    }
  }

  /// body(i, j, sum_ij) for every element that this thread owns.
  template <class Body>
  __device__ __forceinline__ void for_each(Body body) const {
    NATGRAD_UNROLL
    for (int q = 0; q < share; ++q) {
      NATGRAD_UNROLL
      for (int p = 0; p < share; ++p) body(position(x(), p), position(y(), q), sum[q][p]);
    }
  }
};

/// f32: both operands must be `rounded`, to TF32. Compute capability 8.0 and above.
template <class R>
struct TensorProduct {
  // An instruction multiplies 8·halves × 4·halves by 4·halves × 8.
  static constexpr int halves = sizeof(R) == 4 ? 2 : 1;
  static constexpr int warp_rows = product_tile<R> / 2, warp_cols = product_tile<R> / 4;
  static constexpr int rows = warp_rows / (8 * halves), cols = warp_cols / 8;  // fragments of a warp

  R sum[rows][cols][2 * halves] = {};

  /// Where the warp's part of the tile begins.
  __device__ __forceinline__ static int row() { return threadIdx.x / 32 % 2 * warp_rows; }
  __device__ __forceinline__ static int col() { return threadIdx.x / 64 * warp_cols; }
  __device__ __forceinline__ static int g() { return threadIdx.x % 32 / 4; }
  __device__ __forceinline__ static int t() { return threadIdx.x % 4; }

  __device__ __forceinline__ static float rounded(float x) { return to_tf32(x); }
  __device__ __forceinline__ static double rounded(double x) { return x; }

  __device__ __forceinline__ static void fragment(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
    tensor_multiply(d, a, b);
  }
  __device__ __forceinline__ static void fragment(double (&d)[2], const double (&a)[1],
                                                  const double (&b)[1]) {
    tensor_multiply(d, a[0], b[0]);
  }

  __device__ __forceinline__ void multiply(const ProductChunk<R>& left, const ProductChunk<R>& right) {
    NATGRAD_UNROLL
    for (int step = 0; step < product_chunk; step += 4 * halves) {
      const int k = step + t();
      R b[cols][halves];
      NATGRAD_UNROLL
      for (int q = 0; q < cols; ++q) {
        NATGRAD_UNROLL
        for (int h = 0; h < halves; ++h) b[q][h] = right.at[k + 4 * h][col() + 8 * q + g()];
      }
      NATGRAD_UNROLL
      for (int p = 0; p < rows; ++p) {
        R a[halves * halves];
        NATGRAD_UNROLL
        for (int h = 0; h < halves * halves; ++h)
          a[h] = left.at[k + h / 2 * 4][row() + (p * halves + h % 2) * 8 + g()];
        NATGRAD_UNROLL
        for (int q = 0; q < cols; ++q) fragment(sum[p][q], a, b[q]);
      }
    }
  }

  /// body(i, j, sum_ij) for every element that this thread owns.
  template <class Body>
  __device__ __forceinline__ void for_each(Body body) const {
    NATGRAD_UNROLL
    for (int e = 0; e < rows * cols * 2 * halves; ++e) {
      const int h = e % (2 * halves), q = e / (2 * halves) % cols, p = e / (2 * halves * cols);
      body(row() + (p * halves + h / 2) * 8 + g(), col() + 8 * q + 2 * t() + h % 2, sum[p][q][h]);
    }
  }
};

}  // namespace natgrad::kernels
