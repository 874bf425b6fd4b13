/// Small matrices of integers, on which products, solves and factors are exact in f32 too.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

namespace host_cuda {

/// The S or the D function of a library.
template <class R, class Single, class Double>
constexpr auto select(Single single, Double twice) {
  if constexpr (std::is_same_v<R, float>)
    return single;
  else
    return twice;
}

/// Column-major with leading dimension ld; what lies between the columns is NaN.
template <class R>
struct Matrix {
  Matrix(int row_count, int col_count, int gap = 0)
      : rows(row_count),
        cols(col_count),
        ld(row_count + gap),
        data(static_cast<std::size_t>(ld * col_count), std::numeric_limits<R>::quiet_NaN()) {}

  R& operator()(int i, int j) { return data[static_cast<std::size_t>(i + j * ld)]; }
  const R& operator()(int i, int j) const { return data[static_cast<std::size_t>(i + j * ld)]; }

  int rows, cols, ld;
  std::vector<R> data;
};

template <class R>
Matrix<R> filled(int rows, int cols, int gap, const std::function<R(int, int)>& value) {
  Matrix<R> m(rows, cols, gap);
  for (int j = 0; j < cols; ++j)
    for (int i = 0; i < rows; ++i) m(i, j) = value(i, j);
  return m;
}

/// Integers from −3 to 3.
template <class R>
Matrix<R> random_integers(int rows, int cols, int gap, unsigned seed) {
  std::mt19937 random(seed);
  return filled<R>(rows, cols, gap, [&](int, int) { return R(int(random() % 7) - 3); });
}

template <class R>
Matrix<R> transposed(const Matrix<R>& a) {
  return filled<R>(a.cols, a.rows, 0, [&](int i, int j) { return a(j, i); });
}

/// αAB.
template <class R>
Matrix<R> product(R alpha, const Matrix<R>& a, const Matrix<R>& b) {
  return filled<R>(a.rows, b.cols, 0, [&](int i, int j) {
    R sum = 0;
    for (int k = 0; k < a.cols; ++k) sum += a(i, k) * b(k, j);
    return alpha * sum;
  });
}

/// Lower triangular, with powers of two on the diagonal, so that dividing by it and taking roots of its
/// square is exact.
template <class R>
Matrix<R> lower_factor(int n, int gap, unsigned seed) {
  const auto random = random_integers<R>(n, n, 0, seed);
  return filled<R>(n, n, gap, [&](int i, int j) {
    return i > j ? random(i, j) : i == j ? R(1 + i % 2) : R(0);
  });
}

}  // namespace host_cuda
