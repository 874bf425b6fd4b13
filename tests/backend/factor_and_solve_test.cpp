/// A damped matrix factored and solved with in one operation: judged by residuals in units of n·ε.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {
namespace {

using FactorAndSolve = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, FactorAndSolve, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr Index orders[] = {0, 1, 2, 3, 5, 15, 16, 17, 31, 32, 33, 50, 63, 64, 65, 127, 128, 129, 200};
constexpr double condition = 1e3;
constexpr double threshold = 3.0;  // of residuals, in units of n·ε

/// What the operation leaves behind; L with zeros above the diagonal.
template <class R>
struct Outcome {
  HostMatrix<R> l, x;
  double info, largest;
};

/// With slots that hold something before; poison wherever nothing may be read.
template <class R>
Outcome<R> factor_and_solve(Backend<R>& backend, const HostMatrix<R>& f, double lambda,
                            const HostMatrix<R>& b, double info_before = 0.0, double largest_before = 0.0) {
  const Index n = f.rows;
  const DeviceMatrix<R> d_f(backend, lower_only(f), 3), bordered(backend, n + 1, n + 1);
  const DeviceVector<R> d_b(backend, b);
  backend.set_scalar(Slot::factor_info, info_before);
  backend.set_scalar(Slot::largest_diagonal, largest_before);
  backend.factor_and_solve(d_f, static_cast<R>(lambda), bordered, d_b);
  const Scalars scalars = backend.read_scalars();

  const HostMatrix<R> f_after = d_f.download(), f_before = lower_only(f), all = bordered.download();
  EXPECT_TRUE(f.data.empty() ||
              std::memcmp(f_after.data.data(), f_before.data.data(), f_after.data.size() * sizeof(R)) == 0)
      << "F has changed, order " << n;
  HostMatrix<R> l(n, n);
  for (Index j = 0; j < n; ++j)
    for (Index i = j; i < n; ++i) l(i, j) = all(i, j);
  return {l, d_b.download(), scalars[Slot::factor_info], scalars[Slot::largest_diagonal]};
}

template <class R>
HostMatrix<R> random_spd(Index n) {
  return Random(static_cast<std::uint64_t>(n)).spd<R>(n, condition);
}

template <class R>
HostMatrix<R> random_vector(Index n) {
  return Random(1).matrix<R>(n, 1);
}

template <class R>
HostMatrix<R> damped(HostMatrix<R> f, double lambda) {
  for (Index i = 0; i < f.rows; ++i) f(i, i) += static_cast<R>(lambda);
  return f;
}

template <class R>
double largest_diagonal(const HostMatrix<R>& f) {
  double largest = 0.0;
  for (Index i = 0; i < f.rows; ++i) largest = std::max(largest, static_cast<double>(f(i, i)));
  return largest;
}

TEST_P(FactorAndSolve, FactorsAndSolvesToBackwardErrorOfRounding) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index n : orders)
      for (const double lambda : {0.0, 0.25}) {
        const HostMatrix<R> f = random_spd<R>(n), b = random_vector<R>(n), a = damped(f, lambda);
        const Outcome<R> found = factor_and_solve(backend, f, lambda, b);
        const std::string where = "order " + std::to_string(n) + ", λ = " + std::to_string(lambda);
        EXPECT_EQ(found.info, 0.0) << where;
        EXPECT_EQ(found.largest, largest_diagonal(f)) << "of F, not of F + λI, " << where;
        EXPECT_LT(cholesky_ratio(found.l, a), threshold) << "LLᵀ − F − λI, " << where;
        EXPECT_LT(backward_error(a, found.x, b), threshold) << "b − (F + λI)x, " << where;
      }
  });
}

TEST_P(FactorAndSolve, TheFactorServesFurtherRightHandSides) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index n : {1, 33, 65}) {
      const HostMatrix<R> f = random_spd<R>(n), b = Random(5).matrix<R>(n, 3);
      const DeviceMatrix<R> d_f(backend, lower_only(f)), bordered(backend, n + 1, n + 1), d_b(backend, b);
      const DeviceVector<R> first(backend, random_vector<R>(n));
      backend.factor_and_solve(d_f, R(0.25), bordered, first);
      backend.cholesky_solve(BatchView<const R>(bordered.view().block(0, 0, n, n)), d_b);
      EXPECT_LT(backward_error(damped(f, 0.25), d_b.download(), b), threshold) << "order " << n;
    }
  });
}

