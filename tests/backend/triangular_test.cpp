/// Triangular systems from either side, judged by residuals in units of n·ε.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"
#include "support/shape_errors.hpp"

namespace natgrad {
namespace {

using Triangular = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Triangular, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr double threshold = 3.0;  // of residuals, in units of n·ε
constexpr Side sides[] = {Side::left, Side::right};
constexpr Transpose transposes[] = {Transpose::no, Transpose::yes};

/// Lower triangular with a condition of a few tens, zeros above.
template <class R>
HostMatrix<R> random_factor(Index n) {
  HostMatrix<R> l = Random(static_cast<std::uint64_t>(n + 1)).matrix<R>(n, n);
  for (Index j = 0; j < n; ++j)
    for (Index i = 0; i < n; ++i) {
      if (i < j) l(i, j) = R(0);
      if (i > j) l(i, j) /= static_cast<R>(n);
      if (i == j) l(i, j) += l(i, j) < R(0) ? R(-1) : R(1);
    }
  return l;
}

template <class R>
HostMatrix<R> transposed(const HostMatrix<R>& a) {
  HostMatrix<R> t(a.cols, a.rows);
  for (Index j = 0; j < a.cols; ++j)
    for (Index i = 0; i < a.rows; ++i) t(j, i) = a(i, j);
  return t;
}

std::string describe(Side side, Transpose t, Index n, Index other) {
  return std::string(side == Side::left ? "left" : "right") + (t == Transpose::yes ? ", transposed" : "") +
         ", order " + std::to_string(n) + ", other " + std::to_string(other);
}

TEST_P(Triangular, SystemsSolveToBackwardErrorOfRounding) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index n : {0, 1, 2, 31, 33, 70, 129, 200})
      for (const Index other : {0, 1, 2, 33, 70})
        for (const Side side : sides)
          for (const Transpose t : transposes) {
            const bool left = side == Side::left;
            const HostMatrix<R> l = random_factor<R>(n);
            const HostMatrix<R> b = Random(2).matrix<R>(left ? n : other, left ? other : n);
            const DeviceMatrix<R> d_l(backend, lower_only(l)), d_b(backend, b, 3);
            backend.triangular_solve(side, t, d_l, d_b);
            const HostMatrix<R> x = d_b.download();
            // From the right: X op(L) = B is op(L)ᵀXᵀ = Bᵀ.
            const HostMatrix<R> matrix = left == (t == Transpose::yes) ? transposed(l) : l;
            const double error =
                left ? backward_error(matrix, x, b) : backward_error(matrix, transposed(x), transposed(b));
            EXPECT_LT(error, threshold) << describe(side, t, n, other);
          }
  });
}

TEST_P(Triangular, SolvesOfBothFactorsAreTheCholeskySolve) {
  run([]<class R>(Backend<R>& backend) {
    const Index n = 33;
    const HostMatrix<R> a = Random(3).spd<R>(n, 1e3), b = Random(4).matrix<R>(n, 5);
    const DeviceMatrix<R> l(backend, lower_only(a), 0), x(backend, b);
    backend.set_scalar(Slot::factor_info, 0.0);
    backend.cholesky(BatchView<R>(l.view()));
    backend.triangular_solve(Side::left, Transpose::no, l, x);
    backend.triangular_solve(Side::left, Transpose::yes, l, x);
    EXPECT_EQ(backend.read_scalars()[Slot::factor_info], 0.0);
    EXPECT_LT(backward_error(a, x.download(), b), threshold);
  });
}

TEST_P(Triangular, SystemsTakeABlockOfALargerMatrix) {
  run([]<class R>(Backend<R>& backend) {
    const Index n = 31, m = 5;
    const HostMatrix<R> l = random_factor<R>(n), b = Random(5).matrix<R>(n + 1, m);
    HostMatrix<R> bordered = poisoned<R>(n + 1, n + 1);
    for (Index j = 0; j < n; ++j)
      for (Index i = j; i < n; ++i) bordered(i, j) = l(i, j);
    const DeviceMatrix<R> d_l(backend, bordered), d_b(backend, b);
    backend.triangular_solve(Side::left, Transpose::no, d_l.view().block(0, 0, n, n),
                             d_b.view().block(0, 0, n, m));
    const HostMatrix<R> found = d_b.download();
    HostMatrix<R> x(n, m), right(n, m);
    for (Index j = 0; j < m; ++j) {
      for (Index i = 0; i < n; ++i) x(i, j) = found(i, j), right(i, j) = b(i, j);
      EXPECT_EQ(found(n, j), b(n, j)) << "the row below the block, column " << j;
    }
    EXPECT_LT(backward_error(l, x, right), threshold);
  });
}

TEST_P(Triangular, SystemsRejectShapesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceMatrix<R> m23(backend, 2, 3), m22(backend, 2, 2);
    const auto rejected = [&](Side side, const DeviceMatrix<R>& l, const DeviceMatrix<R>& b) {
      return rejects_shapes("triangular_solve", [&] { backend.triangular_solve(side, Transpose::no, l, b); });
    };
    EXPECT_TRUE(rejected(Side::left, m23, m22));
    EXPECT_TRUE(rejected(Side::right, m22, m23));
    EXPECT_TRUE(rejected(Side::left, m22, DeviceMatrix<R>(backend, 3, 2)));
  });
}

}  // namespace
}  // namespace natgrad
