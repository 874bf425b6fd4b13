/// Matrix products, factorisations and solves of the CUDA backend, over cuBLAS and cuSOLVER.
#include "cuda/cuda_backend.hpp"
#include "damp.cuh"
#include "factor_info.cuh"
#include "fill.cuh"
#include "operation_shapes.hpp"
#include "pointers.cuh"
#include "precision.hpp"
#include "scale.cuh"
#include "spectral_solve.cuh"
#include "zero_unless_finite.cuh"

namespace natgrad {
namespace {

cublasOperation_t flag(Transpose t) { return t == Transpose::yes ? CUBLAS_OP_T : CUBLAS_OP_N; }

/// C ← βC, for products without a term; C may hold anything where β = 0.
template <class R>
void scale_or_clear(R beta, MatrixView<R> c, kernels::Part part, cudaStream_t stream) {
  if (beta != R(0)) return kernels::scale(beta, c, part, stream);
  kernels::fill(c, R(0), part, stream);
}

}  // namespace

template <class R>
void CudaBackend<R>::gemm(Transpose ta, Transpose tb, R alpha, MatrixView<const R> a, MatrixView<const R> b,
                          R beta, MatrixView<R> c) {
  const Index k = shapes::gemm(ta, tb, a, b, c);
  if (c.size() == 0) return;
  if (k == 0) return scale_or_clear(beta, c, kernels::Part::all, device_.stream());
  if (c.cols == 1 && tb == Transpose::no) {
    check(pick<R>(cublasSgemv_64, cublasDgemv_64)(device_.blas(), flag(ta), a.rows, a.cols, &alpha, a.data,
                                                  a.stride, b.data, 1, &beta, c.data, 1),
          "cublas gemv");
    return;
  }
  check(pick<R>(cublasSgemm_64, cublasDgemm_64)(device_.blas(), flag(ta), flag(tb), c.rows, c.cols, k, &alpha,
                                                a.data, a.stride, b.data, b.stride, &beta, c.data, c.stride),
        "cublas gemm");
}

template <class R>
void CudaBackend<R>::syrk(R alpha, MatrixView<const R> a, R beta, MatrixView<R> c) {
  shapes::syrk(a, c);
  if (c.size() == 0) return;
  if (a.cols == 0) return scale_or_clear(beta, c, kernels::Part::lower, device_.stream());
  check(pick<R>(cublasSsyrk_64, cublasDsyrk_64)(device_.blas(), CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N, a.rows,
                                                a.cols, &alpha, a.data, a.stride, &beta, c.data, c.stride),
        "cublas syrk");
}

template <class R>
void CudaBackend<R>::symv(MatrixView<const R> a, VectorView<const R> x, VectorView<R> y) {
  shapes::symv(a, x, y);
  if (a.rows == 0) return;
  const char* call = "cublas symv";
  const R one = R(1), zero = R(0);
  check(pick<R>(cublasSsymv, cublasDsymv)(device_.blas(), CUBLAS_FILL_MODE_LOWER,
                                          to_int(a.rows, call, "the order"), &one, a.data,
                                          to_int(a.stride, call, "the stride"), x.data, 1, &zero, y.data, 1),
        call);
}

template <class R>
void CudaBackend<R>::damp(BatchView<const R> f, R lambda, BatchView<R> out) {
  shapes::damp(f, out);
  kernels::damp(f, lambda, out, device_.scalar(Slot::largest_diagonal), device_.reduction());
}

template <class R>
void CudaBackend<R>::cholesky(BatchView<R> a) {
  if (a.size() == 0) return;
  const int n = to_int(a.n, "cusolver potrf", "the order");
  const int count = to_int(a.count, "cusolver potrfBatched", "the number of matrices");
  const auto lower = CUBLAS_FILL_MODE_LOWER;
  int* info = this->info(a.count);
  if (count == 1) {
    int size = 0;  // of the workspace, in elements
    check(pick<R>(cusolverDnSpotrf_bufferSize, cusolverDnDpotrf_bufferSize)(device_.solver(), lower, n,
                                                                            a.data, n, &size),
          "cusolver potrf_bufferSize");
    check(pick<R>(cusolverDnSpotrf, cusolverDnDpotrf)(device_.solver(), lower, n, a.data, n,
                                                      workspace<R>(size), size, info),
          "cusolver potrf");
  } else {
    R** matrices = pointers(a.count);
    kernels::pointers(a.data, a.n * a.n, matrices, a.count, device_.stream());
    check(pick<R>(cusolverDnSpotrfBatched, cusolverDnDpotrfBatched)(device_.solver(), lower, n, matrices, n,
                                                                    info, count),
          "cusolver potrfBatched");
  }
  kernels::cholesky_info(BatchView<const R>(a), info, device_.scratch(), device_.scalar(Slot::factor_info),
                         device_.reduction());
}

template <class R>
void CudaBackend<R>::cholesky_solve(BatchView<const R> l, MatrixView<R> b) {
  shapes::cholesky_solve(l, b);
  if (b.size() == 0) return;
  const char* call = "cusolver potrs";
  const int n = to_int(l.n, call, "the order"), cols = to_int(b.cols, call, "the number of columns");
  const int stride = to_int(b.stride, call, "the stride of B");
  const auto lower = CUBLAS_FILL_MODE_LOWER;
  int* info = this->info(1);  // tells of wrong arguments only: not read
  if (l.count == 1) {
    check(pick<R>(cusolverDnSpotrs, cusolverDnDpotrs)(device_.solver(), lower, n, cols, l.data, n, b.data,
                                                      stride, info),
          call);
    return;
  }
  R **factors = pointers(2 * l.count), **columns = factors + l.count;
  kernels::pointers(const_cast<R*>(l.data), l.n * l.n, factors, l.count, device_.stream());
  kernels::pointers(b.data, b.stride, columns, l.count, device_.stream());
  check(pick<R>(cusolverDnSpotrsBatched, cusolverDnDpotrsBatched)(device_.solver(), lower, n, 1, factors, n,
                                                                  columns, stride, info, cols),
        "cusolver potrsBatched");
}

template <class R>
void CudaBackend<R>::eigen(MatrixView<R> a, VectorView<R> w) {
  shapes::eigen(a, w);
  if (a.rows == 0) return;
  const char* call = "cusolver syevd";
  const int n = to_int(a.rows, call, "the order"), stride = to_int(a.stride, call, "the stride");
  const auto vectors = CUSOLVER_EIG_MODE_VECTOR;
  const auto lower = CUBLAS_FILL_MODE_LOWER;
  int* info = this->info(1);
  kernels::zero_unless_finite(a, device_.scratch(), device_.reduction());
  int size = 0;  // of the workspace, in elements
  check(pick<R>(cusolverDnSsyevd_bufferSize, cusolverDnDsyevd_bufferSize)(device_.solver(), vectors, lower, n,
                                                                          a.data, stride, w.data, &size),
        "cusolver syevd_bufferSize");
  check(pick<R>(cusolverDnSsyevd, cusolverDnDsyevd)(device_.solver(), vectors, lower, n, a.data, stride,
                                                    w.data, workspace<R>(size), size, info),
        call);
  kernels::eigen_info(device_.scratch(), info, device_.scalar(Slot::factor_info), device_.stream());
}

template <class R>
void CudaBackend<R>::spectral_solve(VectorView<const R> w, R cutoff, VectorView<R> c) {
  shapes::same_size("spectral_solve", w, c);
  kernels::spectral_solve(w, cutoff, c, device_.scratch(), device_.scalar(Slot::rank), device_.reduction());
}

template class CudaBackend<float>;
template class CudaBackend<double>;

}  // namespace natgrad
