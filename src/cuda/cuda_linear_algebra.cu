/// Matrix products, Cholesky factorisations and their solves of the CUDA backend, over cuBLAS and cuSOLVER.
#include "cuda/blocked_cholesky.hpp"
#include "cuda/cuda_backend.hpp"
#include "damp.cuh"
#include "factor_info.cuh"
#include "fill.cuh"
#include "operation_shapes.hpp"
#include "pointers.cuh"
#include "precision.hpp"
#include "scale.cuh"
#include "small_cholesky.cuh"
#include "warp_cholesky.cuh"

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
  shapes::gemm(ta, tb, a, b, c);
  if (!is_withheld<&CudaBackend::gemm>(ta, tb, alpha, a, b, beta, c)) multiply(ta, tb, alpha, a, b, beta, c);
}

template <class R>
void CudaBackend<R>::multiply(Transpose ta, Transpose tb, R alpha, MatrixView<const R> a,
                              MatrixView<const R> b, R beta, MatrixView<R> c) {
  if (c.size() == 0) return;
  const Index k = ta == Transpose::yes ? a.rows : a.cols;
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
  if (is_withheld<&CudaBackend::syrk>(alpha, a, beta, c)) return;
  if (c.size() == 0) return;
  if (a.cols == 0) return scale_or_clear(beta, c, kernels::Part::lower, device_.stream());
  check(pick<R>(cublasSsyrk_64, cublasDsyrk_64)(device_.blas(), CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N, a.rows,
                                                a.cols, &alpha, a.data, a.stride, &beta, c.data, c.stride),
        "cublas syrk");
}

template <class R>
void CudaBackend<R>::symv(MatrixView<const R> a, VectorView<const R> x, VectorView<R> y) {
  shapes::symv(a, x, y);
  if (is_withheld<&CudaBackend::symv>(a, x, y)) return;
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
  if (is_withheld<&CudaBackend::damp>(f, lambda, out)) return;
  kernels::damp(f, lambda, out, device_.scalar(Slot::largest_diagonal), device_.reduction());
}

template <class R>
void CudaBackend<R>::factor_and_solve(MatrixView<const R> f, R lambda, MatrixView<R> bordered,
                                      VectorView<R> b, Accuracy accuracy) {
  shapes::factor_and_solve(f, bordered, b);
  const Index n = f.rows;
  const bool mixed =
      sizeof(R) == sizeof(float) && takes_tensor_cores(accuracy) && n >= routes::mixed_cholesky_order;
  const bool small = n > 0 && n <= kernels::small_cholesky_limit &&
                     routes::is_own(options_.cholesky, n, routes::cholesky_order);
  if (!mixed && !small) return Backend<R>::factor_and_solve(f, lambda, bordered, b, accuracy);
  if (is_withheld<&CudaBackend::factor_and_solve>(f, lambda, bordered, b, accuracy)) return;
  if constexpr (sizeof(R) == sizeof(float))
    if (mixed) return mixed_factor_and_solve(device_, f, lambda, bordered, b, workspace<R>(2 * n));
  kernels::small_cholesky<R>(f, lambda, bordered.block(0, 0, n, n), b, workspace<R>(n),
                             {device_.scalar(Slot::factor_info), device_.scalar(Slot::largest_diagonal)},
                             device_.stream());
}

template <class R>
void CudaBackend<R>::cholesky(BatchView<R> a) {
  if (is_withheld<&CudaBackend::cholesky>(a)) return;
  if (a.size() == 0) return;
  const int n = to_int(a.n, "cusolver potrf", "the order");
  const int stride = to_int(a.stride, "cusolver potrf", "the stride");
  const int count = to_int(a.count, "cusolver potrfBatched", "the number of matrices");
  const auto lower = CUBLAS_FILL_MODE_LOWER;
  int* info = this->info(a.count);
  const bool own = routes::is_own(options_.cholesky, a.n, routes::cholesky_order);
  if (count == 1 && own && a.n <= kernels::small_cholesky_limit) {
    return kernels::small_cholesky<R>(a[0], R(0), a[0], {}, nullptr, {device_.scalar(Slot::factor_info)},
                                      device_.stream());
  }
  if (count > 1 && own && a.n <= kernels::warp_cholesky_limit) {
    kernels::warp_cholesky(a, info, device_.stream());
  } else if (count == 1) {
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
  if (is_withheld<&CudaBackend::cholesky_solve>(l, b)) return;
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
  if (routes::is_own(options_.cholesky, l.n, routes::cholesky_order) && l.n <= kernels::warp_cholesky_limit)
    return kernels::warp_cholesky_solve(l, b, device_.stream());
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
  if (is_withheld<&CudaBackend::triangular_solve>(side, t, l, b)) return;
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
