/// Cholesky factorisation and triangular solves by one thread, in its registers, for host and device: orders
/// up to about 8 (N(N + 3)/2 registers, in f64 twice as many); beyond, a warp does it (warp_cholesky.hpp).
///
/// Every loop is unrolled. Nothing is looked up in memory, no thread waits for another.
#pragma once

#include <cmath>

#include "natgrad/device/lower_triangle.hpp"

namespace natgrad {

/// Whether a Cholesky factorisation can go on from this pivot: positive and finite.
template <class R>
NATGRAD_HD bool is_pivot(R pivot) {
  return pivot > R(0) && pivot < static_cast<R>(INFINITY);
}

/// A = LLᵀ, L over A. Returns LAPACK's info: 0, or k > 0 where the leading minor of order k is not positive
/// definite or not finite; rows k … N of A are then of no use. With 0 every element of L is finite, for an
/// Inf or a NaN in row k of A or L spoils the pivot of that row.
template <class R, int N>
NATGRAD_HD int cholesky(LowerTriangle<R, N>& a) {
  NATGRAD_UNROLL
  for (int i = 0; i < N; ++i) {
    NATGRAD_UNROLL
    for (int j = 0; j < i; ++j) {  // l_ij = (a_ij − Σ_{k<j} l_ik l_jk) / l_jj
      R sum = a(i, j);
      NATGRAD_UNROLL
      for (int k = 0; k < j; ++k) sum -= a(i, k) * a(j, k);
      a(i, j) = sum / a(j, j);
    }
    R pivot = a(i, i);  // l_ii² = a_ii − Σ_{k<i} l_ik²
    NATGRAD_UNROLL
    for (int k = 0; k < i; ++k) pivot -= a(i, k) * a(i, k);
    if (!is_pivot(pivot)) return i + 1;
    a(i, i) = std::sqrt(pivot);
  }
  return 0;
}

/// b ← L⁻¹b. Where L is the factor of F and b the gradient g, ‖b‖² is then gᵀF⁻¹g.
template <class R, int N>
NATGRAD_HD void solve_lower(const LowerTriangle<R, N>& l, R (&b)[N]) {
  NATGRAD_UNROLL
  for (int i = 0; i < N; ++i) {
    NATGRAD_UNROLL
    for (int k = 0; k < i; ++k) b[i] -= l(i, k) * b[k];
    b[i] /= l(i, i);
  }
}

/// b ← L⁻ᵀb.
template <class R, int N>
NATGRAD_HD void solve_lower_transposed(const LowerTriangle<R, N>& l, R (&b)[N]) {
  NATGRAD_UNROLL
  for (int i = N - 1; i >= 0; --i) {
    NATGRAD_UNROLL
    for (int k = i + 1; k < N; ++k) b[i] -= l(k, i) * b[k];
    b[i] /= l(i, i);
  }
}

/// b ← (LLᵀ)⁻¹b.
template <class R, int N>
NATGRAD_HD void cholesky_solve(const LowerTriangle<R, N>& l, R (&b)[N]) {
  solve_lower(l, b);
  solve_lower_transposed(l, b);
}

}  // namespace natgrad
