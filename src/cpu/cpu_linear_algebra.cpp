/// Matrix products, factorisations and solves of the CPU backend, over CBLAS and LAPACKE.
#include <lapacke.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "cpu/blas.hpp"
#include "cpu/cpu_backend.hpp"
#include "operation_shapes.hpp"
#include "precision.hpp"

namespace natgrad {
namespace {

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
void triangular_one(Side side, Transpose t, MatrixView<const R> l, MatrixView<R> b) {
  if (side == Side::left && b.cols == 1)  // several times faster than the general one
    pick<R>(cblas_strsv, cblas_dtrsv)(CblasColMajor, CblasLower, flag(t), CblasNonUnit, to_blas(b.rows),
                                      l.data, leading(l.stride), b.data, 1);
  else
    pick<R>(cblas_strsm, cblas_dtrsm)(CblasColMajor, side == Side::left ? CblasLeft : CblasRight, CblasLower,
                                      flag(t), CblasNonUnit, to_blas(b.rows), to_blas(b.cols), R(1), l.data,
                                      leading(l.stride), b.data, leading(b.stride));
}

template <class R>
void solve_one(MatrixView<const R> l, MatrixView<R> b) {
  for (const auto t : {Transpose::no, Transpose::yes}) triangular_one(Side::left, t, l, b);
}

}  // namespace

template <class R>
void CpuBackend<R>::gemm(Transpose ta, Transpose tb, R alpha, MatrixView<const R> a, MatrixView<const R> b,
                         R beta, MatrixView<R> c) {
  const Index k = shapes::gemm(ta, tb, a, b, c);
  if (c.size() == 0) return;
  if (k == 0) {
    if (beta == R(0)) return fill(c, R(0));
    for (Index j = 0; j < c.cols; ++j) scale(beta, c.column(j));
  } else if (c.cols == 1 && tb == Transpose::no) {
    const BlasThreads blas(threads_, operations_per_element * static_cast<double>(a.size()));
    pick<R>(cblas_sgemv, cblas_dgemv)(CblasColMajor, flag(ta), to_blas(a.rows), to_blas(a.cols), alpha,
                                      a.data, leading(a.stride), b.data, 1, beta, c.data, 1);
  } else {
    const BlasThreads blas(threads_, 2.0 * static_cast<double>(c.size()) * static_cast<double>(k));
    pick<R>(cblas_sgemm, cblas_dgemm)(CblasColMajor, flag(ta), flag(tb), to_blas(c.rows), to_blas(c.cols),
                                      to_blas(k), alpha, a.data, leading(a.stride), b.data, leading(b.stride),
                                      beta, c.data, leading(c.stride));
  }
}

template <class R>
void CpuBackend<R>::hadamard(MatrixView<const R> x, MatrixView<const R> y, MatrixView<R> out) {
  shapes::hadamard(x, y, out);
  parallel_for(threads_, out.cols, out.rows, [&](Index j) {
    const R *xj = column(x, j), *yj = column(y, j);
    R* oj = column(out, j);
    for (Index i = 0; i < out.rows; ++i) oj[i] = xj[i] * yj[i];
  });
}

template <class R>
void CpuBackend<R>::syrk(R alpha, MatrixView<const R> a, R beta, MatrixView<R> c) {
  shapes::syrk(a, c);
  const BlasThreads blas(threads_, static_cast<double>(c.size()) * static_cast<double>(a.cols));
  pick<R>(cblas_ssyrk, cblas_dsyrk)(CblasColMajor, CblasLower, CblasNoTrans, to_blas(a.rows), to_blas(a.cols),
                                    alpha, a.data, leading(a.stride), beta, c.data, leading(c.stride));
}

template <class R>
void CpuBackend<R>::symv(MatrixView<const R> a, VectorView<const R> x, VectorView<R> y) {
  shapes::symv(a, x, y);
  const BlasThreads blas(threads_, operations_per_element * static_cast<double>(a.size()));
  pick<R>(cblas_ssymv, cblas_dsymv)(CblasColMajor, CblasLower, to_blas(a.rows), R(1), a.data,
                                    leading(a.stride), x.data, 1, R(0), y.data, 1);
}

template <class R>
void CpuBackend<R>::damp(BatchView<const R> f, R lambda, BatchView<R> out) {
  shapes::damp(f, out);
  const Index n = f.n;
  parallel_for(threads_, n * f.count, n / 2, [&](Index c) {
    const Index k = c / n, j = c % n;
    const R* from = column(f[k], j);
    R* to = column(out[k], j);
    std::copy(from + j, from + n, to + j);
    to[j] += lambda;
  });
  double largest = scalar(Slot::largest_diagonal);
  for (Index k = 0; k < f.count; ++k)
    for (Index j = 0; j < n; ++j) largest = std::max(largest, static_cast<double>(column(f[k], j)[j]));
  scalar(Slot::largest_diagonal) = largest;
}

template <class R>
void CpuBackend<R>::cholesky(BatchView<R> a) {
  const Index order = to_blas(a.n);  // throws here, not inside the loop
  const double operations = static_cast<double>(order) * static_cast<double>(order * order) / 3.0;
  info_.assign(static_cast<std::size_t>(a.count), 0);
  if (a.count == 1) {
    const BlasThreads blas(threads_, operations);
    info_[0] = cholesky_one(a[0]);
  } else {  // inside a parallel loop every call of the library takes one thread
    const BlasThreads blas(1);
    parallel_for(threads_, a.count, static_cast<Index>(operations),
                 [&](Index k) { info_[static_cast<std::size_t>(k)] = cholesky_one(a[k]); });
  }
  const auto first = std::ranges::find_if(info_, [](int i) { return i != 0; });
  if (first != info_.end()) record_failure(*first);
}

template <class R>
void CpuBackend<R>::cholesky_solve(BatchView<const R> l, MatrixView<R> b) {
  shapes::cholesky_solve(l, b);
  if (b.size() == 0) return;
  if (l.count == 1) {
    const BlasThreads blas(threads_, 2.0 * static_cast<double>(l.n) * static_cast<double>(b.size()));
    solve_one(l[0], b);
  } else {
    const BlasThreads blas(1);
    const Index order = to_blas(l.n);  // throws here, not inside the loop
    parallel_for(threads_, l.count, 2 * order * order, [&](Index k) { solve_one(l[k], b.columns(k, 1)); });
  }
}

template <class R>
void CpuBackend<R>::triangular_solve(Side side, Transpose t, MatrixView<const R> l, MatrixView<R> b) {
  shapes::triangular_solve(side, l, b);
  if (b.size() == 0) return;
  const BlasThreads blas(threads_, static_cast<double>(l.rows) * static_cast<double>(b.size()));
  triangular_one(side, t, l, b);
}

// The workspace of 1 + 6n + 2n² elements that LAPACK's divide and conquer asks for ends below 2³¹.
constexpr Index largest_eigen_order = 32766;

template <class R>
void CpuBackend<R>::eigen(MatrixView<R> a, VectorView<R> w) {
  shapes::eigen(a, w);
  if (a.rows == 0) return;
  if (a.rows > largest_eigen_order)
    throw ShapeError("eigen: the order is " + std::to_string(a.rows) +
                     ", LAPACK, which counts its workspace in 32 bits, allows " +
                     std::to_string(largest_eigen_order) +
                     "; try --solver cholesky with a --damping above 0, or a --structure of smaller blocks");
  if (!all_finite_lower<R>(a)) {  // the library may loop for ever over these
    return record_failure(-1);
  }
  const lapack_int n = to_blas(a.rows), size = 1 + 6 * n + 2 * n * n, integers = 3 + 5 * n;
  const auto release = [this](R* memory) { deallocate_bytes(memory); };
  const std::unique_ptr<R, decltype(release)> work(
      static_cast<R*>(allocate_bytes(static_cast<std::size_t>(size) * sizeof(R))), release);
  info_.resize(static_cast<std::size_t>(integers));
  const BlasThreads blas(threads_, static_cast<double>(a.rows) * static_cast<double>(a.size()));
  record_failure(pick<R>(LAPACKE_ssyevd_work, LAPACKE_dsyevd_work)(LAPACK_COL_MAJOR, 'V', 'L', n, a.data,
                                                                   leading(a.stride), w.data, work.get(),
                                                                   size, info_.data(), integers));
}

template <class R>
void CpuBackend<R>::spectral_solve(VectorView<const R> w, R cutoff, VectorView<R> c) {
  shapes::same_size("spectral_solve", w, c);
  if (w.size == 0) return;
  const R largest = *std::max_element(w.data, w.data + w.size);
  double rank = 0.0, smallest = 0.0;  // of those kept
  for (Index i = 0; i < w.size; ++i) {
    const bool kept = w.data[i] > cutoff * largest;
    c.data[i] = kept ? c.data[i] / w.data[i] : R(0);
    if (!kept) continue;
    const double value = w.data[i];
    smallest = rank > 0.0 ? std::min(smallest, value) : value;
    rank += 1.0;
  }
  scalar(Slot::rank) += rank;
  const auto gather = [&](Slot slot, double value, auto choose) {
    scalar(slot) = scalar(slot) == 0.0 ? value : choose(scalar(slot), value);
  };
  gather(Slot::largest_eigenvalue, largest, [](double x, double y) { return std::max(x, y); });
  if (rank > 0.0)
    gather(Slot::smallest_eigenvalue, smallest, [](double x, double y) { return std::min(x, y); });
}

template <class R>
void CpuBackend<R>::damped_quotient(VectorView<const R> b, VectorView<const R> f, R lambda, VectorView<R> x) {
  shapes::damped_quotient(b, f, x);
  parallel_blocks(threads_, x.size, [&](Index begin, Index end) {
    const R damping = lambda;  // a local, which no store can change
    for (Index i = begin; i < end; ++i) {
      const R damped = f.data[i] + damping;
      x.data[i] = damped == R(0) ? R(0) : b.data[i] / damped + (damped - damped);
    }
  });
}

template <class R>
void CpuBackend<R>::damp_factors(MatrixView<const R> a, MatrixView<const R> g, R gamma, MatrixView<R> out_a,
                                 MatrixView<R> out_g) {
  shapes::damp_factors(a, g, out_a, out_g);
  const auto mean_diagonal = [](MatrixView<const R> m) {
    double trace = 0.0;
    for (Index j = 0; j < m.cols; ++j) trace += column(m, j)[j];
    return m.cols > 0 ? trace / static_cast<double>(m.cols) : 0.0;
  };
  const double mean_a = mean_diagonal(a), mean_g = mean_diagonal(g);
  const double pi = mean_a == 0.0 || mean_g == 0.0 ? 1.0 : std::sqrt(mean_a / mean_g);
  damp(BatchView<const R>(a), static_cast<R>(pi * gamma), BatchView<R>(out_a));
  damp(BatchView<const R>(g), static_cast<R>(gamma / pi), BatchView<R>(out_g));
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace natgrad
