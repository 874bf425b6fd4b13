#include "host_cuda/tests/cublas.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

using host_cuda::DeviceArray;
using host_cuda::filled;
using host_cuda::lower_factor;
using host_cuda::Matrix;
using host_cuda::operations;
using host_cuda::product;
using host_cuda::random_integers;
using host_cuda::select;
using host_cuda::transposed;

namespace {

template <class R>
struct HostCublas : host_cuda::HostCublasFixture<R> {};
TYPED_TEST_SUITE(HostCublas, host_cuda::Reals);

TYPED_TEST(HostCublas, SymmAndSymvReadOneTriangle) {
  using R = TypeParam;
  const int n = 4, cols = 3;
  const auto random = random_integers<R>(n, n, 0, 1), b = random_integers<R>(n, cols, 0, 2);
  const auto full = filled<R>(n, n, 0, [&](int i, int j) { return random(std::max(i, j), std::min(i, j)); });
  const auto lower = filled<R>(n, n, 2, [&](int i, int j) { return i >= j ? full(i, j) : R(NAN); });
  DeviceArray<R> da(lower.data), db(b.data), dc(b.data.size()), dy(n);
  ASSERT_EQ(
      select<R>(cublasSsymm, cublasDsymm)(this->handle, CUBLAS_SIDE_LEFT, CUBLAS_FILL_MODE_LOWER, n, cols,
                                          &this->one, da.data, lower.ld, db.data, n, &this->zero, dc.data, n),
      CUBLAS_STATUS_SUCCESS);
  const auto want = product(R(1), full, b);
  this->expect_equal(dc.get(), n, want);
  ASSERT_EQ(select<R>(cublasSsymv, cublasDsymv)(this->handle, CUBLAS_FILL_MODE_LOWER, n, &this->one, da.data,
                                                lower.ld, db.data, 1, &this->zero, dy.data, 1),
            CUBLAS_STATUS_SUCCESS);
  this->expect_equal(dy.get(), n, filled<R>(n, 1, 0, [&](int i, int) { return want(i, 0); }));
}

TYPED_TEST(HostCublas, GemvTakesIncrementsAndBothOrientations) {
  using R = TypeParam;
  const int m = 4, n = 3;
  const auto a = random_integers<R>(m, n, 1, 1), x = random_integers<R>(2 * m, 1, 0, 2);
  for (const auto trans : operations) {
    const auto op = trans == CUBLAS_OP_N ? a : transposed(a);
    const auto used = filled<R>(op.cols, 1, 0, [&](int i, int) { return x(2 * i, 0); });
    DeviceArray<R> da(a.data), dx(x.data), dy(op.rows);
    ASSERT_EQ(select<R>(cublasSgemv, cublasDgemv)(this->handle, trans, m, n, &this->two, da.data, a.ld,
                                                  dx.data, 2, &this->zero, dy.data, 1),
              CUBLAS_STATUS_SUCCESS);
    this->expect_equal(dy.get(), op.rows, product(R(2), op, used));
  }
}

TYPED_TEST(HostCublas, TrsmSolvesFromBothSidesAndInBatches) {
  using R = TypeParam;
  const int n = 6, cols = 4;
  const auto l = lower_factor<R>(n, 1, 1), x = random_integers<R>(n, cols, 0, 2);
  DeviceArray<R> dl(l.data), left(product(R(1), l, x).data),
      right(product(R(1), transposed(x), transposed(l)).data);
  ASSERT_EQ(select<R>(cublasStrsm, cublasDtrsm)(this->handle, CUBLAS_SIDE_LEFT, CUBLAS_FILL_MODE_LOWER,
                                                CUBLAS_OP_N, CUBLAS_DIAG_NON_UNIT, n, cols, &this->one,
                                                dl.data, l.ld, left.data, n),
            CUBLAS_STATUS_SUCCESS);
  this->expect_equal(left.get(), n, x);
  ASSERT_EQ(select<R>(cublasStrsm, cublasDtrsm)(this->handle, CUBLAS_SIDE_RIGHT, CUBLAS_FILL_MODE_LOWER,
                                                CUBLAS_OP_T, CUBLAS_DIAG_NON_UNIT, cols, n, &this->one,
                                                dl.data, l.ld, right.data, cols),
            CUBLAS_STATUS_SUCCESS);
  this->expect_equal(right.get(), cols, transposed(x));

  DeviceArray<R> first(product(R(1), l, x).data), second(first.get());
  DeviceArray<R*> as(std::vector<R*>{dl.data, dl.data}), bs(std::vector<R*>{first.data, second.data});
  ASSERT_EQ(select<R>(cublasStrsmBatched, cublasDtrsmBatched)(
                this->handle, CUBLAS_SIDE_LEFT, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N, CUBLAS_DIAG_NON_UNIT, n,
                cols, &this->two, as.data, l.ld, bs.data, n, 2),
            CUBLAS_STATUS_SUCCESS);
  this->expect_equal(second.get(), n, filled<R>(n, cols, 0, [&](int i, int j) { return 2 * x(i, j); }));
}

TYPED_TEST(HostCublas, TrsmOf64BitSizesSolvesInEveryOrientationAndReadsOneTriangle) {
  using R = TypeParam;
  const int n = 6, cols = 4;
  const auto l = lower_factor<R>(n, 0, 1);
  const auto lower = filled<R>(n, n, 1, [&](int i, int j) { return i >= j ? l(i, j) : R(NAN); });
  const auto trsm = select<R>(cublasStrsm_64, cublasDtrsm_64);
  DeviceArray<R> dl(lower.data);
  for (const auto side : {CUBLAS_SIDE_LEFT, CUBLAS_SIDE_RIGHT})
    for (const auto trans : operations) {
      const bool left = side == CUBLAS_SIDE_LEFT;
      const auto x = left ? random_integers<R>(n, cols, 0, 2) : random_integers<R>(cols, n, 0, 2);
      const auto op = trans == CUBLAS_OP_N ? l : transposed(l);
      const auto right_side = left ? product(R(1), op, x) : product(R(1), x, op);
      const auto b = filled<R>(x.rows, x.cols, 2, [&](int i, int j) { return right_side(i, j); });
      DeviceArray<R> db(b.data);
      const auto call = [&](std::int64_t rows, std::int64_t lda, std::int64_t ldb) {
        return trsm(this->handle, side, CUBLAS_FILL_MODE_LOWER, trans, CUBLAS_DIAG_NON_UNIT, rows, x.cols,
                    &this->two, dl.data, lda, db.data, ldb);
      };
      EXPECT_EQ(call(-1, lower.ld, b.ld), CUBLAS_STATUS_INVALID_VALUE);
      EXPECT_EQ(call(x.rows, n - 1, b.ld), CUBLAS_STATUS_INVALID_VALUE);
      EXPECT_EQ(call(x.rows, lower.ld, x.rows - 1), CUBLAS_STATUS_INVALID_VALUE);
      ASSERT_EQ(call(x.rows, lower.ld, b.ld), CUBLAS_STATUS_SUCCESS);
      this->expect_equal(db.get(), b.ld,
                         filled<R>(x.rows, x.cols, 0, [&](int i, int j) { return 2 * x(i, j); }));
    }
}

TYPED_TEST(HostCublas, VectorFunctionsGiveWhatTheirNamesSay) {
  using R = TypeParam;
  DeviceArray<R> x(std::vector<R>{3, 0, 4}), y(std::vector<R>{1, 1, 1});
  R result = 0;
  ASSERT_EQ(select<R>(cublasSnrm2, cublasDnrm2)(this->handle, 3, x.data, 1, &result), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(result, R(5));
  ASSERT_EQ(select<R>(cublasSaxpy, cublasDaxpy)(this->handle, 3, &this->two, x.data, 1, y.data, 1),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(y.get(), (std::vector<R>{7, 1, 9}));
  ASSERT_EQ(select<R>(cublasSdot, cublasDdot)(this->handle, 3, x.data, 1, y.data, 1, &result),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(result, R(57));
  ASSERT_EQ(select<R>(cublasSscal_64, cublasDscal_64)(this->handle, 2, &this->minus_one, y.data, 2),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(y.get(), (std::vector<R>{-7, 1, -9}));
  ASSERT_EQ(select<R>(cublasScopy, cublasDcopy)(this->handle, 3, x.data, 1, y.data, 1),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(y.get(), x.get());
}

TYPED_TEST(HostCublas, GeamTransposesAndDgmmScales) {
  using R = TypeParam;
  const int m = 3, n = 2;
  const auto a = random_integers<R>(n, m, 1, 1), b = random_integers<R>(m, n, 0, 2);
  DeviceArray<R> da(a.data), db(b.data), dc(m * n), dx(std::vector<R>{2, 3, 4});
  ASSERT_EQ(select<R>(cublasSgeam, cublasDgeam)(this->handle, CUBLAS_OP_T, CUBLAS_OP_N, m, n, &this->two,
                                                da.data, a.ld, &this->minus_one, db.data, m, dc.data, m),
            CUBLAS_STATUS_SUCCESS);
  this->expect_equal(dc.get(), m, filled<R>(m, n, 0, [&](int i, int j) { return 2 * a(j, i) - b(i, j); }));
  ASSERT_EQ(select<R>(cublasSgeam, cublasDgeam)(this->handle, CUBLAS_OP_T, CUBLAS_OP_N, m, n, &this->one,
                                                da.data, a.ld, &this->zero, nullptr, m, dc.data, m),
            CUBLAS_STATUS_SUCCESS);
  this->expect_equal(dc.get(), m, transposed(a));
  for (const auto side : {CUBLAS_SIDE_LEFT, CUBLAS_SIDE_RIGHT}) {
    ASSERT_EQ(
        select<R>(cublasSdgmm, cublasDdgmm)(this->handle, side, m, n, db.data, m, dx.data, 1, dc.data, m),
        CUBLAS_STATUS_SUCCESS);
    this->expect_equal(dc.get(), m, filled<R>(m, n, 0, [&](int i, int j) {
                         return b(i, j) * R(2 + (side == CUBLAS_SIDE_LEFT ? i : j));
                       }));
  }
}

TYPED_TEST(HostCublas, ArgumentsThatTheOriginalRefusesGiveItsStatus) {
  using R = TypeParam;
  const auto syrk = select<R>(cublasSsyrk, cublasDsyrk);
  const auto lower = CUBLAS_FILL_MODE_LOWER;
  DeviceArray<R> a(12), c(9);
  const auto call = [&](cublasHandle_t given, int n, int k, int lda, int ldc) {
    return syrk(given, lower, CUBLAS_OP_N, n, k, &this->one, a.data, lda, &this->zero, c.data, ldc);
  };
  EXPECT_EQ(call(this->handle, -1, 4, 3, 3), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(call(this->handle, 3, -4, 3, 3), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(call(this->handle, 3, 4, 2, 3), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(call(this->handle, 3, 4, 3, 2), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(call(nullptr, 3, 4, 3, 3), CUBLAS_STATUS_NOT_INITIALIZED);
  EXPECT_EQ(select<R>(cublasSscal, cublasDscal)(this->handle, 3, &this->one, a.data, 0),
            CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(call(this->handle, 3, 4, 3, 3), CUBLAS_STATUS_SUCCESS);
  EXPECT_STREQ(cublasGetStatusName(CUBLAS_STATUS_INVALID_VALUE), "CUBLAS_STATUS_INVALID_VALUE");
}

TYPED_TEST(HostCublas, OperandsOutsideDeviceMemoryFailTheExecution) {
  using R = TypeParam;
  const auto syrk = select<R>(cublasSsyrk, cublasDsyrk);
  DeviceArray<R> a(12), c(9);
  std::vector<R> host(12);
  const auto call = [&](const R* from, int k, R* to) {
    return syrk(this->handle, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N, 3, k, &this->one, from, 3, &this->zero, to,
                3);
  };
  EXPECT_EQ(call(host.data(), 4, c.data), CUBLAS_STATUS_EXECUTION_FAILED);
  EXPECT_EQ(call(a.data, 4, host.data()), CUBLAS_STATUS_EXECUTION_FAILED);
  EXPECT_EQ(call(a.data, 5, c.data), CUBLAS_STATUS_EXECUTION_FAILED);
  EXPECT_EQ(call(a.data, 4, c.data + 1), CUBLAS_STATUS_EXECUTION_FAILED);
  EXPECT_EQ(call(a.data, 4, c.data), CUBLAS_STATUS_SUCCESS);
}

TYPED_TEST(HostCublas, PointerModeDecidesWhereScalarsAndResultsLie) {
  using R = TypeParam;
  const auto scal = select<R>(cublasSscal, cublasDscal);
  const auto dot = select<R>(cublasSdot, cublasDdot);
  DeviceArray<R> x(std::vector<R>{1, 2}), factor(std::vector<R>{3}), result(1);
  R on_host = 0;
  EXPECT_EQ(scal(this->handle, 2, factor.data, x.data, 1), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(dot(this->handle, 2, x.data, 1, x.data, 1, result.data), CUBLAS_STATUS_INVALID_VALUE);
  ASSERT_EQ(cublasSetPointerMode(this->handle, CUBLAS_POINTER_MODE_DEVICE), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(scal(this->handle, 2, &this->two, x.data, 1), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(dot(this->handle, 2, x.data, 1, x.data, 1, &on_host), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(scal(this->handle, 2, factor.data, x.data, 1), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(dot(this->handle, 2, x.data, 1, x.data, 1, result.data), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(result.get(), std::vector<R>{45});
}

TYPED_TEST(HostCublas, OperationsRunInTheHandlesStreamWhenItSynchronises) {
  using R = TypeParam;
  const host_cuda::TestStream stream;
  const host_cuda::PinnedArray<R> result(1);
  DeviceArray<R> x(std::vector<R>{1});
  ASSERT_EQ(cublasSetStream(this->handle, stream), CUBLAS_STATUS_SUCCESS);
  host_cuda::reset_counts();
  R factor = 3;
  ASSERT_EQ(select<R>(cublasSscal, cublasDscal)(this->handle, 1, &factor, x.data, 1), CUBLAS_STATUS_SUCCESS);
  factor = 4;  // read at the call
  ASSERT_EQ(cudaMemcpyAsync(result.data, x.data, sizeof(R), cudaMemcpyDeviceToHost, stream), cudaSuccess);
  EXPECT_NE(*result.data, R(3));
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(*result.data, R(3));
  EXPECT_EQ(host_cuda::counts().library_calls, 1);
}

}  // namespace
