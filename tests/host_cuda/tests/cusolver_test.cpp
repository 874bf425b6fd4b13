#include <cusolverDn.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "host_cuda/tests/device.hpp"
#include "host_cuda/tests/matrices.hpp"

using host_cuda::DeviceArray;
using host_cuda::filled;
using host_cuda::lower_factor;
using host_cuda::Matrix;
using host_cuda::product;
using host_cuda::random_integers;
using host_cuda::select;
using host_cuda::transposed;

namespace {

using Reals = testing::Types<float, double>;

constexpr auto lower = CUBLAS_FILL_MODE_LOWER;

template <class R>
struct HostCusolver : host_cuda::HostCuda {
  void SetUp() override { ASSERT_EQ(cusolverDnCreate(&handle), CUSOLVER_STATUS_SUCCESS); }
  void TearDown() override {
    EXPECT_EQ(cusolverDnDestroy(handle), CUSOLVER_STATUS_SUCCESS);
    HostCuda::TearDown();
  }

  /// Factors in place; returns info.
  int potrf(DeviceArray<R>& a, int n, cublasFillMode_t uplo = lower) {
    int size = 0;
    EXPECT_EQ(select<R>(cusolverDnSpotrf_bufferSize, cusolverDnDpotrf_bufferSize)(handle, uplo, n, a.data, n,
                                                                                  &size),
              CUSOLVER_STATUS_SUCCESS);
    DeviceArray<R> work(static_cast<std::size_t>(size));
    DeviceArray<int> info(1);
    EXPECT_EQ(
        select<R>(cusolverDnSpotrf, cusolverDnDpotrf)(handle, uplo, n, a.data, n, work.data, size, info.data),
        CUSOLVER_STATUS_SUCCESS);
    return info.get()[0];
  }

  /// Decomposes in place; returns info.
  int syevd(DeviceArray<R>& a, DeviceArray<R>& w, int n, cusolverEigMode_t mode = CUSOLVER_EIG_MODE_VECTOR) {
    int size = 0;
    EXPECT_EQ(select<R>(cusolverDnSsyevd_bufferSize, cusolverDnDsyevd_bufferSize)(handle, mode, lower, n,
                                                                                  a.data, n, w.data, &size),
              CUSOLVER_STATUS_SUCCESS);
    DeviceArray<R> work(static_cast<std::size_t>(size));
    DeviceArray<int> info(1);
    EXPECT_EQ(select<R>(cusolverDnSsyevd, cusolverDnDsyevd)(handle, mode, lower, n, a.data, n, w.data,
                                                            work.data, size, info.data),
              CUSOLVER_STATUS_SUCCESS);
    return info.get()[0];
  }

