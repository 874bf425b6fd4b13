/// The dual of a damped system: solves with F = SᵀS through K = SSᵀ. One form for every kind of rows:
///
///     y = (K + λI)⁻¹(u − Sv),   d = v + Sᵀy,   Sd = u − λy,
///
/// where b = Sᵀu + λv. Without u, v = b/λ; where λ = 0 too, d = Sᵀ(K⁺)²Sb.
#pragma once

#include "natgrad/fisher.hpp"

namespace natgrad {

/// The right-hand side to solve twice with: no u, λ = 0.
template <class R>
bool squared_dual(const RightSide<R>& right, R damping) {
  return right.u.size == 0 && damping == R(0);
}

/// t ← u − Sv, R.
template <class R>
void dual_right_side(const Rows<R>& rows, const RightSide<R>& right, R damping, VectorView<R> t,
                     Buffer<R>& scratch) {
  Backend<R>& backend = *rows.backend;
  if (right.u.size == 0) {
    multiply(rows, right.b, t, scratch);
    if (damping != R(0)) backend.scale(R(-1) / damping, t);
    return;
  }
  if (right.v.size == 0) return backend.copy({right.u.data, t.size, 1}, {t.data, t.size, 1});
  multiply(rows, right.v, t, scratch);
  backend.scale(R(-1), t);
  backend.axpy(R(1), right.u, t);
}

/// d ← v + Sᵀy, P.
template <class R>
void dual_direction(const Rows<R>& rows, const RightSide<R>& right, R damping, VectorView<const R> y,
                    VectorView<R> d, Buffer<R>& scratch) {
  multiply_transposed(rows, y, d, scratch);
  if (right.u.size == 0) {
    if (damping != R(0)) rows.backend->axpy(R(1) / damping, right.b, d);
  } else if (right.v.size > 0) {
    rows.backend->axpy(R(1), right.v, d);
  }
}

}  // namespace natgrad
