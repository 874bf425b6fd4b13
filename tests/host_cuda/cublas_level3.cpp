/// cuBLAS: products with symmetry, and triangular solves. TF32 is for the products: what a device rounds
/// inside a solve depends on how it blocks it.
#include "host_cuda/cublas.hpp"

namespace host_cuda {
namespace {

template <class R>
cublasStatus_t syrk(const char* name, cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t trans,
                    std::int64_t n, std::int64_t k, const R* alpha, const R* A, std::int64_t lda,
                    const R* beta, R* C, std::int64_t ldc) {
  return cublas_call(name, handle, [=](cublasContext& context) {
    const auto triangle = to_cblas(uplo);
    const auto operation = to_cblas(trans);
    const bool transposed = operation == CblasTrans;
    const int order = size(n, "n"), inner = size(k, "k");
    const Scalar<R> a(context, alpha, "alpha"), b(context, beta, "beta");
    require_matrix(A, transposed ? k : n, transposed ? n : k, lda, "A");
    require_matrix(C, n, n, ldc, "C");
    const bool tf32 = allows_tf32(context);
    enqueue_operation(context, [=] {
      const Input<R> in(A, transposed ? k : n, transposed ? n : k, lda, tf32);
      blas::syrk(triangle, operation, order, inner, a.get(), in.data(), in.ld(), b.get(), C,
                 static_cast<int>(ldc));
    });
  });
}

template <class R>
cublasStatus_t symm(const char* name, cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,
                    int m, int n, const R* alpha, const R* A, int lda, const R* B, int ldb, const R* beta,
                    R* C, int ldc) {
  return cublas_call(name, handle, [=](cublasContext& context) {
    const auto where = to_cblas(side);
    const auto triangle = to_cblas(uplo);
    const int rows = size(m, "m"), cols = size(n, "n"), order = where == CblasLeft ? rows : cols;
    const Scalar<R> a(context, alpha, "alpha"), b(context, beta, "beta");
    require_matrix(A, order, order, lda, "A");
    require_matrix(B, m, n, ldb, "B");
    require_matrix(C, m, n, ldc, "C");
    const bool tf32 = allows_tf32(context);
    enqueue_operation(context, [=] {
      const Input<R> in_a(A, order, order, lda, tf32), in_b(B, m, n, ldb, tf32);
      blas::symm(where, triangle, rows, cols, a.get(), in_a.data(), in_a.ld(), in_b.data(), in_b.ld(),
                 b.get(), C, ldc);
    });
  });
}

template <class R>
cublasStatus_t trsm(const char* name, cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,
                    cublasOperation_t trans, cublasDiagType_t diag, std::int64_t m, std::int64_t n,
                    const R* alpha, const R* A, std::int64_t lda, R* B, std::int64_t ldb) {
  return cublas_call(name, handle, [=](cublasContext& context) {
    const auto where = to_cblas(side);
    const auto triangle = to_cblas(uplo);
    const auto operation = to_cblas(trans);
    const auto diagonal = to_cblas(diag);
    const int rows = size(m, "m"), cols = size(n, "n"), order = where == CblasLeft ? rows : cols;
    const Scalar<R> a(context, alpha, "alpha");
    require_matrix(A, order, order, lda, "A");
    require_matrix(B, m, n, ldb, "B");
    enqueue_operation(context, [=] {
      blas::trsm(where, triangle, operation, diagonal, rows, cols, a.get(), A, static_cast<int>(lda), B,
                 static_cast<int>(ldb));
    });
  });
}

template <class R>
cublasStatus_t trsm_batched(const char* name, cublasHandle_t handle, cublasSideMode_t side,
                            cublasFillMode_t uplo, cublasOperation_t trans, cublasDiagType_t diag, int m,
                            int n, const R* alpha, const R* const A[], int lda, R* const B[], int ldb,
                            int batchCount) {
  return cublas_call(name, handle, [=](cublasContext& context) {
    const auto where = to_cblas(side);
    const auto triangle = to_cblas(uplo);
    const auto operation = to_cblas(trans);
    const auto diagonal = to_cblas(diag);
    const int rows = size(m, "m"), cols = size(n, "n"), order = where == CblasLeft ? rows : cols;
    const int count = size(batchCount, "the number of matrices");
    const Scalar<R> a(context, alpha, "alpha");
    require(lda >= std::max(1, order) && ldb >= std::max(1, rows), "a leading dimension is too small");
    require_vector(A, count, 1, "the array of A");
    require_vector(B, count, 1, "the array of B");
    enqueue_operation(context, [=] {
      for (int i = 0; i < count; ++i) {
        require_matrix(A[i], order, order, lda, "A");
        require_matrix(B[i], rows, cols, ldb, "B");
        blas::trsm(where, triangle, operation, diagonal, rows, cols, a.get(), A[i], lda, B[i], ldb);
      }
    });
  });
}

}  // namespace
}  // namespace host_cuda

