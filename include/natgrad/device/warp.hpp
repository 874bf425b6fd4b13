/// Vectors and symmetric matrices of order N ≤ 32 in the registers of one warp: lane i holds element i of a
/// vector, and row i of a matrix as `R row[N]`. Lanes N … 31 take part in every call; what they hold is of no
/// consequence.
///
/// Every function here is called by all 32 lanes of a warp, which meet in its shuffles; threads are counted
/// through the block's dimensions, x first, and the number of threads of the block is a multiple of 32. No
/// shared memory, no barriers, sums in an order fixed by the code: same input, same bits.
#pragma once

#include <cstdint>
#include <type_traits>

#include "natgrad/device/macros.hpp"

namespace natgrad {

inline constexpr unsigned full_warp = 0xffffffffu;

/// The calling thread's lane in its warp, 0 … 31.
NATGRAD_DEVICE int warp_lane() {
  return static_cast<int>((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32);
}

/// Σ over all 32 lanes, the same bits in each of them.
template <class R>
NATGRAD_DEVICE R warp_sum(R value) {
  NATGRAD_UNROLL
  for (int bits = 16; bits > 0; bits /= 2) value += __shfl_xor_sync(full_warp, value, bits);
  return value;
}

/// F ← F + w x xᵀ: N shuffles and N multiply-adds a lane. The two triangles may differ in the last bit.
template <class R, int N>
NATGRAD_DEVICE void warp_add_outer_product(R (&row)[N], std::type_identity_t<R> x,
                                           std::type_identity_t<R> weight = R(1)) {
  static_assert(N <= 32, "a warp has 32 lanes; natgrad/device/block_outer_product.hpp goes to order 128");
  const R weighted = weight * x;
  NATGRAD_UNROLL
  for (int j = 0; j < N; ++j) row[j] += weighted * __shfl_sync(full_warp, x, j);
}

/// F ← F + λI.
template <class R, int N>
NATGRAD_DEVICE void warp_add_diagonal(R (&row)[N], std::type_identity_t<R> lambda) {
  const int lane = warp_lane();
  NATGRAD_UNROLL
  for (int j = 0; j < N; ++j)
    if (lane == j) row[j] += lambda;
}

/// Rows of a symmetric matrix of which memory holds the lower triangle, column-major; lanes N … 31 get zeros.
template <class R, int N>
NATGRAD_DEVICE void warp_load_lower(R (&row)[N], const R* a, std::int64_t stride) {
  const int lane = warp_lane();
  NATGRAD_UNROLL
  for (int j = 0; j < N; ++j)
    row[j] = lane >= N ? R(0) : lane >= j ? a[lane + j * stride] : a[j + lane * stride];
}

/// Writes the lower triangle, column-major; nothing above the diagonal.
template <class R, int N>
NATGRAD_DEVICE void warp_store_lower(const R (&row)[N], R* a, std::int64_t stride) {
  const int lane = warp_lane();
  NATGRAD_UNROLL
  for (int j = 0; j < N; ++j)
    if (lane >= j && lane < N) a[lane + j * stride] = row[j];
}

}  // namespace natgrad
