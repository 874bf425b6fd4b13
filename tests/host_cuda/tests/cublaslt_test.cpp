#include <cublasLt.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "host_cuda/tests/cublas.hpp"

using host_cuda::DeviceArray;
using host_cuda::filled;
using host_cuda::Matrix;
using host_cuda::operations;
using host_cuda::product;
using host_cuda::random_integers;
using host_cuda::transposed;

namespace {

constexpr cublasLtEpilogue_t epilogues[] = {CUBLASLT_EPILOGUE_DEFAULT, CUBLASLT_EPILOGUE_BIAS,
                                            CUBLASLT_EPILOGUE_RELU, CUBLASLT_EPILOGUE_RELU_BIAS};

/// Descriptions of D = epilogue(2·op(A)·op(B) + β·C), column-major, with leading dimensions beyond the rows.
template <class R>
struct HostCublasLt : host_cuda::HostCuda {
  static constexpr auto type = sizeof(R) == 4 ? CUDA_R_32F : CUDA_R_64F;
  static constexpr auto compute = sizeof(R) == 4 ? CUBLAS_COMPUTE_32F : CUBLAS_COMPUTE_64F;

  void SetUp() override {
    ASSERT_EQ(cublasLtCreate(&handle), CUBLAS_STATUS_SUCCESS);
    ASSERT_EQ(cublasLtMatmulPreferenceCreate(&preference), CUBLAS_STATUS_SUCCESS);
    describe(compute);
  }
  void TearDown() override {
    forget();
    EXPECT_EQ(cublasLtMatmulPreferenceDestroy(preference), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(cublasLtDestroy(handle), CUBLAS_STATUS_SUCCESS);
    HostCuda::TearDown();
  }

  void describe(cublasComputeType_t how) {
    ASSERT_EQ(cublasLtMatmulDescCreate(&about, how, type), CUBLAS_STATUS_SUCCESS);
    for (auto* layout : {&a_layout, &b_layout, &c_layout, &d_layout})
      ASSERT_EQ(cublasLtMatrixLayoutCreate(layout, type, 1, 1, 1), CUBLAS_STATUS_SUCCESS);
  }
  void forget() {
    EXPECT_EQ(cublasLtMatmulDescDestroy(about), CUBLAS_STATUS_SUCCESS);
    for (auto* layout : {a_layout, b_layout, c_layout, d_layout})
      EXPECT_EQ(cublasLtMatrixLayoutDestroy(layout), CUBLAS_STATUS_SUCCESS);
  }

  template <class T>
  cublasStatus_t set(cublasLtMatmulDescAttributes_t attribute, T value) {
    return cublasLtMatmulDescSetAttribute(about, attribute, &value, sizeof value);
  }
  void shape(cublasLtMatrixLayout_t layout, const Matrix<R>& like) {
    const std::uint64_t rows = std::uint64_t(like.rows), cols = std::uint64_t(like.cols);
    const std::int64_t ld = like.ld;
    EXPECT_EQ(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_ROWS, &rows, sizeof rows),
              CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_COLS, &cols, sizeof cols),
              CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_LD, &ld, sizeof ld),
              CUBLAS_STATUS_SUCCESS);
  }

  cublasStatus_t heuristic(cublasLtMatmulHeuristicResult_t& result, int& found) {
    return cublasLtMatmulAlgoGetHeuristic(handle, about, a_layout, b_layout, c_layout, d_layout, preference,
                                          1, &result, &found);
  }
  cublasStatus_t multiply(const R* from_a, const R* from_b, const R* beta, const R* from_c, R* to,
                          const cublasLtMatmulAlgo_t* algorithm = nullptr, void* workspace = nullptr,
                          std::size_t bytes = 0) {
    return cublasLtMatmul(handle, about, &two, from_a, a_layout, from_b, b_layout, beta, from_c, c_layout, to,
                          d_layout, algorithm, workspace, bytes, nullptr);
  }

  static void expect_equal(const std::vector<R>& got, int ld, const Matrix<R>& want) {
    for (int j = 0; j < want.cols; ++j)
      for (int i = 0; i < want.rows; ++i)
        ASSERT_EQ(got[static_cast<std::size_t>(i + j * ld)], want(i, j)) << "at (" << i << ", " << j << ")";
  }

  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t about = nullptr;
  cublasLtMatrixLayout_t a_layout = nullptr, b_layout = nullptr, c_layout = nullptr, d_layout = nullptr;
  cublasLtMatmulPreference_t preference = nullptr;
  const R zero = 0, one = 1, two = 2;
};
TYPED_TEST_SUITE(HostCublasLt, host_cuda::Reals);