cublasStatus_t cublasSsyrk(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t trans, int n,
                           int k, const float* alpha, const float* A, int lda, const float* beta, float* C,
                           int ldc) {
  return host_cuda::syrk(__func__, handle, uplo, trans, n, k, alpha, A, lda, beta, C, ldc);
}

cublasStatus_t cublasSsyrk_64(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t trans,
                              int64_t n, int64_t k, const float* alpha, const float* A, int64_t lda,
                              const float* beta, float* C, int64_t ldc) {
  return host_cuda::syrk(__func__, handle, uplo, trans, n, k, alpha, A, lda, beta, C, ldc);
}

cublasStatus_t cublasDsyrk(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t trans, int n,
                           int k, const double* alpha, const double* A, int lda, const double* beta,
                           double* C, int ldc) {
  return host_cuda::syrk(__func__, handle, uplo, trans, n, k, alpha, A, lda, beta, C, ldc);
}

cublasStatus_t cublasDsyrk_64(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t trans,
                              int64_t n, int64_t k, const double* alpha, const double* A, int64_t lda,
                              const double* beta, double* C, int64_t ldc) {
  return host_cuda::syrk(__func__, handle, uplo, trans, n, k, alpha, A, lda, beta, C, ldc);
}

cublasStatus_t cublasSsymm(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo, int m, int n,
                           const float* alpha, const float* A, int lda, const float* B, int ldb,
                           const float* beta, float* C, int ldc) {
  return host_cuda::symm(__func__, handle, side, uplo, m, n, alpha, A, lda, B, ldb, beta, C, ldc);
}

cublasStatus_t cublasDsymm(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo, int m, int n,
                           const double* alpha, const double* A, int lda, const double* B, int ldb,
                           const double* beta, double* C, int ldc) {
  return host_cuda::symm(__func__, handle, side, uplo, m, n, alpha, A, lda, B, ldb, beta, C, ldc);
}

cublasStatus_t cublasStrsm(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,
                           cublasOperation_t trans, cublasDiagType_t diag, int m, int n, const float* alpha,
                           const float* A, int lda, float* B, int ldb) {
  return host_cuda::trsm(__func__, handle, side, uplo, trans, diag, m, n, alpha, A, lda, B, ldb);
}

cublasStatus_t cublasStrsm_64(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,
                              cublasOperation_t trans, cublasDiagType_t diag, int64_t m, int64_t n,
                              const float* alpha, const float* A, int64_t lda, float* B, int64_t ldb) {
  return host_cuda::trsm(__func__, handle, side, uplo, trans, diag, m, n, alpha, A, lda, B, ldb);
}

cublasStatus_t cublasDtrsm(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,
                           cublasOperation_t trans, cublasDiagType_t diag, int m, int n, const double* alpha,
                           const double* A, int lda, double* B, int ldb) {
  return host_cuda::trsm(__func__, handle, side, uplo, trans, diag, m, n, alpha, A, lda, B, ldb);
}

cublasStatus_t cublasDtrsm_64(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,
                              cublasOperation_t trans, cublasDiagType_t diag, int64_t m, int64_t n,
                              const double* alpha, const double* A, int64_t lda, double* B, int64_t ldb) {
  return host_cuda::trsm(__func__, handle, side, uplo, trans, diag, m, n, alpha, A, lda, B, ldb);
}

cublasStatus_t cublasStrsmBatched(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,
                                  cublasOperation_t trans, cublasDiagType_t diag, int m, int n,
                                  const float* alpha, const float* const A[], int lda, float* const B[],
                                  int ldb, int batchCount) {
  return host_cuda::trsm_batched(__func__, handle, side, uplo, trans, diag, m, n, alpha, A, lda, B, ldb,
                                 batchCount);
}

cublasStatus_t cublasDtrsmBatched(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,
                                  cublasOperation_t trans, cublasDiagType_t diag, int m, int n,
                                  const double* alpha, const double* const A[], int lda, double* const B[],
                                  int ldb, int batchCount) {
  return host_cuda::trsm_batched(__func__, handle, side, uplo, trans, diag, m, n, alpha, A, lda, B, ldb,
                                 batchCount);
}
