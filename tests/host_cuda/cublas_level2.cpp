/// cuBLAS: matrix times vector.
#include "host_cuda/cublas.hpp"

namespace host_cuda {
namespace {

template <class R>
cublasStatus_t gemv(const char* name, cublasHandle_t handle, cublasOperation_t trans, std::int64_t m,
                    std::int64_t n, const R* alpha, const R* A, std::int64_t lda, const R* x,
                    std::int64_t incx, const R* beta, R* y, std::int64_t incy) {
  return cublas_call(name, handle, [=](cublasContext& context) {
    const int rows = size(m, "m"), cols = size(n, "n");
    const auto operation = to_cblas(trans);
    const bool transposed = operation == CblasTrans;
    const Scalar<R> a(context, alpha, "alpha"), b(context, beta, "beta");
    require_matrix(A, m, n, lda, "A");
    require_vector(x, transposed ? m : n, incx, "x");
    require_vector(y, transposed ? n : m, incy, "y");
    enqueue_operation(context, [=] {
      blas::gemv(operation, rows, cols, a.get(), A, static_cast<int>(lda), x, static_cast<int>(incx), b.get(),
                 y, static_cast<int>(incy));
    });
  });
}

template <class R>
cublasStatus_t symv(const char* name, cublasHandle_t handle, cublasFillMode_t uplo, int n, const R* alpha,
                    const R* A, int lda, const R* x, int incx, const R* beta, R* y, int incy) {
  return cublas_call(name, handle, [=](cublasContext& context) {
    const int order = size(n, "n");
    const auto triangle = to_cblas(uplo);
    const Scalar<R> a(context, alpha, "alpha"), b(context, beta, "beta");
    require_matrix(A, n, n, lda, "A");
    require_vector(x, n, incx, "x");
    require_vector(y, n, incy, "y");
    enqueue_operation(context,
                      [=] { blas::symv(triangle, order, a.get(), A, lda, x, incx, b.get(), y, incy); });
  });
}

}  // namespace
}  // namespace host_cuda

cublasStatus_t cublasSgemv(cublasHandle_t handle, cublasOperation_t trans, int m, int n, const float* alpha,
                           const float* A, int lda, const float* x, int incx, const float* beta, float* y,
                           int incy) {
  return host_cuda::gemv(__func__, handle, trans, m, n, alpha, A, lda, x, incx, beta, y, incy);
}

cublasStatus_t cublasSgemv_64(cublasHandle_t handle, cublasOperation_t trans, int64_t m, int64_t n,
                              const float* alpha, const float* A, int64_t lda, const float* x, int64_t incx,
                              const float* beta, float* y, int64_t incy) {
  return host_cuda::gemv(__func__, handle, trans, m, n, alpha, A, lda, x, incx, beta, y, incy);
}

cublasStatus_t cublasDgemv(cublasHandle_t handle, cublasOperation_t trans, int m, int n, const double* alpha,
                           const double* A, int lda, const double* x, int incx, const double* beta, double* y,
                           int incy) {
  return host_cuda::gemv(__func__, handle, trans, m, n, alpha, A, lda, x, incx, beta, y, incy);
}

cublasStatus_t cublasDgemv_64(cublasHandle_t handle, cublasOperation_t trans, int64_t m, int64_t n,
                              const double* alpha, const double* A, int64_t lda, const double* x,
                              int64_t incx, const double* beta, double* y, int64_t incy) {
  return host_cuda::gemv(__func__, handle, trans, m, n, alpha, A, lda, x, incx, beta, y, incy);
}

cublasStatus_t cublasSsymv(cublasHandle_t handle, cublasFillMode_t uplo, int n, const float* alpha,
                           const float* A, int lda, const float* x, int incx, const float* beta, float* y,
                           int incy) {
  return host_cuda::symv(__func__, handle, uplo, n, alpha, A, lda, x, incx, beta, y, incy);
}

cublasStatus_t cublasDsymv(cublasHandle_t handle, cublasFillMode_t uplo, int n, const double* alpha,
                           const double* A, int lda, const double* x, int incx, const double* beta, double* y,
                           int incy) {
  return host_cuda::symv(__func__, handle, uplo, n, alpha, A, lda, x, incx, beta, y, incy);
}