TYPED_TEST(HostCublasLt, MatmulMultipliesAndAppliesTheEpilogueInEveryOrientation) {
  using R = TypeParam;
  const int m = 5, n = 3, k = 33;
  const auto c = random_integers<R>(m, n, 2, 3), bias = random_integers<R>(m, 1, 0, 4);
  DeviceArray<R> dc(c.data), dbias(bias.data);
  ASSERT_EQ(this->set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(dbias.data)),
            CUBLAS_STATUS_SUCCESS);
  for (const auto ta : operations)
    for (const auto tb : operations)
      for (const auto epilogue : epilogues)
        for (const bool adds_c : {false, true}) {
          const bool na = ta == CUBLAS_OP_N, nb = tb == CUBLAS_OP_N;
          const auto a = na ? random_integers<R>(m, k, 2, 1) : random_integers<R>(k, m, 2, 1);
          const auto b = nb ? random_integers<R>(k, n, 1, 2) : random_integers<R>(n, k, 1, 2);
          const Matrix<R> d(m, n, 4);
          DeviceArray<R> da(a.data), db(b.data), dd(d.data);
          this->shape(this->a_layout, a), this->shape(this->b_layout, b), this->shape(this->c_layout, c),
              this->shape(this->d_layout, d);
          ASSERT_EQ(this->set(CUBLASLT_MATMUL_DESC_TRANSA, ta), CUBLAS_STATUS_SUCCESS);
          ASSERT_EQ(this->set(CUBLASLT_MATMUL_DESC_TRANSB, tb), CUBLAS_STATUS_SUCCESS);
          ASSERT_EQ(this->set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue), CUBLAS_STATUS_SUCCESS);
          ASSERT_EQ(this->multiply(da.data, db.data, adds_c ? &this->one : &this->zero,
                                   adds_c ? dc.data : nullptr, dd.data),
                    CUBLAS_STATUS_SUCCESS);
          const auto ab = product(R(2), na ? a : transposed(a), nb ? b : transposed(b));
          this->expect_equal(dd.get(), d.ld, filled<R>(m, n, 0, [&](int i, int j) {
                               R value = ab(i, j) + (adds_c ? c(i, j) : R(0));
                               if (epilogue & CUBLASLT_EPILOGUE_BIAS) value += bias(i, 0);
                               return epilogue & CUBLASLT_EPILOGUE_RELU ? std::max(value, R(0)) : value;
                             }));
        }
}

TYPED_TEST(HostCublasLt, CMayBeD) {
  using R = TypeParam;
  const auto a = random_integers<R>(4, 4, 0, 1), c = random_integers<R>(4, 4, 1, 2);
  DeviceArray<R> da(a.data), dc(c.data);
  this->shape(this->a_layout, a), this->shape(this->b_layout, a), this->shape(this->c_layout, c),
      this->shape(this->d_layout, c);
  ASSERT_EQ(this->multiply(da.data, da.data, &this->one, dc.data, dc.data), CUBLAS_STATUS_SUCCESS);
  const auto aa = product(R(2), a, a);
  this->expect_equal(dc.get(), c.ld, filled<R>(4, 4, 0, [&](int i, int j) { return aa(i, j) + c(i, j); }));
  this->shape(this->c_layout, a);
  EXPECT_EQ(this->multiply(da.data, da.data, &this->one, dc.data, dc.data), CUBLAS_STATUS_INVALID_VALUE);
}

TYPED_TEST(HostCublasLt, Tf32RoundsTheOperandsButNotTheBias) {
  using R = TypeParam;
  if constexpr (sizeof(R) == 4) {
    const R exact = R(1) + R(1) / 4096;  // rounds to 1
    DeviceArray<R> x(std::vector<R>{exact}), d(1);
    this->forget();
    this->describe(CUBLAS_COMPUTE_32F_FAST_TF32);
    ASSERT_EQ(this->set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS), CUBLAS_STATUS_SUCCESS);
    ASSERT_EQ(this->set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(x.data)),
              CUBLAS_STATUS_SUCCESS);
    ASSERT_EQ(this->multiply(x.data, x.data, &this->zero, nullptr, d.data), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(d.get()[0], 2 + exact);
  }
}

