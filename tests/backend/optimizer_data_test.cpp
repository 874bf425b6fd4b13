/// Step size, Adam, gathering and permuting.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "random.hpp"
#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {
namespace {

using OptimizerData = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, OptimizerData, ::testing::ValuesIn(backend_cases()), backend_case_name);

TEST_P(OptimizerData, StepSizeKeepsTheBudgetOrTheMaximum) {
  run([]<class R>(Backend<R>& backend) {
    const double infinity = std::numeric_limits<double>::infinity(),
                 nan = std::numeric_limits<double>::quiet_NaN();
    const auto beta = [&](double quadratic, double kl_budget, double max_beta) {
      backend.set_scalar(Slot::quadratic, quadratic);
      backend.set_scalar(Slot::beta, -7.0);
      backend.step_size(kl_budget, max_beta);
      return backend.read_scalars()[Slot::beta];
    };
    EXPECT_EQ(beta(8.0, 1.0, 10.0), 0.5);
    EXPECT_EQ(beta(8.0, 1.0, 0.25), 0.25);
    EXPECT_TRUE(near(beta(3.0, 0.1, 1.0), std::sqrt(0.2 / 3.0), 2.0 * epsilon<double>));
    EXPECT_EQ(beta(0.0, 1.0, 10.0), 10.0);
    EXPECT_EQ(beta(0.0, 0.0, 10.0), 10.0) << "β_max where the quadratic is 0, whatever the budget";
    EXPECT_EQ(beta(1e-300, 1.0, 10.0), 10.0);
    EXPECT_EQ(beta(2.0, infinity, 10.0), 10.0);
    for (const double bad : {-1e-30, -1.0, nan, infinity, -infinity})
      EXPECT_TRUE(std::isnan(beta(bad, 1.0, 10.0))) << "quadratic " << bad;
  });
}

TEST_P(OptimizerData, AdamFollowsItsFormulas) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index size : {0, 1, 2, 31, 33, 597}) {
      Random random(1);
      const HostMatrix<R> g = random.matrix<R>(size, 1), m = random.matrix<R>(size, 1),
                          theta = random.matrix<R>(size, 1);
      const HostMatrix<R> v = random.matrix<R>(size, 1, 0.0, 1.0);
      // β2 near 1 as everyone has it: 1 − β2 and the corrections must not be rounded more than once.
      const typename Backend<R>::AdamRates rates{
          1e-2, 0.9, 0.999, 1e-8, 1.0 - std::pow(0.9, 5), 1.0 - std::pow(0.999, 5)};
      struct Adam {
        HostMatrix<R> m, v, theta;
      };
      const auto [found, wanted] = on_both(backend, [&](Backend<R>& b) {
        const DeviceVector<R> d_g(b, g), d_m(b, m), d_v(b, v), d_theta(b, theta);
        b.adam(rates, d_g, d_m, d_v, d_theta);
        return Adam{d_m.download(), d_v.download(), d_theta.download()};
      });
      EXPECT_TRUE(within(found.m, wanted.m,
                         [&](Index i, Index) {
                           return 4 * epsilon<R> * (0.9 * std::abs(m(i, 0)) + 0.1 * std::abs(g(i, 0)));
                         }))
          << "m, size " << size;
      // 1 − β2, computed from a rounded β2, has an error of ε/2.
      EXPECT_TRUE(
          within(found.v, wanted.v,
                 [&](Index i, Index) { return 4 * epsilon<R> * v(i, 0) + epsilon<R> * g(i, 0) * g(i, 0); }))
          << "v, size " << size;
      EXPECT_TRUE(within(found.theta, wanted.theta,
                         [&](Index i, Index) {
                           const double step =
                               std::abs(static_cast<double>(wanted.theta(i, 0)) - theta(i, 0));
                           const double cancelled =
                               (0.9 * std::abs(m(i, 0)) + 0.1 * std::abs(g(i, 0))) / std::abs(wanted.m(i, 0));
                           return epsilon<R> * (2.0 * std::abs(theta(i, 0)) + 16.0 * step * cancelled);
                         }))
          << "theta, size " << size;
    }
  });
}

TEST_P(OptimizerData, GatherTakesColumnsInAnyOrderAndRepeatedly) {
  run([]<class R>(Backend<R>& backend) {
    for (const auto& [rows, cols, count] :
         {std::array<Index, 3>{0, 2, 3}, {1, 1, 1}, {2, 31, 0}, {31, 2, 33}, {33, 31, 2}, {43, 97, 597}}) {
      Random random(2);
      const HostMatrix<R> from = random.matrix<R>(rows, cols);
      HostMatrix<Index> index(count, 1);
      for (Index& k : index.data) k = random.index(cols);
      const DeviceMatrix<R> d_from(backend, from), d_to(backend, rows, count);
      const DeviceVector<Index> d_index(backend, index);
      backend.gather_columns(d_from, d_index, d_to);
      HostMatrix<R> wanted(rows, count);
      for (Index k = 0; k < count; ++k)
        for (Index i = 0; i < rows; ++i) wanted(i, k) = from(i, index(k, 0));
      EXPECT_TRUE(identical(d_to.download(), wanted)) << rows << " × " << cols << ", " << count << " columns";
    }
  });
}

TEST_P(OptimizerData, PermutationIsTheStreams) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index size : {0, 1, 2, 31, 33, 597, 5003})
      for (const RandomKey key :
           {RandomKey{}, RandomKey{.seed = ~std::uint64_t{0}, .stream = Stream::shuffle, .round = 3}}) {
        const DeviceVector<Index> index(backend, size);
        backend.permutation(key, index);
        EXPECT_EQ(index.download().data, random_permutation(key, size))
            << "size " << size << ", seed " << key.seed;
      }
  });
}

TEST_P(OptimizerData, RejectsShapesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceVector<R> v2(backend, 2), v3(backend, 3), w3(backend, 3), x3(backend, 3);
    const DeviceMatrix<R> from(backend, 3, 4), to(backend, 3, 2), narrow(backend, 2, 2),
        longer(backend, 3, 3);
    const DeviceVector<Index> index(backend, HostMatrix<Index>(2, 1));
    const typename Backend<R>::AdamRates rates{0.1, 0.9, 0.999, 1e-8, 0.1, 0.001};
    EXPECT_THROW(backend.adam(rates, v2, v3, w3, x3), ShapeError);
    EXPECT_THROW(backend.adam(rates, v3, v2, w3, x3), ShapeError);
    EXPECT_THROW(backend.adam(rates, v3, w3, v2, x3), ShapeError);
    EXPECT_THROW(backend.adam(rates, v3, w3, x3, v2), ShapeError);
    EXPECT_THROW(backend.gather_columns(from, index, narrow), ShapeError);
    EXPECT_THROW(backend.gather_columns(from, index, longer), ShapeError);
  });
}

}  // namespace
}  // namespace natgrad
