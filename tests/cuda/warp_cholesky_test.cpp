/// The Cholesky kernels with one matrix a warp, of every order and any number of matrices.
#include "warp_cholesky.cuh"

#include <gtest/gtest.h>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {
namespace {

constexpr double condition = 1e3;
constexpr double threshold = 3.0;  // of residuals, in units of n·ε

template <class R>
class WarpCholesky : public ::testing::Test {
 protected:
  /// Factors a batch, side by side, and solves with one column each; `info` ← what the factorisation says.
  HostMatrix<R> solve(const HostMatrix<R>& matrices, const HostMatrix<R>& b, HostMatrix<R>& factors,
                      HostMatrix<int>& info) {
    Backend<R>& backend = *backend_;
    const DeviceBatch<R> d_a(backend, lower_only(matrices), b.cols);
    const DeviceMatrix<R> d_b(backend, b);
    const DeviceMatrix<int> d_info(backend, b.cols, 1);
    backend.synchronize();
    kernels::warp_cholesky<R>(d_a, d_info.view().data, nullptr);
    kernels::warp_cholesky_solve<R>(d_a, d_b, nullptr);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    factors = d_a.download();
    info = d_info.download();
    return d_b.download();
  }

 private:
  std::unique_ptr<Backend<R>> backend_ = make_cuda_backend<R>();
};

using Precisions = ::testing::Types<float, double>;
TYPED_TEST_SUITE(WarpCholesky, Precisions);

/// Columns first … first + count − 1.
template <class R>
HostMatrix<R> columns(const HostMatrix<R>& m, Index first, Index count) {
  HostMatrix<R> part(m.rows, count);
  std::copy_n(m.data.begin() + first * m.rows, part.data.size(), part.data.begin());
  return part;
}

template <class R>
HostMatrix<R> spd_batch(Index n, Index count) {
  HostMatrix<R> batch(n, n * count);
  Random random(static_cast<std::uint64_t>(100 * n + count));
  for (Index k = 0; k < count; ++k) {
    const HostMatrix<R> a = random.spd<R>(n, condition);
    std::copy(a.data.begin(), a.data.end(), batch.data.begin() + k * n * n);
  }
  return batch;
}

TYPED_TEST(WarpCholesky, FactorsAndSolvesEveryOrderToBackwardErrorOfRounding) {
  using R = TypeParam;
  const auto check = [&](Index n, Index count) {
    const HostMatrix<R> a = spd_batch<R>(n, count), b = Random(1).matrix<R>(n, count);
    HostMatrix<R> factors;
    HostMatrix<int> info;
    const HostMatrix<R> x = this->solve(a, b, factors, info);
    EXPECT_TRUE(identical(factors, factors, Part::lower)) << "above the diagonals, order " << n;
    for (Index k = 0; k < count; ++k) {
      const HostMatrix<R> a_k = columns(a, k * n, n);
      EXPECT_EQ(info(k, 0), 0) << "matrix " << k << " of order " << n;
      EXPECT_LT(cholesky_ratio(columns(factors, k * n, n), a_k), threshold)
          << "LLᵀ − A, matrix " << k << " of order " << n;
      EXPECT_LT(backward_error(a_k, columns(x, k, 1), columns(b, k, 1)), threshold)
          << "b − Ax, matrix " << k << " of order " << n;
    }
  };
  for (Index n = 1; n <= kernels::warp_cholesky_limit; ++n) check(n, 2);
  for (const Index n : {1, 5, 31, 33, 64})
    for (const Index count : {0, 1, 5, 33}) check(n, count);
}

TYPED_TEST(WarpCholesky, ReportsTheFirstFailedMinorOfEveryMatrix) {
  using R = TypeParam;
  for (const Index n : {1, 31, 33, 64}) {
    HostMatrix<R> a = spd_batch<R>(n, 5);
    const auto element = [&](Index k, Index i, Index j) -> R& { return a(i, k * n + j); };
    element(1, n - 1, n - 1) = R(-1);
    element(2, n / 2, n / 2) = R(0);
    element(3, n - 1, 0) = std::numeric_limits<R>::quiet_NaN();
    element(4, 0, 0) = std::numeric_limits<R>::infinity();
    HostMatrix<R> factors;
    HostMatrix<int> info;
    const HostMatrix<R> x = this->solve(a, Random(1).matrix<R>(n, 5), factors, info);
    EXPECT_EQ(info(0, 0), 0) << "order " << n;
    EXPECT_EQ(info(1, 0), n) << "order " << n;
    EXPECT_EQ(info(2, 0), n / 2 + 1) << "order " << n;
    EXPECT_EQ(info(3, 0), -1) << "order " << n << ", NaN";
    EXPECT_EQ(info(4, 0), -1) << "order " << n << ", infinity";
    for (Index k = 0; k < 5; ++k)
      for (Index i = 0; i < n; ++i)
        EXPECT_EQ(std::isnan(x(i, k)), k > 0) << "x, row " << i << ", matrix " << k << " of order " << n;
  }
}

}  // namespace
}  // namespace natgrad
