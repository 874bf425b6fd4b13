/// cuBLAS: matrix times matrix.
#include <optional>

#include "host_cuda/cublas.hpp"

namespace host_cuda {
namespace {

/// Throws where one of `count` matrices, `stride` elements apart, is not in one allocation with the others.
template <class T>
void require_matrices(const T* data, std::int64_t rows, std::int64_t cols, std::int64_t ld,
                      std::int64_t stride, std::int64_t count, const char* name) {
  require(count <= 1 || stride >= 0, std::string(name) + ": stride " + std::to_string(stride));
  require_matrix(data, rows, cols, ld, name);
  if (count > 1) require_matrix(data + stride * (count - 1), rows, cols, ld, name);
}

/// tf32: whether f32 operands are rounded to TF32; by the handle's math mode where it is not said.
template <class R>
cublasStatus_t gemm_strided_batched(const char* name, cublasHandle_t handle, cublasOperation_t transa,
                                    cublasOperation_t transb, std::int64_t m, std::int64_t n, std::int64_t k,
                                    const R* alpha, const R* A, std::int64_t lda, std::int64_t strideA,
                                    const R* B, std::int64_t ldb, std::int64_t strideB, const R* beta, R* C,
                                    std::int64_t ldc, std::int64_t strideC, std::int64_t batchCount,
                                    std::optional<bool> tf32 = {}) {
  return cublas_call(name, handle, [=](cublasContext& context) {
    const auto ta = to_cblas(transa), tb = to_cblas(transb);
    const int rows = size(m, "m"), cols = size(n, "n"), inner = size(k, "k");
    const int count = size(batchCount, "the number of matrices");
    const auto a_rows = ta == CblasTrans ? k : m, a_cols = ta == CblasTrans ? m : k;
    const auto b_rows = tb == CblasTrans ? n : k, b_cols = tb == CblasTrans ? k : n;
    const Scalar<R> a(context, alpha, "alpha"), b(context, beta, "beta");
    if (count == 0) return;
    require_matrices(A, a_rows, a_cols, lda, strideA, count, "A");
    require_matrices(B, b_rows, b_cols, ldb, strideB, count, "B");
    require_matrices(C, m, n, ldc, strideC, count, "C");
    const bool rounded = tf32.value_or(allows_tf32(context));
    enqueue_operation(context, [=] {
      for (int i = 0; i < count; ++i) {
        const Input<R> in_a(A + i * strideA, a_rows, a_cols, lda, rounded);
        const Input<R> in_b(B + i * strideB, b_rows, b_cols, ldb, rounded);
        blas::gemm(ta, tb, rows, cols, inner, a.get(), in_a.data(), in_a.ld(), in_b.data(), in_b.ld(),
                   b.get(), C + i * strideC, static_cast<int>(ldc));
      }
    });
  });
}

template <class R>
cublasStatus_t gemm(const char* name, cublasHandle_t handle, cublasOperation_t transa,
                    cublasOperation_t transb, std::int64_t m, std::int64_t n, std::int64_t k, const R* alpha,
                    const R* A, std::int64_t lda, const R* B, std::int64_t ldb, const R* beta, R* C,
                    std::int64_t ldc) {
  return gemm_strided_batched(name, handle, transa, transb, m, n, k, alpha, A, lda, 0, B, ldb, 0, beta, C,
                              ldc, 0, 1);
}

}  // namespace
}  // namespace host_cuda

cublasStatus_t cublasSgemm(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,
                           int n, int k, const float* alpha, const float* A, int lda, const float* B, int ldb,
                           const float* beta, float* C, int ldc) {
  return host_cuda::gemm(__func__, handle, transa, transb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc);
}

cublasStatus_t cublasSgemm_64(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,
                              int64_t m, int64_t n, int64_t k, const float* alpha, const float* A,
                              int64_t lda, const float* B, int64_t ldb, const float* beta, float* C,
                              int64_t ldc) {
  return host_cuda::gemm(__func__, handle, transa, transb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc);
}

cublasStatus_t cublasDgemm(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,
                           int n, int k, const double* alpha, const double* A, int lda, const double* B,
                           int ldb, const double* beta, double* C, int ldc) {
  return host_cuda::gemm(__func__, handle, transa, transb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc);
}