  cusolverDnHandle_t handle = nullptr;
};
TYPED_TEST_SUITE(HostCusolver, Reals);

TYPED_TEST(HostCusolver, PotrfFactorsEitherTriangle) {
  using R = TypeParam;
  for (const int n : {1, 2, 7}) {
    const auto l = lower_factor<R>(n, 0, 1);
    for (const auto uplo : {lower, CUBLAS_FILL_MODE_UPPER}) {
      DeviceArray<R> a(product(R(1), l, transposed(l)).data);
      ASSERT_EQ(this->potrf(a, n, uplo), 0);
      const auto got = a.get();
      for (int j = 0; j < n; ++j)
        for (int i = j; i < n; ++i)
          ASSERT_EQ(got[static_cast<std::size_t>(uplo == lower ? i + j * n : j + i * n)], l(i, j))
              << i << ", " << j;
    }
  }
}

TYPED_TEST(HostCusolver, PotrsSolvesWithTheFactor) {
  using R = TypeParam;
  const int n = 5, cols = 3;
  const auto l = lower_factor<R>(n, 0, 1), x = random_integers<R>(n, cols, 0, 2);
  DeviceArray<R> factor(l.data), b(product(R(1), product(R(1), l, transposed(l)), x).data);
  DeviceArray<int> info(1);
  ASSERT_EQ(select<R>(cusolverDnSpotrs, cusolverDnDpotrs)(this->handle, lower, n, cols, factor.data, n,
                                                          b.data, n, info.data),
            CUSOLVER_STATUS_SUCCESS);
  EXPECT_EQ(info.get()[0], 0);
  EXPECT_EQ(b.get(), x.data);
}

TYPED_TEST(HostCusolver, PotrfGivesTheMinorThatIsNotPositiveDefinite) {
  using R = TypeParam;
  DeviceArray<R> a(std::vector<R>{1, 0, 0, 0, -2, 0, 0, 0, 3});
  EXPECT_EQ(this->potrf(a, 3), 2);
}

TYPED_TEST(HostCusolver, WorkspaceSmallerThanAskedForIsRefused) {
  using R = TypeParam;
  const int n = 4;
  DeviceArray<R> a(n * n), w(n);
  DeviceArray<int> info(1);
  int size = 0;
  ASSERT_EQ(select<R>(cusolverDnSpotrf_bufferSize, cusolverDnDpotrf_bufferSize)(this->handle, lower, n,
                                                                                a.data, n, &size),
            CUSOLVER_STATUS_SUCCESS);
  DeviceArray<R> work(static_cast<std::size_t>(size));
  const auto potrf = select<R>(cusolverDnSpotrf, cusolverDnDpotrf);
  EXPECT_EQ(potrf(this->handle, lower, n, a.data, n, work.data, size - 1, info.data),
            CUSOLVER_STATUS_INVALID_VALUE);
  EXPECT_EQ(potrf(this->handle, lower, n, a.data, n, work.data + 1, size, info.data),
            CUSOLVER_STATUS_EXECUTION_FAILED);
  EXPECT_EQ(potrf(this->handle, lower, -1, a.data, n, work.data, size, info.data),
            CUSOLVER_STATUS_INVALID_VALUE);
  EXPECT_EQ(potrf(this->handle, lower, n, a.data, n - 1, work.data, size, info.data),
            CUSOLVER_STATUS_INVALID_VALUE);
  EXPECT_EQ(select<R>(cusolverDnSsyevd, cusolverDnDsyevd)(this->handle, CUSOLVER_EIG_MODE_VECTOR, lower, n,
                                                          a.data, n, w.data, work.data, 1, info.data),
            CUSOLVER_STATUS_INVALID_VALUE);
}

TYPED_TEST(HostCusolver, InfoMustBeDeviceMemory) {
  using R = TypeParam;
  DeviceArray<R> a(std::vector<R>{4}), work(1000);
  int info = 0;
  EXPECT_EQ(select<R>(cusolverDnSpotrf, cusolverDnDpotrf)(this->handle, lower, 1, a.data, 1, work.data, 1000,
                                                          &info),
            CUSOLVER_STATUS_EXECUTION_FAILED);
}

TYPED_TEST(HostCusolver, PotrfBatchedGivesOneInfoEachAndDestroysTheOtherTriangle) {
  using R = TypeParam;
  const int n = 3, count = 3;
  const auto l = lower_factor<R>(n, 0, 4);
  DeviceArray<R> good(product(R(1), l, transposed(l)).data), again(good.get());
  DeviceArray<R> bad(std::vector<R>{1, 0, 0, 0, 1, 0, 0, 0, -1});
  DeviceArray<R*> matrices(std::vector<R*>{good.data, bad.data, again.data});
  DeviceArray<int> info(count);
  ASSERT_EQ(select<R>(cusolverDnSpotrfBatched, cusolverDnDpotrfBatched)(this->handle, lower, n, matrices.data,
                                                                        n, info.data, count),
            CUSOLVER_STATUS_SUCCESS);
  EXPECT_EQ(info.get(), (std::vector<int>{0, 3, 0}));
  const auto got = again.get();
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < n; ++i) {
      const R value = got[static_cast<std::size_t>(i + j * n)];
      if (i >= j)
        EXPECT_EQ(value, l(i, j)) << i << ", " << j;
      else
        EXPECT_TRUE(std::isnan(value)) << i << ", " << j;
    }
}

