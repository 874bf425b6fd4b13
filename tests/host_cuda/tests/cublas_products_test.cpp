#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "host_cuda/tests/cublas.hpp"

using host_cuda::DeviceArray;
using host_cuda::filled;
using host_cuda::Matrix;
using host_cuda::operations;
using host_cuda::product;
using host_cuda::random_integers;
using host_cuda::select;
using host_cuda::transposed;

namespace {

template <class R>
struct HostCublasProducts : host_cuda::HostCublasFixture<R> {};
TYPED_TEST_SUITE(HostCublasProducts, host_cuda::Reals);

TYPED_TEST(HostCublasProducts, GemmMultipliesInEveryOrientation) {
  using R = TypeParam;
  const int m = 5, n = 3, k = 33;
  for (const auto ta : operations)
    for (const auto tb : operations) {
      const auto a = ta == CUBLAS_OP_N ? random_integers<R>(m, k, 2, 1) : random_integers<R>(k, m, 2, 1);
      const auto b = tb == CUBLAS_OP_N ? random_integers<R>(k, n, 1, 2) : random_integers<R>(n, k, 1, 2);
      const auto c = random_integers<R>(m, n, 4, 3);
      DeviceArray<R> da(a.data), db(b.data), dc(c.data);
      ASSERT_EQ(select<R>(cublasSgemm, cublasDgemm)(this->handle, ta, tb, m, n, k, &this->two, da.data, a.ld,
                                                    db.data, b.ld, &this->minus_one, dc.data, c.ld),
                CUBLAS_STATUS_SUCCESS);
      const auto ab =
          product(R(2), ta == CUBLAS_OP_N ? a : transposed(a), tb == CUBLAS_OP_N ? b : transposed(b));
      this->expect_equal(dc.get(), c.ld,
                         filled<R>(m, n, 0, [&](int i, int j) { return ab(i, j) - c(i, j); }));
    }
}

TYPED_TEST(HostCublasProducts, GemmWithBetaZeroOverwritesPoisonAndWithoutInnerSizeGivesZero) {
  using R = TypeParam;
  const auto a = random_integers<R>(4, 4, 0, 1);
  DeviceArray<R> da(a.data), dc(16);
  for (const int k : {4, 0}) {
    ASSERT_EQ(
        select<R>(cublasSgemm_64, cublasDgemm_64)(this->handle, CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, k, &this->one,
                                                  da.data, 4, da.data, 4, &this->zero, dc.data, 4),
        CUBLAS_STATUS_SUCCESS);
    this->expect_equal(dc.get(), 4, product(k == 0 ? R(0) : R(1), a, a));
  }
}

TYPED_TEST(HostCublasProducts, GemmStridedBatchedMultipliesEachPair) {
  using R = TypeParam;
  const int n = 3, count = 4;
  const auto a = random_integers<R>(n, n * count, 0, 1), b = random_integers<R>(n, n, 0, 2);
  DeviceArray<R> da(a.data), db(b.data), dc(a.data.size());
  ASSERT_EQ(select<R>(cublasSgemmStridedBatched, cublasDgemmStridedBatched)(
                this->handle, CUBLAS_OP_N, CUBLAS_OP_N, n, n, n, &this->one, da.data, n, n * n, db.data, n, 0,
                &this->zero, dc.data, n, n * n, count),
            CUBLAS_STATUS_SUCCESS);
  const auto got = dc.get();
  for (int k = 0; k < count; ++k) {
    const auto block = filled<R>(n, n, 0, [&](int i, int j) { return a(i, j + k * n); });
    this->expect_equal({got.begin() + k * n * n, got.end()}, n, product(R(1), block, b));
  }
}

TYPED_TEST(HostCublasProducts, SyrkFillsOneTriangleAndLeavesTheOther) {
  using R = TypeParam;
  const int n = 5, k = 7;
  for (const auto uplo : {CUBLAS_FILL_MODE_LOWER, CUBLAS_FILL_MODE_UPPER})
    for (const auto trans : operations) {
      const auto a = trans == CUBLAS_OP_N ? random_integers<R>(n, k, 1, 1) : random_integers<R>(k, n, 1, 1);
      DeviceArray<R> da(a.data), dc(n * n);
      ASSERT_EQ(select<R>(cublasSsyrk, cublasDsyrk)(this->handle, uplo, trans, n, k, &this->two, da.data,
                                                    a.ld, &this->zero, dc.data, n),
                CUBLAS_STATUS_SUCCESS);
      const auto full =
          trans == CUBLAS_OP_N ? product(R(2), a, transposed(a)) : product(R(2), transposed(a), a);
      const auto got = dc.get();
      for (int j = 0; j < n; ++j)
        for (int i = 0; i < n; ++i) {
          const R value = got[static_cast<std::size_t>(i + j * n)];
          if (uplo == CUBLAS_FILL_MODE_LOWER ? i >= j : i <= j)
            ASSERT_EQ(value, full(i, j)) << i << ", " << j;
          else
            ASSERT_TRUE(std::isnan(value)) << i << ", " << j;
        }
    }
}

TYPED_TEST(HostCublasProducts, GemmStridedBatchedOf64BitSizesMultipliesEachPairInEveryOrientation) {
  using R = TypeParam;
  const int m = 3, n = 2, k = 5, count = 3;
  for (const auto ta : operations)
    for (const auto tb : operations) {
      const bool na = ta == CUBLAS_OP_N, nb = tb == CUBLAS_OP_N;
      const auto a = random_integers<R>(na ? m : k, count * (na ? k : m), 2, 1);
      const auto b = random_integers<R>(nb ? k : n, count * (nb ? n : k), 1, 2);
      const std::int64_t stride_a = a.ld * (na ? k : m), stride_b = b.ld * (nb ? n : k);
      DeviceArray<R> da(a.data), db(b.data), dc(m * n * count);
      ASSERT_EQ(select<R>(cublasSgemmStridedBatched_64, cublasDgemmStridedBatched_64)(
                    this->handle, ta, tb, m, n, k, &this->two, da.data, a.ld, stride_a, db.data, b.ld,
                    stride_b, &this->zero, dc.data, m, m * n, count),
                CUBLAS_STATUS_SUCCESS);
      const auto got = dc.get();
      for (int i = 0; i < count; ++i) {
        const auto block = [i](const Matrix<R>& from, int rows, int cols) {
          return filled<R>(rows, cols, 0, [&](int row, int col) { return from(row, col + i * cols); });
        };
        const auto ai = na ? block(a, m, k) : transposed(block(a, k, m));
        const auto bi = nb ? block(b, k, n) : transposed(block(b, n, k));
        this->expect_equal({got.begin() + i * m * n, got.end()}, m, product(R(2), ai, bi));
      }
    }
}

TYPED_TEST(HostCublasProducts, GemmExMultipliesWhereTypesAndComputeTypeAgree) {
  using R = TypeParam;
  const int m = 5, n = 3, k = 17;
  const bool single = sizeof(R) == 4;
  const auto type = single ? CUDA_R_32F : CUDA_R_64F, other = single ? CUDA_R_64F : CUDA_R_32F;
  const auto compute = single ? CUBLAS_COMPUTE_32F : CUBLAS_COMPUTE_64F;
  const auto a = random_integers<R>(m, k, 2, 1), b = random_integers<R>(n, k, 1, 2);
  const auto c = random_integers<R>(m, n, 4, 3);
  DeviceArray<R> da(a.data), db(b.data), dc(c.data);
  const auto call = [&](cudaDataType b_type, cublasComputeType_t how, int lda) {
    return cublasGemmEx(this->handle, CUBLAS_OP_N, CUBLAS_OP_T, m, n, k, &this->two, da.data, type, lda,
                        db.data, b_type, b.ld, &this->minus_one, dc.data, type, c.ld, how,
                        CUBLAS_GEMM_DEFAULT);
  };
  EXPECT_EQ(call(other, compute, a.ld), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(call(type, single ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F, a.ld), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(call(type, CUBLAS_COMPUTE_16F, a.ld), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(call(type, compute, m - 1), CUBLAS_STATUS_INVALID_VALUE);
  ASSERT_EQ(call(type, compute, a.ld), CUBLAS_STATUS_SUCCESS);
  const auto ab = product(R(2), a, transposed(b));
  this->expect_equal(dc.get(), c.ld, filled<R>(m, n, 0, [&](int i, int j) { return ab(i, j) - c(i, j); }));
  ASSERT_EQ(
      cublasGemmEx_64(this->handle, CUBLAS_OP_N, CUBLAS_OP_T, m, n, k, &this->one, da.data, type, a.ld,
                      db.data, type, b.ld, &this->zero, dc.data, type, c.ld, compute, CUBLAS_GEMM_DEFAULT),
      CUBLAS_STATUS_SUCCESS);
  this->expect_equal(dc.get(), c.ld, product(R(1), a, transposed(b)));
}

/// For products of 1 × 1 matrices: x rounds to TF32's 1 from 1 + 2⁻¹², which f32 and f64 hold.
template <class R>
struct HostCublasTf32 : host_cuda::HostCublasFixture<R> {
  void SetUp() override {
    host_cuda::HostCublasFixture<R>::SetUp();
    memory.emplace(std::vector<R>{exact, 1, 0});
    x = memory->data, unit = x + 1, y = x + 2;
  }
  void TearDown() override {
    memory.reset();
    host_cuda::HostCublasFixture<R>::TearDown();
  }
  R result() const { return memory->get()[2]; }

  const R exact = R(1) + R(1) / 4096;
  std::optional<DeviceArray<R>> memory;
  R *x = nullptr, *unit = nullptr, *y = nullptr;
};
TYPED_TEST_SUITE(HostCublasTf32, host_cuda::Reals);

TYPED_TEST(HostCublasTf32, MathModeRoundsTheOperandsOfProductsInSinglePrecisionOnly) {
  using R = TypeParam;
  const R rounded = sizeof(R) == 4 ? R(1) : this->exact;
  const auto gemm = [&](const R* a, const R* b) {
    return select<R>(cublasSgemm, cublasDgemm)(this->handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &this->one, a,
                                               1, b, 1, &this->zero, this->y, 1);
  };
  ASSERT_EQ(gemm(this->x, this->unit), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(this->result(), this->exact);
  ASSERT_EQ(cublasSetMathMode(this->handle, CUBLAS_TF32_TENSOR_OP_MATH), CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(gemm(this->x, this->unit), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(this->result(), rounded);
  ASSERT_EQ(gemm(this->unit, this->x), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(this->result(), rounded);
  ASSERT_EQ(select<R>(cublasSsyrk, cublasDsyrk)(this->handle, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N, 1, 1,
                                                &this->one, this->x, 1, &this->zero, this->y, 1),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(this->result(), rounded * rounded);
  ASSERT_EQ(
      select<R>(cublasSsymm, cublasDsymm)(this->handle, CUBLAS_SIDE_LEFT, CUBLAS_FILL_MODE_LOWER, 1, 1,
                                          &this->one, this->x, 1, this->unit, 1, &this->zero, this->y, 1),
      CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(this->result(), rounded);
  cublasMath_t mode{};
  EXPECT_EQ(cublasGetMathMode(this->handle, &mode), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(mode, CUBLAS_TF32_TENSOR_OP_MATH);
  EXPECT_EQ(cublasSetMathMode(this->handle, CUBLAS_FP32_EMULATED_BF16X9_MATH), CUBLAS_STATUS_NOT_SUPPORTED);
}

TYPED_TEST(HostCublasTf32, ComputeTypeOfGemmExDecidesWhereItSaysSo) {
  using R = TypeParam;
  if constexpr (sizeof(R) == 4) {
    const auto gemm = [&](cublasComputeType_t compute) {
      EXPECT_EQ(cublasGemmEx(this->handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &this->one, this->x, CUDA_R_32F,
                             1, this->unit, CUDA_R_32F, 1, &this->zero, this->y, CUDA_R_32F, 1, compute,
                             CUBLAS_GEMM_DEFAULT),
                CUBLAS_STATUS_SUCCESS);
      return this->result();
    };
    EXPECT_EQ(gemm(CUBLAS_COMPUTE_32F), this->exact);
    EXPECT_EQ(gemm(CUBLAS_COMPUTE_32F_FAST_TF32), R(1));
    ASSERT_EQ(cublasSetMathMode(this->handle, CUBLAS_TF32_TENSOR_OP_MATH), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(gemm(CUBLAS_COMPUTE_32F), R(1));
    EXPECT_EQ(gemm(CUBLAS_COMPUTE_32F_PEDANTIC), this->exact);
  }
}

TYPED_TEST(HostCublasTf32, AWorkspaceIsCheckedAndWrittenAndForgottenWithTheStream) {
  using R = TypeParam;
  const auto scale = [&] {
    return select<R>(cublasSscal, cublasDscal)(this->handle, 1, &this->one, this->unit, 1);
  };
  DeviceArray<unsigned char> workspace(std::vector<unsigned char>(512, 7));
  EXPECT_EQ(cublasSetWorkspace(this->handle, workspace.data + 8, 256), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_NE(cublasSetWorkspace(this->handle, workspace.data, 513), CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(cublasSetWorkspace(this->handle, workspace.data, 512), CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(scale(), CUBLAS_STATUS_SUCCESS);
  EXPECT_NE(workspace.get(), std::vector<unsigned char>(512, 7));
  workspace.set(std::vector<unsigned char>(512, 7));
  ASSERT_EQ(cublasSetStream(this->handle, nullptr), CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(scale(), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(workspace.get(), std::vector<unsigned char>(512, 7));
}

}  // namespace
