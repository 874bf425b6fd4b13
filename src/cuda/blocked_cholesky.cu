#include "cuda/blocked_cholesky.hpp"

#include <algorithm>
#include <limits>

#include "copy.cuh"
#include "damp.cuh"
#include "fill.cuh"
#include "small_cholesky.cuh"

namespace natgrad {
namespace {

/// B ← op(L)⁻¹B, or Bop(L)⁻¹.
void solve(const CudaDevice& device, cublasSideMode_t side, cublasOperation_t t, MatrixView<const float> l,
           MatrixView<float> b) {
  const float one = 1.0f;
  check(cublasStrsm_64(device.blas(), side, CUBLAS_FILL_MODE_LOWER, t, CUBLAS_DIAG_NON_UNIT, b.rows, b.cols,
                       &one, l.data, l.stride, b.data, b.stride),
        "cublas trsm");
}

/// C ← C − ABᵀ, A and B rounded to TF32, sums in f32.
void subtract_rounded(const CudaDevice& device, MatrixView<const float> a, MatrixView<const float> b,
                      MatrixView<float> c) {
  const float minus_one = -1.0f, one = 1.0f;
  check(cublasGemmEx_64(device.blas(), CUBLAS_OP_N, CUBLAS_OP_T, c.rows, c.cols, a.cols, &minus_one, a.data,
                        CUDA_R_32F, a.stride, b.data, CUDA_R_32F, b.stride, &one, c.data, CUDA_R_32F,
                        c.stride, CUBLAS_COMPUTE_32F_FAST_TF32, CUBLAS_GEMM_DEFAULT),
        "cublas gemmEx");
}

/// Calls body(first, count) for the pieces of first … end − 1 that multiples of `step` divide it into.
template <class Body>
void for_pieces(Index first, Index end, Index step, Body body) {
  while (first < end) {
    const Index next = std::min(end, (first / step + 1) * step);
    body(first, next - first);
    first = next;
  }
}

/// A ← its lower Cholesky factor. Of the tiles on the diagonal the upper part is read and written too.
void factor(const CudaDevice& device, MatrixView<float> a, const MixedCholesky& options) {
  const Index n = a.rows;
  for_pieces(0, n, options.panel, [&](Index first, Index width) {
    const MatrixView<float> diagonal = a.block(first, first, width, width);
    kernels::small_cholesky<float>(diagonal, 0.0f, diagonal, {}, nullptr,
                                   {device.scalar(Slot::factor_info), nullptr, first}, device.stream());
    const Index below = first + width;
    if (below == n) return;
    solve(device, CUBLAS_SIDE_RIGHT, CUBLAS_OP_T, diagonal, a.block(below, first, n - below, width));
    for_pieces(below, n, options.tile, [&](Index col, Index cols) {
      subtract_rounded(device, a.block(col, first, n - col, width), a.block(col, first, cols, width),
                       a.block(col, col, n - col, cols));
    });
  });
}

/// r ← b − (F + λI)x
void residual(const CudaDevice& device, MatrixView<const float> f, float lambda, const float* b,
              const float* x, VectorView<float> r) {
  const char* call = "cublas symv";
  const float minus_one = -1.0f, one = 1.0f, minus_lambda = -lambda;
  const int n = to_int(f.rows, call, "the order"), stride = to_int(f.stride, call, "the stride");
  kernels::copy<float>({b, n, 1}, {r.data, n, 1}, device.stream());
  check(cublasSsymv(device.blas(), CUBLAS_FILL_MODE_LOWER, n, &minus_one, f.data, stride, x, 1, &one, r.data,
                    1),
        call);
  check(cublasSaxpy(device.blas(), n, &minus_lambda, x, 1, r.data, 1), "cublas axpy");
}

}  // namespace

// [F + λI, b; bᵀ, c] = LLᵀ has (L⁻¹b)ᵀ in the last row of L: see Backend::factor_and_solve.
void mixed_factor_and_solve(const CudaDevice& device, MatrixView<const float> f, float lambda,
                            MatrixView<float> bordered, VectorView<float> b, float* workspace,
                            const MixedCholesky& options) {
  const Index n = f.rows;
  const cudaStream_t stream = device.stream();
  const MatrixView<float> l = bordered.block(0, 0, n, n), last = bordered.block(n, 0, 1, n), x(b.data, n, 1);
  const MatrixView<float> rhs(workspace, n, 1), r(workspace + n, n, 1);
  for_pieces(0, n + 1, options.tile, [&](Index first, Index size) {
    kernels::fill(bordered.block(first, first, size, size), 0.0f, kernels::Part::all, stream);
  });
  kernels::damp(BatchView<const float>(f), lambda, BatchView<float>(l), device.scalar(Slot::largest_diagonal),
                device.reduction());
  kernels::copy<float>(x, rhs, stream);
  kernels::copy<float>({b.data, 1, n, 1}, last, stream);
  kernels::fill(bordered.block(n, n, 1, 1), std::numeric_limits<float>::max() / 4.0f, kernels::Part::all,
                stream);
  factor(device, bordered, options);
  kernels::copy<float>(last, {b.data, 1, n, 1}, stream);
  solve(device, CUBLAS_SIDE_LEFT, CUBLAS_OP_T, l, x);
  for (int i = 0; i < options.refinements; ++i) {
    residual(device, f, lambda, rhs.data, x.data, r.column(0));
    solve(device, CUBLAS_SIDE_LEFT, CUBLAS_OP_N, l, r);
    solve(device, CUBLAS_SIDE_LEFT, CUBLAS_OP_T, l, r);
    const float one = 1.0f;
    check(cublasSaxpy_64(device.blas(), n, &one, r.data, 1, x.data, 1), "cublas axpy");
  }
}

}  // namespace natgrad