TYPED_TEST(HostCusolver, PotrsBatchedSolvesOneRightHandSideForEachMatrix) {
  using R = TypeParam;
  const int n = 3;
  const auto l = lower_factor<R>(n, 0, 1), x = random_integers<R>(n, 1, 0, 2);
  const auto b = product(R(1), product(R(1), l, transposed(l)), x);
  DeviceArray<R> factor(l.data), first(b.data), second(b.data);
  DeviceArray<R*> factors(std::vector<R*>{factor.data, factor.data}),
      sides(std::vector<R*>{first.data, second.data});
  DeviceArray<int> info(1);
  const auto solve = select<R>(cusolverDnSpotrsBatched, cusolverDnDpotrsBatched);
  ASSERT_EQ(solve(this->handle, lower, n, 1, factors.data, n, sides.data, n, info.data, 2),
            CUSOLVER_STATUS_SUCCESS);
  EXPECT_EQ(first.get(), x.data);
  EXPECT_EQ(second.get(), x.data);
  EXPECT_EQ(solve(this->handle, lower, n, 2, factors.data, n, sides.data, n, info.data, 2),
            CUSOLVER_STATUS_INVALID_VALUE);
}

TYPED_TEST(HostCusolver, SyevdGivesOrthonormalVectorsAndAscendingValues) {
  using R = TypeParam;
  for (const int n : {1, 2, 33}) {
    const auto random = random_integers<R>(n, n, 0, 1);
    const auto a = filled<R>(n, n, 0, [&](int i, int j) { return random(i, j) + random(j, i); });
    DeviceArray<R> vectors(a.data), values(static_cast<std::size_t>(n));
    ASSERT_EQ(this->syevd(vectors, values, n), 0);
    Matrix<R> v(n, n);
    v.data = vectors.get();
    const auto w = values.get();
    EXPECT_TRUE(std::is_sorted(w.begin(), w.end()));
    const R norm = std::max(std::abs(w.front()), std::abs(w.back()));
    const R tolerance = R(4 * n) * std::numeric_limits<R>::epsilon();
    const auto av = product(R(1), a, v), vtv = product(R(1), transposed(v), v);
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < n; ++i) {
        ASSERT_NEAR(av(i, j), v(i, j) * w[static_cast<std::size_t>(j)], tolerance * norm) << i << ", " << j;
        ASSERT_NEAR(vtv(i, j), i == j ? R(1) : R(0), tolerance) << i << ", " << j;
      }
  }
}

TYPED_TEST(HostCusolver, SyevdWithoutVectorsDestroysTheMatrix) {
  using R = TypeParam;
  DeviceArray<R> a(std::vector<R>{2, 0, 0, 1}), w(2);
  ASSERT_EQ(this->syevd(a, w, 2, CUSOLVER_EIG_MODE_NOVECTOR), 0);
  EXPECT_EQ(w.get(), (std::vector<R>{1, 2}));
  EXPECT_TRUE(std::isnan(a.get()[0]));
}

TYPED_TEST(HostCusolver, SyevdOfNaNEndsWithNaN) {
  using R = TypeParam;
  DeviceArray<R> a(std::vector<R>{1, R(NAN), 0, 1}), w(2);
  EXPECT_EQ(this->syevd(a, w, 2), 0);
  EXPECT_TRUE(std::isnan(w.get()[0]));
}

TYPED_TEST(HostCusolver, PotrfOfNaNEnds) {
  using R = TypeParam;
  DeviceArray<R> a(std::vector<R>{R(NAN), 0, 0, 1});
  this->potrf(a, 2);  // info may be 0
  EXPECT_TRUE(std::isnan(a.get()[0]));
}

}  // namespace
