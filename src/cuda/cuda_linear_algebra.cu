/// Matrix products, Cholesky factorisations and their solves of the CUDA backend, over cuBLAS and cuSOLVER.
#include "cuda/cuda_backend.hpp"
#include "damp.cuh"
#include "factor_info.cuh"
#include "fill.cuh"
#include "operation_shapes.hpp"
#include "pointers.cuh"
#include "precision.hpp"
#include "scale.cuh"

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
  const int stride = to_int(a.stride, "cusolver potrf", "the stride");
  const int count = to_int(a.count, "cusolver potrfBatched", "the number of matrices");
  const auto lower = CUBLAS_FILL_MODE_LOWER;
  int* info = this->info(a.count);
  if (count == 1) {
    int size = 0;  // of the workspace, in elements
    check(pick<R>(cusolverDnSpotrf_bufferSize, cusolverDnDpotrf_bufferSize)(device_.solver(), lower, n,
                                                                            a.data, stride, &size),
          "cusolver potrf_bufferSize");
    check(pick<R>(cusolverDnSpotrf, cusolverDnDpotrf)(device_.solver(), lower, n, a.data, stride,
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
    check(pick<R>(cusolverDnSpotrs, cusolverDnDpotrs)(device_.solver(), lower, n, cols, l.data,
                                                      to_int(l.stride, call, "the stride of L"), b.data,
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
void CudaBackend<R>::triangular_solve(Side side, Transpose t, MatrixView<const R> l, MatrixView<R> b) {
  shapes::triangular_solve(side, l, b);
  if (b.size() == 0) return;
  const R one = R(1);
  check(pick<R>(cublasStrsm_64, cublasDtrsm_64)(
            device_.blas(), side == Side::left ? CUBLAS_SIDE_LEFT : CUBLAS_SIDE_RIGHT, CUBLAS_FILL_MODE_LOWER,
            flag(t), CUBLAS_DIAG_NON_UNIT, b.rows, b.cols, &one, l.data, l.stride, b.data, b.stride),
        "cublas trsm");
}

template class CudaBackend<float>;
template class CudaBackend<double>;

}  // namespace natgrad
