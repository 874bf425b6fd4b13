/// CBLAS by overload instead of by letter, column-major.
#pragma once

#include <cblas.h>

namespace host_cuda::blas {

inline void axpy(int n, float a, const float* x, int incx, float* y, int incy) {
  cblas_saxpy(n, a, x, incx, y, incy);
}
inline void axpy(int n, double a, const double* x, int incx, double* y, int incy) {
  cblas_daxpy(n, a, x, incx, y, incy);
}
inline void scal(int n, float a, float* x, int incx) { cblas_sscal(n, a, x, incx); }
inline void scal(int n, double a, double* x, int incx) { cblas_dscal(n, a, x, incx); }
inline float dot(int n, const float* x, int incx, const float* y, int incy) {
  return cblas_sdot(n, x, incx, y, incy);
}
inline double dot(int n, const double* x, int incx, const double* y, int incy) {
  return cblas_ddot(n, x, incx, y, incy);
}
inline float nrm2(int n, const float* x, int incx) { return cblas_snrm2(n, x, incx); }
inline double nrm2(int n, const double* x, int incx) { return cblas_dnrm2(n, x, incx); }
inline void copy(int n, const float* x, int incx, float* y, int incy) { cblas_scopy(n, x, incx, y, incy); }
inline void copy(int n, const double* x, int incx, double* y, int incy) { cblas_dcopy(n, x, incx, y, incy); }

inline void gemv(CBLAS_TRANSPOSE trans, int m, int n, float alpha, const float* a, int lda, const float* x,
                 int incx, float beta, float* y, int incy) {
  cblas_sgemv(CblasColMajor, trans, m, n, alpha, a, lda, x, incx, beta, y, incy);
}
inline void gemv(CBLAS_TRANSPOSE trans, int m, int n, double alpha, const double* a, int lda, const double* x,
                 int incx, double beta, double* y, int incy) {
  cblas_dgemv(CblasColMajor, trans, m, n, alpha, a, lda, x, incx, beta, y, incy);
}
inline void symv(CBLAS_UPLO uplo, int n, float alpha, const float* a, int lda, const float* x, int incx,
                 float beta, float* y, int incy) {
  cblas_ssymv(CblasColMajor, uplo, n, alpha, a, lda, x, incx, beta, y, incy);
}
inline void symv(CBLAS_UPLO uplo, int n, double alpha, const double* a, int lda, const double* x, int incx,
                 double beta, double* y, int incy) {
  cblas_dsymv(CblasColMajor, uplo, n, alpha, a, lda, x, incx, beta, y, incy);
}

inline void gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, float alpha, const float* a,
                 int lda, const float* b, int ldb, float beta, float* c, int ldc) {
  cblas_sgemm(CblasColMajor, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
inline void gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, double alpha, const double* a,
                 int lda, const double* b, int ldb, double beta, double* c, int ldc) {
  cblas_dgemm(CblasColMajor, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
inline void syrk(CBLAS_UPLO uplo, CBLAS_TRANSPOSE trans, int n, int k, float alpha, const float* a, int lda,
                 float beta, float* c, int ldc) {
  cblas_ssyrk(CblasColMajor, uplo, trans, n, k, alpha, a, lda, beta, c, ldc);
}
inline void syrk(CBLAS_UPLO uplo, CBLAS_TRANSPOSE trans, int n, int k, double alpha, const double* a, int lda,
                 double beta, double* c, int ldc) {
  cblas_dsyrk(CblasColMajor, uplo, trans, n, k, alpha, a, lda, beta, c, ldc);
}
inline void symm(CBLAS_SIDE side, CBLAS_UPLO uplo, int m, int n, float alpha, const float* a, int lda,
                 const float* b, int ldb, float beta, float* c, int ldc) {
  cblas_ssymm(CblasColMajor, side, uplo, m, n, alpha, a, lda, b, ldb, beta, c, ldc);
}
inline void symm(CBLAS_SIDE side, CBLAS_UPLO uplo, int m, int n, double alpha, const double* a, int lda,
                 const double* b, int ldb, double beta, double* c, int ldc) {
  cblas_dsymm(CblasColMajor, side, uplo, m, n, alpha, a, lda, b, ldb, beta, c, ldc);
}
inline void trsm(CBLAS_SIDE side, CBLAS_UPLO uplo, CBLAS_TRANSPOSE trans, CBLAS_DIAG diag, int m, int n,
                 float alpha, const float* a, int lda, float* b, int ldb) {
  cblas_strsm(CblasColMajor, side, uplo, trans, diag, m, n, alpha, a, lda, b, ldb);
}
inline void trsm(CBLAS_SIDE side, CBLAS_UPLO uplo, CBLAS_TRANSPOSE trans, CBLAS_DIAG diag, int m, int n,
                 double alpha, const double* a, int lda, double* b, int ldb) {
  cblas_dtrsm(CblasColMajor, side, uplo, trans, diag, m, n, alpha, a, lda, b, ldb);
}

}  // namespace host_cuda::blas
