/// Textbook linear algebra in long double: Cholesky by rows, substitution, eigenvalues by cyclic Jacobi.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "natgrad/matrix.hpp"

namespace natgrad::reference {

using Real = long double;

template <class T>
T& at(MatrixView<T> m, Index i, Index j) {
  return m.data[i + j * m.stride];
}

/// Element (i, j) of a symmetric matrix of which only the lower triangle is stored.
template <class T>
Real symmetric_at(MatrixView<const T> m, Index i, Index j) {
  return at(m, std::max(i, j), std::min(i, j));
}

/// function(i, j) for every element of a matrix.
template <class T, class Function>
void each(MatrixView<T> m, Function function) {
  for (Index j = 0; j < m.cols; ++j)
    for (Index i = 0; i < m.rows; ++i) function(i, j);
}

/// The same for the lower triangle.
template <class T, class Function>
void each_lower(MatrixView<T> m, Function function) {
  for (Index j = 0; j < m.cols; ++j)
    for (Index i = j; i < m.rows; ++i) function(i, j);
}

/// c ← value + βc; c is not read where β = 0.
template <class R>
void store(R& c, Real value, R beta) {
  c = static_cast<R>(beta == 0 ? value : value + Real(beta) * c);
}

/// A ← its lower Cholesky factor. 0, or k where minor k is not positive, or −1 where a pivot is not finite.
template <class R>
int cholesky(MatrixView<R> a) {
  for (Index i = 0; i < a.rows; ++i) {
    for (Index j = 0; j <= i; ++j) {
      Real sum = at(a, i, j);
      for (Index k = 0; k < j; ++k) sum -= Real(at(a, i, k)) * at(a, j, k);
      if (i != j) {
        at(a, i, j) = static_cast<R>(sum / at(a, j, j));
      } else if (!std::isfinite(sum)) {
        return -1;
      } else if (sum <= 0) {
        return static_cast<int>(i) + 1;
      } else {
        at(a, i, i) = static_cast<R>(std::sqrt(sum));
      }
    }
  }
  return 0;
}

/// x ← L⁻¹x, or x ← L⁻ᵀx, by substitution.
template <class R>
void triangular_solve(bool transposed, MatrixView<const R> l, std::vector<Real>& x) {
  const Index n = l.rows;
  for (Index step = 0; step < n; ++step) {
    const Index i = transposed ? n - 1 - step : step;
    for (Index k = transposed ? i + 1 : 0; k < (transposed ? n : i); ++k)
      x[i] -= (transposed ? at(l, k, i) : at(l, i, k)) * x[k];
    x[i] /= at(l, i, i);
  }
}

/// b ← (LLᵀ)⁻¹b.
template <class R>
void cholesky_solve(MatrixView<const R> l, VectorView<R> b) {
  std::vector<Real> x(b.data, b.data + b.size);
  triangular_solve(false, l, x);
  triangular_solve(true, l, x);
  for (Index i = 0; i < b.size; ++i) b.data[i] = static_cast<R>(x[i]);
}

/// Symmetric A and the orthogonal V that diagonalises it.
struct Jacobi {
  HostMatrix<Real> a, v;

  /// One rotation in the plane (p, q) that makes A_pq zero (Golub & Van Loan, section 8.5).
  void rotate(Index p, Index q) {
    if (a(p, q) == 0) return;
    const Real tau = (a(q, q) - a(p, p)) / (2 * a(p, q));
    const Real t = (tau >= 0 ? 1 : -1) / (std::fabs(tau) + std::hypot(Real(1), tau));
    const Real c = 1 / std::hypot(Real(1), t), s = t * c;
    const auto turn = [c, s](Real& x, Real& y) {
      const Real old = x;
      x = c * old - s * y;
      y = s * old + c * y;
    };
    for (Index k = 0; k < a.rows; ++k) turn(a(k, p), a(k, q));
    for (Index k = 0; k < a.rows; ++k) turn(a(p, k), a(q, k));
    for (Index k = 0; k < a.rows; ++k) turn(v(k, p), v(k, q));
  }

  Real off_diagonal_norm2() const {
    Real sum = 0;
    for (Index j = 0; j < a.cols; ++j)
      for (Index i = 0; i < j; ++i) sum += a(i, j) * a(i, j);
    return sum;
  }
};

/// A ← V, w ← ascending eigenvalues. False where the lower triangle holds a number that is not finite.
template <class R>
bool eigen(MatrixView<R> a, VectorView<R> w) {
  const Index n = a.rows;
  Jacobi jacobi{HostMatrix<Real>(n, n), HostMatrix<Real>(n, n)};
  Real norm2 = 0;
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < n; ++i) jacobi.a(i, j) = symmetric_at<R>(a, i, j);
    for (Index i = 0; i < n; ++i) norm2 += jacobi.a(i, j) * jacobi.a(i, j);
    jacobi.v(j, j) = 1;
  }
  if (!std::isfinite(norm2)) return false;
  // To the precision of R, squared, and a margin: the sweeps converge quadratically at the end.
  const Real small = std::numeric_limits<R>::epsilon() / Real(64);
  while (jacobi.off_diagonal_norm2() > small * small * norm2)
    for (Index p = 0; p < n; ++p)
      for (Index q = p + 1; q < n; ++q) jacobi.rotate(p, q);

  std::vector<Index> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), Index{0});
  std::sort(order.begin(), order.end(), [&](Index x, Index y) { return jacobi.a(x, x) < jacobi.a(y, y); });
  for (Index j = 0; j < n; ++j) {
    w.data[j] = static_cast<R>(jacobi.a(order[j], order[j]));
    for (Index i = 0; i < n; ++i) at(a, i, j) = static_cast<R>(jacobi.v(i, order[j]));
  }
  return true;
}

}  // namespace natgrad::reference
