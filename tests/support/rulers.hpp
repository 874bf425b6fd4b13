/// Comparisons for tests. Every failure names the worst element, what was found and what was wanted, and how
/// many times the allowed error it is off. A NaN never compares well.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "natgrad/matrix.hpp"
#include "support/device_matrix.hpp"

namespace natgrad {

template <class R>
inline constexpr double epsilon = static_cast<double>(std::numeric_limits<R>::epsilon());

template <class T>
HostMatrix<T> absolute(HostMatrix<T> m) {
  for (T& x : m.data) x = std::abs(x);
  return m;
}

enum class Part { all, lower };

/// |found − wanted| ≤ allowed(i, j), element by element. Of the lower part the rest must still be poison.
template <class T, class Allowed>
::testing::AssertionResult within(const HostMatrix<T>& found, const HostMatrix<T>& wanted, Allowed allowed,
                                  Part part = Part::all) {
  if (found.rows != wanted.rows || found.cols != wanted.cols)
    return ::testing::AssertionFailure() << "shape " << found.rows << " × " << found.cols << ", wanted "
                                         << wanted.rows << " × " << wanted.cols;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Index bad = 0, worst_i = 0, worst_j = 0;
  double worst = 0.0;
  for (Index j = 0; j < found.cols; ++j)
    for (Index i = 0; i < found.rows; ++i) {
      double excess;  // error over allowed error
      if (part == Part::lower && i < j % found.rows) {
        excess = is_poison(found(i, j)) ? 0.0 : infinity;
      } else {
        const double error = std::abs(static_cast<double>(found(i, j)) - static_cast<double>(wanted(i, j)));
        excess = error == 0.0 ? 0.0 : error / static_cast<double>(allowed(i, j));
      }
      if (std::isnan(excess)) excess = infinity;
      if (excess > 1.0) ++bad;
      if (excess > worst) worst = excess, worst_i = i, worst_j = j;
    }
  if (bad == 0) return ::testing::AssertionSuccess();
  const bool above_diagonal = part == Part::lower && worst_i < worst_j % found.rows;
  return ::testing::AssertionFailure()
         << bad << " of " << found.rows << " × " << found.cols << " elements are off, the worst at ("
         << worst_i << ", " << worst_j << "): found " << ::testing::PrintToString(found(worst_i, worst_j))
         << (above_diagonal ? ", written above the diagonal"
                            : ", wanted " + ::testing::PrintToString(wanted(worst_i, worst_j)) + ", " +
                                  ::testing::PrintToString(worst) + " times the allowed error");
}

/// |found − wanted| ≤ k·ε·scale: for sums of products, scale = Σ|a||b| and k = 4 × their number.
template <class R>
::testing::AssertionResult componentwise(const HostMatrix<R>& found, const HostMatrix<R>& wanted, double k,
                                         const HostMatrix<R>& scale, Part part = Part::all) {
  return within(
      found, wanted, [&](Index i, Index j) { return k * epsilon<R> * static_cast<double>(scale(i, j)); },
      part);
}

/// |found − wanted| ≤ k·ε·|wanted|.
template <class R>
::testing::AssertionResult relative(const HostMatrix<R>& found, const HostMatrix<R>& wanted, double k,
                                    Part part = Part::all) {
  return componentwise(found, wanted, k, absolute(wanted), part);
}

/// The same numbers.
template <class T>
::testing::AssertionResult identical(const HostMatrix<T>& found, const HostMatrix<T>& wanted,
                                     Part part = Part::all) {
  return within(
      found, wanted, [](Index, Index) { return 0.0; }, part);
}

/// |found − wanted| ≤ allowed for two numbers.
inline ::testing::AssertionResult near(double found, double wanted, double allowed) {
  if (std::abs(found - wanted) <= allowed) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "found " << ::testing::PrintToString(found) << ", wanted " << ::testing::PrintToString(wanted)
         << ", error " << std::abs(found - wanted) << ", allowed " << allowed;
}

/// Representable numbers between a and b.
template <class R>
std::uint64_t ulp_distance(R a, R b) {
  using Bits = std::conditional_t<sizeof(R) == 4, std::int32_t, std::int64_t>;
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<std::uint64_t>::max();
  const auto position = [](R x) {  // on the line of all numbers, −0 and 0 at the same place
    Bits bits;
    std::memcpy(&bits, &x, sizeof x);
    return static_cast<std::int64_t>(bits < 0 ? std::numeric_limits<Bits>::min() - bits : bits);
  };
  const auto low = static_cast<std::uint64_t>(position(std::min(a, b)));
  return static_cast<std::uint64_t>(position(std::max(a, b))) - low;
}

/// ‖A‖₁, the largest column sum.
template <class R>
double norm1(const HostMatrix<R>& a) {
  double largest = 0.0;
  for (Index j = 0; j < a.cols; ++j) {
    double sum = 0.0;
    for (Index i = 0; i < a.rows; ++i) sum += std::abs(static_cast<double>(a(i, j)));
    if (!(sum <= largest)) largest = sum;  // a NaN is taken and stays
    if (std::isnan(largest)) break;
  }
  return largest;
}

/// op(A) op(B) in long double.
template <class R>
HostMatrix<long double> product(const HostMatrix<R>& a, const HostMatrix<R>& b, bool a_turned = false,
                                bool b_turned = false) {
  const Index inner = a_turned ? a.rows : a.cols;
  HostMatrix<long double> c(a_turned ? a.cols : a.rows, b_turned ? b.rows : b.cols);
  for (Index j = 0; j < c.cols; ++j)
    for (Index i = 0; i < c.rows; ++i)
      for (Index k = 0; k < inner; ++k)
        c(i, j) += static_cast<long double>(a_turned ? a(k, i) : a(i, k)) * (b_turned ? b(j, k) : b(k, j));
  return c;
}

/// ‖found − wanted‖₁ / (n ‖scale‖₁ ε), 0 where both agree; n the order.
template <class R>
double residual_ratio(const HostMatrix<long double>& found, const HostMatrix<R>& wanted, Index n,
                      double scale) {
  HostMatrix<long double> difference = found;
  for (std::size_t k = 0; k < difference.data.size(); ++k) difference.data[k] -= wanted.data[k];
  const double error = norm1(difference);
  return error == 0.0 ? 0.0 : error / (static_cast<double>(n) * scale * epsilon<R>);
}

/// ‖LLᵀ − A‖₁ / (n ‖A‖₁ ε), of L the lower triangle (LAPACK's test ratio).
template <class R>
double cholesky_ratio(HostMatrix<R> l, const HostMatrix<R>& a) {
  for (Index j = 0; j < l.cols; ++j)
    for (Index i = 0; i < j; ++i) l(i, j) = R(0);
  return residual_ratio(product(l, l, false, true), a, a.rows, norm1(a));
}

/// ‖B − AX‖₁ / (n ‖A‖₁ ‖X‖₁ ε), the largest over the columns.
template <class R>
double backward_error(const HostMatrix<R>& a, const HostMatrix<R>& x, const HostMatrix<R>& b) {
  double worst = 0.0;
  for (Index j = 0; j < x.cols; ++j) {
    HostMatrix<R> x_j(x.rows, 1), b_j(x.rows, 1);
    std::copy_n(x.data.begin() + j * x.rows, x.rows, x_j.data.begin());
    std::copy_n(b.data.begin() + j * x.rows, x.rows, b_j.data.begin());
    const double ratio = residual_ratio(product(a, x_j), b_j, a.rows, norm1(a) * norm1(x_j));
    if (!(ratio <= worst)) worst = ratio;
    if (std::isnan(worst)) break;
  }
  return worst;
}

}  // namespace natgrad
