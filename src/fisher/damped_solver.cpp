#include "fisher/damped_solver.hpp"

#include <limits>

#include "shape_check.hpp"

namespace natgrad {

template <class R>
R spectral_cutoff(Index n) {
  return R(10) * static_cast<R>(n) * std::numeric_limits<R>::epsilon();
}

template <class R>
DampedSolver<R>::DampedSolver(Backend<R>& backend, Buffer<R> memory, Index n, Index count, double cutoff,
                              Accuracy accuracy)
    : backend_(backend),
      n_(n),
      count_(count),
      cutoff_(cutoff > 0.0 ? static_cast<R>(cutoff) : spectral_cutoff<R>(n)),
      accuracy_(accuracy),
      factor_(std::move(memory)) {
  require_size("solver", "the memory", factor_.size(), elements(n, count));
}

template <class R>
Index DampedSolver<R>::elements(Index n, Index count) {
  return count == 1 ? capped_product(n + 1, n + 1) : capped_product(n, n, count);
}

// A single matrix is the leading part of one of order n + 1.
template <class R>
BatchView<R> DampedSolver<R>::factors() const {
  if (count_ != 1) return factor_.batch(n_, count_);
  return BatchView<R>(MatrixView<R>{factor_.data(), n_, n_, n_ + 1});
}

template <class R>
void DampedSolver<R>::solve(SolveMethod method, BatchView<const R> f, R damping, MatrixView<R> b) {
  const bool kept = valid_ && method == method_ && damping == damping_;
  method_ = method;
  damping_ = damping;
  valid_ = true;
  if (!kept && method == SolveMethod::cholesky && count_ == 1 && b.cols == 1) {
    const PhaseScope phase(backend_, Phase::factor);
    return backend_.factor_and_solve(f[0], damping, factor_.matrix(n_ + 1, n_ + 1), b.column(0), accuracy_);
  }
  if (!kept) factor(f);
  solve_again(b);
}

template <class R>
void DampedSolver<R>::visit_state(StateVisitor<R>& state) {
  state.flag("valid", valid_);
  if (!valid_) return;
  bool spectral = method_ == SolveMethod::eigen;
  double damping = static_cast<double>(damping_);
  state.flag("eigen", spectral);
  state.number("damping", damping);
  method_ = spectral ? SolveMethod::eigen : SolveMethod::cholesky;
  damping_ = static_cast<R>(damping);
  state.matrices("factor", factors(), spectral ? Triangle::both : Triangle::lower);
  if (!spectral) return;
  eigenvalues_.reserve(backend_, n_ * count_);
  coefficients_.reserve(backend_, n_);
  state.array("eigenvalues", eigenvalues_.vector());
}

template <class R>
void DampedSolver<R>::factor(BatchView<const R> f) {
  const PhaseScope phase(backend_, Phase::factor);
  backend_.damp(f, damping_, factors());
  if (method_ == SolveMethod::cholesky) return backend_.cholesky(factors());
  eigenvalues_.reserve(backend_, n_ * count_);
  coefficients_.reserve(backend_, n_);
  for (Index k = 0; k < count_; ++k) backend_.eigen(factors()[k], eigenvalues_.vector().slice(k * n_, n_));
}

template <class R>
void DampedSolver<R>::solve_again(MatrixView<R> b) {
  const PhaseScope phase(backend_, Phase::solve);
  if (method_ == SolveMethod::cholesky) return backend_.cholesky_solve(factors(), b);
  if (count_ != 1) require_size("solve", "the number of columns of B", b.cols, count_);
  for (Index j = 0; j < b.cols; ++j) spectral_solve(count_ == 1 ? 0 : j, b.columns(j, 1));
}

// b ← V diag(1/w) Vᵀ b over the eigenvalues w of F + λI that count
template <class R>
void DampedSolver<R>::spectral_solve(Index k, MatrixView<R> b) {
  const MatrixView<const R> v = factors()[k];
  const MatrixView<R> c = coefficients_.matrix(n_, 1);
  backend_.gemm(Transpose::yes, Transpose::no, R(1), v, b, R(0), c);
  backend_.spectral_solve(eigenvalues_.vector().slice(k * n_, n_), cutoff_, c.column(0));
  backend_.gemm(Transpose::no, Transpose::no, R(1), v, c, R(0), b);
}

template class DampedSolver<float>;
template class DampedSolver<double>;
template float spectral_cutoff(Index);
template double spectral_cutoff(Index);

}  // namespace natgrad
