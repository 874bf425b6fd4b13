/// Matrices for the small Cholesky factorisations, and what is expected of the results.
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {

inline constexpr double cholesky_threshold = 3.0;  // of residuals, in units of n·ε

/// Matrices of order n, and what LAPACK's info says of each.
template <class R>
struct CholeskyProblems {
  std::vector<HostMatrix<R>> a;
  std::vector<int> info;

  void add(const HostMatrix<R>& matrix, int expected) {
    a.push_back(matrix);
    info.push_back(expected);
  }
  Index count() const { return static_cast<Index>(a.size()); }
  /// n × n·count.
  HostMatrix<R> side_by_side() const {
    HostMatrix<R> all(a[0].rows, a[0].rows * count());
    auto end = all.data.begin();
    for (const HostMatrix<R>& matrix : a) end = std::copy(matrix.data.begin(), matrix.data.end(), end);
    return all;
  }
};

/// Three positive definite matrices of condition 1e3.
template <class R>
CholeskyProblems<R> definite_problems(Index n) {
  Random random(static_cast<std::uint64_t>(n));
  CholeskyProblems<R> problems;
  for (int k = 0; k < 3; ++k) problems.add(random.spd<R>(n, 1e3), 0);
  return problems;
}

/// The zero matrix, and for every minor k matrices of which it is the first that fails: not positive, or with
/// a NaN or an Inf in row k − 1 of the lower triangle.
template <class R>
CholeskyProblems<R> failing_problems(Index n) {
  Random random(static_cast<std::uint64_t>(n));
  const HostMatrix<R> definite = random.spd<R>(n, 1e3);  // its eigenvalues are at most 1
  CholeskyProblems<R> problems;
  problems.add(HostMatrix<R>(n, n), 1);
  for (Index row = 0; row < n; ++row) {
    const int minor = static_cast<int>(row) + 1;
    HostMatrix<R> indefinite = definite;
    indefinite(row, row) -= R(2);
    problems.add(indefinite, minor);
    for (const R value : {std::numeric_limits<R>::quiet_NaN(), std::numeric_limits<R>::infinity()}) {
      HostMatrix<R> spoilt = definite;
      spoilt(row, random.index(row + 1)) = value;
      problems.add(spoilt, minor);
    }
  }
  return problems;
}

/// Matrix k of those that lie side by side.
template <class R>
HostMatrix<R> matrix_of(const HostMatrix<R>& side_by_side, Index k) {
  HostMatrix<R> m(side_by_side.rows, side_by_side.rows);
  std::copy_n(side_by_side.data.begin() + k * m.view().size(), m.view().size(), m.data.begin());
  return m;
}

template <class R>
HostMatrix<R> column_of(const HostMatrix<R>& m, Index j) {
  HostMatrix<R> column(m.rows, 1);
  std::copy_n(m.data.begin() + j * m.rows, m.rows, column.data.begin());
  return column;
}

/// L, y = L⁻¹b and x = L⁻ᵀy of every problem, by their residuals; above the diagonals of L there is poison.
template <class R>
void expect_solved(const CholeskyProblems<R>& problems, const HostMatrix<R>& factors, const HostMatrix<R>& b,
                   const HostMatrix<R>& y, const HostMatrix<R>& x) {
  const std::string where = " of order " + std::to_string(factors.rows);
  EXPECT_TRUE(identical(factors, factors, Part::lower)) << where;
  for (Index k = 0; k < problems.count(); ++k) {
    const HostMatrix<R>& a = problems.a[static_cast<std::size_t>(k)];
    HostMatrix<R> l = matrix_of(factors, k);
    EXPECT_LT(cholesky_ratio(l, a), cholesky_threshold) << "LLᵀ − A, matrix " << k << where;
    for (Index j = 0; j < l.cols; ++j)
      for (Index i = 0; i < j; ++i) l(i, j) = R(0);
    EXPECT_LT(backward_error(l, column_of(y, k), column_of(b, k)), cholesky_threshold)
        << "b − Ly, matrix " << k << where;
    EXPECT_LT(backward_error(a, column_of(x, k), column_of(b, k)), cholesky_threshold)
        << "b − Ax, matrix " << k << where;
  }
}

}  // namespace natgrad
