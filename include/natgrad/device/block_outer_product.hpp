/// F = Σ_n w_n x_n x_nᵀ of order N ≤ 128 by one block of 256 threads: samples stream through shared memory a
/// chunk at a time, F stays in registers.
///
/// The threads stand 16 × 16; thread (s, t) owns the elements (s + 16p, t + 16q), p ≥ q, of F: those with
/// p < q lie above the diagonal, so T(T + 1)/2 registers hold its share, T = ⌈N/16⌉ (36 at N = 128, in f64
/// twice as many). A sample costs a thread 2T reads of shared memory, without bank conflicts, and T(T + 1)/2
/// multiply-adds. Every element is summed in the order of the samples: same samples, same bits.
#pragma once

#include "natgrad/device/lower_triangle.hpp"

namespace natgrad {

/// Shared memory of a block: up to `samples` samples, x[k][i] element i of sample k, and their weights. The
/// caller owns it and writes it; columns N … width − 1 need not be written.
template <class R, int N>
struct OuterProductChunk {
  static_assert(N >= 1 && N <= 128);
  static constexpr int samples = 32, width = (N + 15) / 16 * 16;
  R x[samples][width], weight[samples];
};

template <class R, int N>
class BlockOuterProduct {
 public:
  static constexpr int threads = 256;  // of the block, counted through its dimensions, x first

  /// F = 0. The chunk must outlive the last `add`.
  NATGRAD_DEVICE explicit BlockOuterProduct(const OuterProductChunk<R, N>& chunk) : chunk_(chunk) {
    const int thread = static_cast<int>(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
    row_ = thread % side;
    col_ = thread / side;
  }

  /// F ← F + Σ_{k < count} w_k x_k x_kᵀ, 0 ≤ count ≤ samples, over what the threads of the block have written
  /// into the chunk; they may write the next one as soon as it returns. All threads of the block call it,
  /// with the same count.
  NATGRAD_DEVICE void add(int count) {
    __syncthreads();  // the chunk is complete
    for (int k = 0; k < count; ++k) {
      R left[share], right[share];
      NATGRAD_UNROLL
      for (int p = 0; p < share; ++p) {
        left[p] = chunk_.weight[k] * chunk_.x[k][row_ + p * side];
        right[p] = chunk_.x[k][col_ + p * side];
      }
      NATGRAD_UNROLL
      for (int p = 0; p < share; ++p) {
        NATGRAD_UNROLL
        for (int q = 0; q <= p; ++q) sum_(p, q) += left[p] * right[q];
      }
    }
    __syncthreads();  // everyone has read it
  }

  /// Calls use(i, j, F_ij) for the elements i ≥ j of the calling thread; the block's threads share out all of
  /// them. What it writes to is the caller's: memory column-major or packed, damped, scaled or added to.
  template <class Use>
  NATGRAD_DEVICE void for_each(Use use) const {
    NATGRAD_UNROLL
    for (int p = 0; p < share; ++p) {
      NATGRAD_UNROLL
      for (int q = 0; q <= p; ++q) {
        const int i = row_ + p * side, j = col_ + q * side;
        if (i < N && j <= i) use(i, j, sum_(p, q));
      }
    }
  }

 private:
  static constexpr int side = 16, share = OuterProductChunk<R, N>::width / side;

  const OuterProductChunk<R, N>& chunk_;
  int row_, col_;
  LowerTriangle<R, share> sum_{};
};

}  // namespace natgrad