cublasStatus_t cublasDgemm_64(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,
                              int64_t m, int64_t n, int64_t k, const double* alpha, const double* A,
                              int64_t lda, const double* B, int64_t ldb, const double* beta, double* C,
                              int64_t ldc) {
  return host_cuda::gemm(__func__, handle, transa, transb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc);
}

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t transa,
                                         cublasOperation_t transb, int m, int n, int k, const float* alpha,
                                         const float* A, int lda, long long int strideA, const float* B,
                                         int ldb, long long int strideB, const float* beta, float* C, int ldc,
                                         long long int strideC, int batchCount) {
  return host_cuda::gemm_strided_batched(__func__, handle, transa, transb, m, n, k, alpha, A, lda, strideA, B,
                                         ldb, strideB, beta, C, ldc, strideC, batchCount);
}

cublasStatus_t cublasDgemmStridedBatched(cublasHandle_t handle, cublasOperation_t transa,
                                         cublasOperation_t transb, int m, int n, int k, const double* alpha,
                                         const double* A, int lda, long long int strideA, const double* B,
                                         int ldb, long long int strideB, const double* beta, double* C,
                                         int ldc, long long int strideC, int batchCount) {
  return host_cuda::gemm_strided_batched(__func__, handle, transa, transb, m, n, k, alpha, A, lda, strideA, B,
                                         ldb, strideB, beta, C, ldc, strideC, batchCount);
}

cublasStatus_t cublasSgemmStridedBatched_64(cublasHandle_t handle, cublasOperation_t transa,
                                            cublasOperation_t transb, int64_t m, int64_t n, int64_t k,
                                            const float* alpha, const float* A, int64_t lda,
                                            long long int strideA, const float* B, int64_t ldb,
                                            long long int strideB, const float* beta, float* C, int64_t ldc,
                                            long long int strideC, int64_t batchCount) {
  return host_cuda::gemm_strided_batched(__func__, handle, transa, transb, m, n, k, alpha, A, lda, strideA, B,
                                         ldb, strideB, beta, C, ldc, strideC, batchCount);
}

cublasStatus_t cublasDgemmStridedBatched_64(cublasHandle_t handle, cublasOperation_t transa,
                                            cublasOperation_t transb, int64_t m, int64_t n, int64_t k,
                                            const double* alpha, const double* A, int64_t lda,
                                            long long int strideA, const double* B, int64_t ldb,
                                            long long int strideB, const double* beta, double* C, int64_t ldc,
                                            long long int strideC, int64_t batchCount) {
  return host_cuda::gemm_strided_batched(__func__, handle, transa, transb, m, n, k, alpha, A, lda, strideA, B,
                                         ldb, strideB, beta, C, ldc, strideC, batchCount);
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,
                            int n, int k, const void* alpha, const void* A, cudaDataType Atype, int lda,
                            const void* B, cudaDataType Btype, int ldb, const void* beta, void* C,
                            cudaDataType Ctype, int ldc, cublasComputeType_t computeType,
                            cublasGemmAlgo_t algo) {
  return cublasGemmEx_64(handle, transa, transb, m, n, k, alpha, A, Atype, lda, B, Btype, ldb, beta, C, Ctype,
                         ldc, computeType, algo);
}

cublasStatus_t cublasGemmEx_64(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,
                               int64_t m, int64_t n, int64_t k, const void* alpha, const void* A,
                               cudaDataType Atype, int64_t lda, const void* B, cudaDataType Btype,
                               int64_t ldb, const void* beta, void* C, cudaDataType Ctype, int64_t ldc,
                               cublasComputeType_t computeType, cublasGemmAlgo_t) {
  const auto call = [=]<class R>(R, cudaDataType type, std::optional<bool> tf32) {
    if (Atype != type || Btype != type || Ctype != type) return CUBLAS_STATUS_NOT_SUPPORTED;
    return host_cuda::gemm_strided_batched<R>("cublasGemmEx", handle, transa, transb, m, n, k,
                                              static_cast<const R*>(alpha), static_cast<const R*>(A), lda, 0,
                                              static_cast<const R*>(B), ldb, 0, static_cast<const R*>(beta),
                                              static_cast<R*>(C), ldc, 0, 1, tf32);
  };
  switch (computeType) {
    case CUBLAS_COMPUTE_32F:
      return call(float{}, CUDA_R_32F, {});
    case CUBLAS_COMPUTE_32F_PEDANTIC:
      return call(float{}, CUDA_R_32F, false);
    case CUBLAS_COMPUTE_32F_FAST_TF32:
      return call(float{}, CUDA_R_32F, true);
    case CUBLAS_COMPUTE_64F:
    case CUBLAS_COMPUTE_64F_PEDANTIC:
      return call(double{}, CUDA_R_64F, {});
    default:
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}
