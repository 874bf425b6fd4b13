/// Matrix products, factorisations and solves of the CPU backend, over CBLAS and LAPACKE.
#include <cblas.h>
#include <lapacke.h>

#include <algorithm>
#include <cmath>

#include "cpu/cpu_backend.hpp"
#include "operation_shapes.hpp"
#include "precision.hpp"

namespace natgrad {
namespace {

// The libraries take 32-bit sizes.
blasint to_blas(Index n) {
  if (n > INT32_MAX)
    throw ShapeError("a dimension of " + std::to_string(n) +
                     " exceeds the 2147483647 of BLAS; try a smaller --batch");
  return static_cast<blasint>(n);
}

// A leading dimension: the libraries refuse 0 even where there are no rows.
blasint leading(Index stride) { return to_blas(std::max<Index>(1, stride)); }

CBLAS_TRANSPOSE flag(Transpose t) { return t == Transpose::yes ? CblasTrans : CblasNoTrans; }

template <class R>
bool all_finite_lower(MatrixView<const R> a) {
  for (Index j = 0; j < a.cols; ++j)
    for (Index i = j; i < a.rows; ++i)
      if (!std::isfinite(a.data[i + j * a.stride])) return false;
  return true;
}

// Factors in place; LAPACK's info, or −1 where the factor's diagonal is not finite.
template <class R>
int cholesky_one(MatrixView<R> a) {
  const lapack_int info = pick<R>(LAPACKE_spotrf_work, LAPACKE_dpotrf_work)(
      LAPACK_COL_MAJOR, 'L', to_blas(a.rows), a.data, leading(a.stride));
  if (info != 0) return info;
  for (Index i = 0; i < a.rows; ++i) {
    const R pivot = a.data[i + i * a.stride];
    if (!std::isfinite(pivot) || pivot <= R(0)) return -1;
  }
  return 0;
}

template <class R>
void solve_one(MatrixView<const R> l, MatrixView<R> b) {
  for (const auto transpose : {CblasNoTrans, CblasTrans})
    pick<R>(cblas_strsm, cblas_dtrsm)(CblasColMajor, CblasLeft, CblasLower, transpose, CblasNonUnit,
                                      to_blas(b.rows), to_blas(b.cols), R(1), l.data, leading(l.stride),
                                      b.data, leading(b.stride));
}

}  // namespace

template <class R>
void CpuBackend<R>::gemm(Transpose ta, Transpose tb, R alpha, MatrixView<const R> a, MatrixView<const R> b,
                         R beta, MatrixView<R> c) {
  const Index k = shapes::gemm(ta, tb, a, b, c);
  if (c.size() == 0) return;
  if (beta == R(0)) fill(c, R(0));  // BLAS may multiply what it finds by β
  if (k == 0 && beta != R(0))
    for (Index j = 0; j < c.cols; ++j) scale(beta, {c.data + j * c.stride, c.rows});
  if (k == 0) return;
  if (c.cols == 1 && (tb == Transpose::no)) {
    pick<R>(cblas_sgemv, cblas_dgemv)(CblasColMajor, flag(ta), to_blas(a.rows), to_blas(a.cols), alpha,
                                      a.data, leading(a.stride), b.data, 1, beta, c.data, 1);
    return;
  }
  pick<R>(cblas_sgemm, cblas_dgemm)(CblasColMajor, flag(ta), flag(tb), to_blas(c.rows), to_blas(c.cols),
                                    to_blas(k), alpha, a.data, leading(a.stride), b.data, leading(b.stride),
                                    beta, c.data, leading(c.stride));
}

template <class R>
void CpuBackend<R>::syrk(R alpha, MatrixView<const R> a, R beta, MatrixView<R> c) {
  shapes::syrk(a, c);
  if (beta == R(0))
    for (Index j = 0; j < c.cols; ++j) std::fill_n(c.data + j + j * c.stride, c.rows - j, R(0));
  pick<R>(cblas_ssyrk, cblas_dsyrk)(CblasColMajor, CblasLower, CblasNoTrans, to_blas(a.rows), to_blas(a.cols),
                                    alpha, a.data, leading(a.stride), beta, c.data, leading(c.stride));
}

template <class R>
void CpuBackend<R>::symv(MatrixView<const R> a, VectorView<const R> x, VectorView<R> y) {
  shapes::symv(a, x, y);
  fill({y.data, y.size, 1}, R(0));
  pick<R>(cblas_ssymv, cblas_dsymv)(CblasColMajor, CblasLower, to_blas(a.rows), R(1), a.data,
                                    leading(a.stride), x.data, 1, R(0), y.data, 1);
}

template <class R>
void CpuBackend<R>::damp(BatchView<const R> f, R lambda, BatchView<R> out) {
  shapes::damp(f, out);
  const Index n = f.n;
  parallel_for(threads_, n * f.count, n / 2, [&](Index column) {
    const Index j = column % n;
    std::copy_n(f.data + column * n + j, n - j, out.data + column * n + j);
    out.data[column * n + j] += lambda;
  });
  double largest = scalar(Slot::largest_diagonal);
  for (Index k = 0; k < f.count; ++k)
    for (Index j = 0; j < n; ++j) largest = std::max(largest, static_cast<double>(f[k].data[j + j * n]));
  scalar(Slot::largest_diagonal) = largest;
}

template <class R>
void CpuBackend<R>::cholesky(BatchView<R> a) {
  std::vector<int> info(static_cast<std::size_t>(a.count));
  if (a.count == 1) {
    info[0] = cholesky_one(a[0]);
  } else {  // inside a parallel loop every call of the library takes one thread
    parallel_for(threads_, a.count, a.n * a.n * a.n / 3,
                 [&](Index k) { info[static_cast<std::size_t>(k)] = cholesky_one(a[k]); });
  }
  const auto first = std::ranges::find_if(info, [](int i) { return i != 0; });
  if (first != info.end()) record_failure(*first);
}

template <class R>
void CpuBackend<R>::cholesky_solve(BatchView<const R> l, MatrixView<R> b) {
  shapes::cholesky_solve(l, b);
  if (b.size() == 0) return;
  if (l.count == 1) {
    solve_one(l[0], b);
  } else {
    parallel_for(threads_, l.count, 2 * l.n * l.n, [&](Index k) { solve_one(l[k], b.columns(k, 1)); });
  }
}

template <class R>
void CpuBackend<R>::eigen(MatrixView<R> a, VectorView<R> w) {
  shapes::eigen(a, w);
  if (a.rows == 0) return;
  if (!all_finite_lower<R>(a)) {  // the library may loop for ever over these
    return record_failure(-1);
  }
  record_failure(pick<R>(LAPACKE_ssyevd, LAPACKE_dsyevd)(LAPACK_COL_MAJOR, 'V', 'L', to_blas(a.rows), a.data,
                                                         leading(a.stride), w.data));
}

template <class R>
void CpuBackend<R>::spectral_solve(VectorView<const R> w, R cutoff, VectorView<R> c) {
  shapes::same_size("spectral_solve", w, c);
  const R largest = w.size > 0 ? *std::max_element(w.data, w.data + w.size) : R(0);
  Index rank = 0;
  for (Index i = 0; i < w.size; ++i) {
    const bool kept = w.data[i] > cutoff * largest;
    c.data[i] = kept ? c.data[i] / w.data[i] : R(0);
    rank += kept;
  }
  scalar(Slot::rank) += static_cast<double>(rank);
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace natgrad