TYPED_TEST(HostCublasLt, TheHeuristicsAlgorithmWantsTheWorkspaceThatItAskedFor) {
  using R = TypeParam;
  DeviceArray<R> x(std::vector<R>{3}), d(1);
  cublasLtMatmulHeuristicResult_t result{};
  int found = -1;
  ASSERT_EQ(this->heuristic(result, found), CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(found, 1);
  EXPECT_EQ(result.state, CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(result.workspaceSize, 0u);  // no more than the preference allows
  EXPECT_EQ(this->multiply(x.data, x.data, &this->zero, nullptr, d.data, &result.algo),
            CUBLAS_STATUS_SUCCESS);
  const std::uint64_t limit = 1 << 20;
  ASSERT_EQ(cublasLtMatmulPreferenceSetAttribute(this->preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                 &limit, sizeof limit),
            CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(this->heuristic(result, found), CUBLAS_STATUS_SUCCESS);
  ASSERT_GT(result.workspaceSize, 0u);
  DeviceArray<unsigned char> workspace(result.workspaceSize + 256);
  const auto multiply = [&](unsigned char* at, std::size_t bytes) {
    return this->multiply(x.data, x.data, &this->zero, nullptr, d.data, &result.algo, at, bytes);
  };
  EXPECT_EQ(multiply(workspace.data, result.workspaceSize - 1), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(multiply(workspace.data + 16, result.workspaceSize), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(multiply(workspace.data, result.workspaceSize), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(d.get()[0], R(18));
  const cublasLtMatmulAlgo_t made_up{};
  EXPECT_EQ(this->multiply(x.data, x.data, &this->zero, nullptr, d.data, &made_up),
            CUBLAS_STATUS_INVALID_VALUE);
}

TYPED_TEST(HostCublasLt, PointerModeDeviceTakesScalarsFromTheDevice) {
  using R = TypeParam;
  DeviceArray<R> x(std::vector<R>{3}), d(std::vector<R>{5}), factor(std::vector<R>{7});
  ASSERT_EQ(this->set(CUBLASLT_MATMUL_DESC_POINTER_MODE, CUBLASLT_POINTER_MODE_DEVICE),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(this->multiply(x.data, x.data, &this->one, d.data, d.data), CUBLAS_STATUS_INVALID_VALUE);
  ASSERT_EQ(cublasLtMatmul(this->handle, this->about, factor.data, x.data, this->a_layout, x.data,
                           this->b_layout, factor.data, d.data, this->c_layout, d.data, this->d_layout,
                           nullptr, nullptr, 0, nullptr),
            CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(d.get()[0], R(7 * 9 + 7 * 5));
}

TYPED_TEST(HostCublasLt, WhatTheLibraryDoesNotOfferIsRefused) {
  using R = TypeParam;
  DeviceArray<R> x(std::vector<R>{3}), d(1);
  std::vector<R> host(1);
  cublasLtMatmulHeuristicResult_t result{};
  int found = -1;
  const auto multiply = [&](const R* from) {
    return this->multiply(from, x.data, &this->zero, nullptr, d.data);
  };
  EXPECT_EQ(multiply(host.data()), CUBLAS_STATUS_EXECUTION_FAILED);

  this->shape(this->a_layout, Matrix<R>(1, 2));
  EXPECT_EQ(multiply(x.data), CUBLAS_STATUS_INVALID_VALUE);
  this->shape(this->a_layout, Matrix<R>(1, 1));

  ASSERT_EQ(this->set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(multiply(x.data), CUBLAS_STATUS_INVALID_VALUE);  // without a bias
  ASSERT_EQ(this->set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BGRADA), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(multiply(x.data), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(this->heuristic(result, found), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(found, 0);
  ASSERT_EQ(this->set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_DEFAULT), CUBLAS_STATUS_SUCCESS);

  EXPECT_EQ(this->set(CUBLASLT_MATMUL_DESC_TRANSA, char{}), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_EQ(this->set(CUBLASLT_MATMUL_DESC_FAST_ACCUM, char{}), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(cublasLtMatmul(nullptr, this->about, &this->two, x.data, this->a_layout, x.data, this->b_layout,
                           &this->zero, nullptr, this->c_layout, d.data, this->d_layout, nullptr, nullptr, 0,
                           nullptr),
            CUBLAS_STATUS_NOT_INITIALIZED);
  this->forget();
  this->describe(sizeof(R) == 4 ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F);
  EXPECT_EQ(multiply(x.data), CUBLAS_STATUS_NOT_SUPPORTED);
}

}  // namespace