TEST_P(FactorAndSolve, AnIndefiniteMatrixIsReportedAtItsFirstBadMinor) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index n : orders) {
      if (n == 0) continue;
      for (const Index minor : {Index{0}, n / 2, n - 1}) {
        HostMatrix<R> f = random_spd<R>(n);
        f(minor, minor) = R(-1);  // minors before this one stay positive
        EXPECT_EQ(factor_and_solve(backend, f, 0.25, random_vector<R>(n)).info,
                  static_cast<double>(minor + 1))
            << "order " << n;
      }
    }
  });
}

TEST_P(FactorAndSolve, NanAndInfinityAnywhereAreReported) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index n : {1, 2, 33, 65, 129})
      for (const auto& [i, j] :
           {std::pair<Index, Index>{0, 0}, {n / 2, 0}, {n - 1, 0}, {n - 1, n / 2}, {n - 1, n - 1}})
        for (const R bad : {std::numeric_limits<R>::quiet_NaN(), std::numeric_limits<R>::infinity(),
                            -std::numeric_limits<R>::infinity()}) {
          HostMatrix<R> f = random_spd<R>(n), b = random_vector<R>(n);
          f(i, j) = bad;
          EXPECT_NE(factor_and_solve(backend, f, 0.25, b).info, 0.0)
              << bad << " at (" << i << ", " << j << ") of order " << n;
          b(i, 0) = bad;
          EXPECT_NE(factor_and_solve(backend, random_spd<R>(n), 0.25, b).info, 0.0)
              << bad << " in the right-hand side, at " << i << " of order " << n;
        }
  });
}

TEST_P(FactorAndSolve, ARightHandSideWhoseSquaresAreTooLargeFailsBehindAllMinors) {
  run([]<class R>(Backend<R>& backend) {
    const R root = std::sqrt(std::numeric_limits<R>::max());
    for (const Index n : {1, 33, 64, 65, 129})
      for (const Index place : {Index{0}, n - 1}) {
        HostMatrix<R> b = random_vector<R>(n);
        b(place, 0) = R(8) * root;  // F + λI ≤ 2I: bᵀ(F + λI)⁻¹b is beyond what R holds
        EXPECT_EQ(factor_and_solve(backend, random_spd<R>(n), 1.0, b).info, static_cast<double>(n + 1))
            << "order " << n << ", at " << place;
        b(place, 0) = root / R(8);  // I ≤ F + λI
        EXPECT_EQ(factor_and_solve(backend, random_spd<R>(n), 1.0, b).info, 0.0)
            << "order " << n << ", at " << place;
      }
  });
}

TEST_P(FactorAndSolve, SlotsGatherOverCalls) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index n : {0, 3, 65}) {
      const HostMatrix<R> good = random_spd<R>(n), b = random_vector<R>(n);
      EXPECT_EQ(factor_and_solve(backend, good, 0.25, b, 7.0).info, 7.0) << "a good one, order " << n;
      EXPECT_EQ(factor_and_solve(backend, good, 0.25, b, 0.0, 50.0).largest, 50.0) << "order " << n;
      if (n == 0) continue;
      HostMatrix<R> bad = good;
      bad(n - 1, n - 1) = R(-1);
      EXPECT_EQ(factor_and_solve(backend, bad, 0.25, b, 7.0).info, 7.0) << "another failure, order " << n;
    }
  });
}

TEST_P(FactorAndSolve, RejectsShapesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceMatrix<R> m33(backend, 3, 3), m32(backend, 3, 2), m44(backend, 4, 4), m43(backend, 4, 3);
    const DeviceVector<R> v3(backend, 3), v4(backend, 4);
    EXPECT_THROW(backend.factor_and_solve(m32, R(1), m44, v3), ShapeError);
    EXPECT_THROW(backend.factor_and_solve(m33, R(1), m33, v3), ShapeError);
    EXPECT_THROW(backend.factor_and_solve(m33, R(1), m43, v3), ShapeError);
    EXPECT_THROW(backend.factor_and_solve(m33, R(1), m44, v4), ShapeError);
  });
}

}  // namespace
}  // namespace natgrad
