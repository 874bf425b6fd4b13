#include "fisher/damped_solver.hpp"

#include <algorithm>
#include <limits>

#include "shape_check.hpp"

namespace natgrad {

template <class R>
R spectral_cutoff(Index n) {
  return R(10) * static_cast<R>(n) * std::numeric_limits<R>::epsilon();
}

template <class R>
DampedSolver<R>::DampedSolver(Backend<R>& backend, Index n, Index count)
    : backend_(backend), n_(n), count_(count), factor_(backend, n * n * count) {}

template <class R>
void DampedSolver<R>::factor(SolveMethod method, BatchView<const R> f, R damping) {
  method_ = method;
  const BatchView<R> factors = factor_.batch(n_, count_);
  const PhaseScope phase(backend_, Phase::factor);
  backend_.damp(f, damping, factors);
  if (method == SolveMethod::cholesky) return backend_.cholesky(factors);
  eigenvalues_.reserve(backend_, n_ * count_);
  coefficients_.reserve(backend_, n_);
  for (Index k = 0; k < count_; ++k) backend_.eigen(factors[k], eigenvalues_.vector().slice(k * n_, n_));
}

template <class R>
void DampedSolver<R>::solve(MatrixView<R> b) {
  const PhaseScope phase(backend_, Phase::solve);
  if (method_ == SolveMethod::cholesky) return backend_.cholesky_solve(factor_.batch(n_, count_), b);
  if (count_ != 1) require_size("solve", "the number of columns of B", b.cols, count_);
  for (Index j = 0; j < b.cols; ++j) spectral_solve(count_ == 1 ? 0 : j, b.columns(j, 1));
}

// b ← V diag(1/w) Vᵀ b over the eigenvalues w of F + λI that count
template <class R>
void DampedSolver<R>::spectral_solve(Index k, MatrixView<R> b) {
  const MatrixView<const R> v = factor_.batch(n_, count_)[k];
  const MatrixView<R> c = coefficients_.matrix(n_, 1);
  backend_.gemm(Transpose::yes, Transpose::no, R(1), v, b, R(0), c);
  backend_.spectral_solve(eigenvalues_.vector().slice(k * n_, n_), spectral_cutoff<R>(n_), c.column(0));
  backend_.gemm(Transpose::no, Transpose::no, R(1), v, c, R(0), b);
}

template class DampedSolver<float>;
template class DampedSolver<double>;
template float spectral_cutoff(Index);
template double spectral_cutoff(Index);

}  // namespace natgrad
