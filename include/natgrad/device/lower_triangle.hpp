/// Small symmetric matrices in the registers of one thread, for host and device.
#pragma once

#include <type_traits>

#include "natgrad/device/macros.hpp"

namespace natgrad {

/// The lower triangle of a symmetric or of a lower triangular matrix of order N, row by row: element (i, j),
/// i ≥ j, is element[i(i + 1)/2 + j]. An aggregate: `LowerTriangle<float, 3> f{};` is zero.
///
/// It stays in registers where every index is a constant once the loops are unrolled: N(N + 1)/2 of them, in
/// f64 twice as many.
template <class R, int N>
struct LowerTriangle {
  static_assert(N >= 1);
  R element[N * (N + 1) / 2];

  NATGRAD_HD R& operator()(int i, int j) { return element[i * (i + 1) / 2 + j]; }
  NATGRAD_HD R operator()(int i, int j) const { return element[i * (i + 1) / 2 + j]; }
};

/// F ← F + w x xᵀ.
template <class R, int N>
NATGRAD_HD void add_outer_product(LowerTriangle<R, N>& f, const R (&x)[N],
                                  std::type_identity_t<R> weight = R(1)) {
  NATGRAD_UNROLL
  for (int i = 0; i < N; ++i) {
    const R weighted = weight * x[i];
    NATGRAD_UNROLL
    for (int j = 0; j <= i; ++j) f(i, j) += weighted * x[j];
  }
}

/// F ← F + λI.
template <class R, int N>
NATGRAD_HD void add_diagonal(LowerTriangle<R, N>& f, std::type_identity_t<R> lambda) {
  NATGRAD_UNROLL
  for (int i = 0; i < N; ++i) f(i, i) += lambda;
}

}  // namespace natgrad
