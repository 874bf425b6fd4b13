/// Cholesky factorisation and triangular solves of order N ≤ 32 by one warp, in its registers: a row a lane
/// (natgrad/device/warp.hpp says how a warp holds a matrix, and who calls).
///
/// The factor is held on both sides of the diagonal: row[j] of lane i is l_ij for j ≤ i and l_ji for j > i.
/// Row k of the upper triangle is lane k's own copy of column k, which the factorisation shuffles by anyway;
/// so both substitutions broadcast one solved element a step, and no sum over lanes is needed. Factoring
/// takes N(N + 1)/2 shuffles and as many multiply-adds a lane; a solve takes N of each per triangle.
#pragma once

#include <cmath>

#include "natgrad/device/thread_cholesky.hpp"
#include "natgrad/device/warp.hpp"

namespace natgrad {

/// A = LLᵀ, L over A, of which the lower triangle is read: row[j], j ≤ i, in lane i. Returns LAPACK's info in
/// every lane, as `cholesky` does: 0, or k > 0 where the leading minor of order k is not positive definite or
/// not finite; the matrix is then of no use.
template <class R, int N>
NATGRAD_DEVICE int warp_cholesky(R (&row)[N]) {
  static_assert(N <= 32, "a warp has 32 lanes");
  const int lane = warp_lane();
  NATGRAD_UNROLL
  for (int k = 0; k < N; ++k) {
    const R pivot = __shfl_sync(full_warp, row[k], k);
    if (!is_pivot(pivot)) return k + 1;
    const R root = std::sqrt(pivot);
    if (lane == k) row[k] = root;
    if (lane > k) row[k] /= root;
    NATGRAD_UNROLL
    for (int j = k + 1; j < N; ++j) {
      const R l_jk = __shfl_sync(full_warp, row[k], j);
      if (lane >= j) row[j] -= row[k] * l_jk;
      if (lane == k) row[j] = l_jk;
    }
  }
  return 0;
}

/// L⁻¹b, element i in lane i. Where L is the factor of F and b the gradient g, the warp's sum of squares of
/// the result is gᵀF⁻¹g.
template <class R, int N>
NATGRAD_DEVICE R warp_solve_lower(const R (&row)[N], std::type_identity_t<R> b) {
  const int lane = warp_lane();
  NATGRAD_UNROLL
  for (int k = 0; k < N; ++k) {
    const R solved = __shfl_sync(full_warp, b / row[k], k);
    if (lane == k) b = solved;
    if (lane > k) b -= row[k] * solved;
  }
  return b;
}

/// L⁻ᵀb, element i in lane i.
template <class R, int N>
NATGRAD_DEVICE R warp_solve_lower_transposed(const R (&row)[N], std::type_identity_t<R> b) {
  const int lane = warp_lane();
  NATGRAD_UNROLL
  for (int k = N - 1; k >= 0; --k) {
    const R solved = __shfl_sync(full_warp, b / row[k], k);
    if (lane == k) b = solved;
    if (lane < k) b -= row[k] * solved;
  }
  return b;
}

/// (LLᵀ)⁻¹b, element i in lane i.
template <class R, int N>
NATGRAD_DEVICE R warp_cholesky_solve(const R (&row)[N], std::type_identity_t<R> b) {
  return warp_solve_lower_transposed(row, warp_solve_lower(row, b));
}

}  // namespace natgrad
