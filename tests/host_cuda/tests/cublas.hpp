/// Fixture of the tests of cuBLAS.
#pragma once

#include <cublas_v2.h>

#include <cstddef>
#include <vector>

#include "host_cuda/tests/device.hpp"
#include "host_cuda/tests/matrices.hpp"

namespace host_cuda {

using Reals = testing::Types<float, double>;

template <class R>
struct HostCublasFixture : HostCuda {
  void SetUp() override { ASSERT_EQ(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS); }
  void TearDown() override {
    EXPECT_EQ(cublasDestroy(handle), CUBLAS_STATUS_SUCCESS);
    HostCuda::TearDown();
  }

  /// `got` holds `want`, bit for bit, in its `rows` and `cols`.
  static void expect_equal(const std::vector<R>& got, int ld, const Matrix<R>& want) {
    for (int j = 0; j < want.cols; ++j)
      for (int i = 0; i < want.rows; ++i)
        ASSERT_EQ(got[static_cast<std::size_t>(i + j * ld)], want(i, j)) << "at (" << i << ", " << j << ")";
  }

  cublasHandle_t handle = nullptr;
  const R zero = 0, one = 1, two = 2, minus_one = -1;
};

inline constexpr cublasOperation_t operations[] = {CUBLAS_OP_N, CUBLAS_OP_T};

}  // namespace host_cuda
