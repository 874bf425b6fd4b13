/// cuBLAS: the extensions geam and dgmm.
#include "host_cuda/cublas.hpp"

namespace host_cuda {
namespace {

template <class R>
cublasStatus_t geam(const char* name, cublasHandle_t handle, cublasOperation_t transa,
                    cublasOperation_t transb, int m, int n, const R* alpha, const R* A, int lda,
                    const R* beta, const R* B, int ldb, R* C, int ldc) {
  return cublas_call(name, handle, [=](cublasContext& context) {
    const bool ta = to_cblas(transa) == CblasTrans, tb = to_cblas(transb) == CblasTrans;
    size(m, "m"), size(n, "n");
    const Scalar<R> a(context, alpha, "alpha"), b(context, beta, "beta");
    // An operand whose factor is known to be zero is not read, and may be null.
    const bool reads_a = !a.is_known_zero(), reads_b = !b.is_known_zero();
    if (reads_a) require_matrix(A, ta ? n : m, ta ? m : n, lda, "A");
    if (reads_b) require_matrix(B, tb ? n : m, tb ? m : n, ldb, "B");
    require_matrix(C, m, n, ldc, "C");
    require(!(reads_a && A == C && (ta || lda != ldc)) && !(reads_b && B == C && (tb || ldb != ldc)),
            "C overlaps an operand that is transposed or has another leading dimension");
    enqueue_operation(context, [=] {
      const std::int64_t a_row = ta ? lda : 1, a_col = ta ? 1 : lda, b_row = tb ? ldb : 1,
                         b_col = tb ? 1 : ldb;
      for (std::int64_t j = 0; j < n; ++j)
        for (std::int64_t i = 0; i < m; ++i)
          C[i + j * ldc] = (reads_a ? a.get() * A[i * a_row + j * a_col] : R(0)) +
                           (reads_b ? b.get() * B[i * b_row + j * b_col] : R(0));
    });
  });
}

template <class R>
cublasStatus_t dgmm(const char* name, cublasHandle_t handle, cublasSideMode_t mode, int m, int n, const R* A,
                    int lda, const R* x, int incx, R* C, int ldc) {
  return cublas_call(name, handle, [=](cublasContext& context) {
    const bool left = to_cblas(mode) == CblasLeft;
    size(m, "m"), size(n, "n");
    const int length = left ? m : n;
    require_matrix(A, m, n, lda, "A");
    require_vector(x, length, incx, "x");
    require_matrix(C, m, n, ldc, "C");
    const R* first = incx > 0 ? x : x + std::int64_t{1 - length} * incx;
    enqueue_operation(context, [=] {
      for (std::int64_t j = 0; j < n; ++j)
        for (std::int64_t i = 0; i < m; ++i) C[i + j * ldc] = A[i + j * lda] * first[(left ? i : j) * incx];
    });
  });
}

}  // namespace
}  // namespace host_cuda

cublasStatus_t cublasSgeam(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,
                           int n, const float* alpha, const float* A, int lda, const float* beta,
                           const float* B, int ldb, float* C, int ldc) {
  return host_cuda::geam(__func__, handle, transa, transb, m, n, alpha, A, lda, beta, B, ldb, C, ldc);
}

cublasStatus_t cublasDgeam(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,
                           int n, const double* alpha, const double* A, int lda, const double* beta,
                           const double* B, int ldb, double* C, int ldc) {
  return host_cuda::geam(__func__, handle, transa, transb, m, n, alpha, A, lda, beta, B, ldb, C, ldc);
}

cublasStatus_t cublasSdgmm(cublasHandle_t handle, cublasSideMode_t mode, int m, int n, const float* A,
                           int lda, const float* x, int incx, float* C, int ldc) {
  return host_cuda::dgmm(__func__, handle, mode, m, n, A, lda, x, incx, C, ldc);
}

cublasStatus_t cublasDdgmm(cublasHandle_t handle, cublasSideMode_t mode, int m, int n, const double* A,
                           int lda, const double* x, int incx, double* C, int ldc) {
  return host_cuda::dgmm(__func__, handle, mode, m, n, A, lda, x, incx, C, ldc);
}
