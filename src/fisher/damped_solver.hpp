/// Solves with damped symmetric positive semi-definite matrices: the one place where they are factored.
#pragma once

#include "natgrad/fisher.hpp"

namespace natgrad {

/// Holds one factorisation of a batch of `count` matrices of order n, (F_k + λI), k = 0 … count−1.
template <class R>
class DampedSolver {
 public:
  DampedSolver(Backend<R>& backend, Index n, Index count);

  /// Gathers its outcome in the slots factor_info, largest_diagonal and rank.
  void factor(SolveMethod method, BatchView<const R> f, R damping);
  /// B ← (F + λI)⁻¹B; B as in Backend::cholesky_solve.
  void solve(MatrixView<R> b);

 private:
  void spectral_solve(Index k, MatrixView<R> b);

  Backend<R>& backend_;
  Index n_, count_;
  Buffer<R> factor_;        // n × n × count: L, or V
  Buffer<R> eigenvalues_;   // n × count, with `eigen`
  Buffer<R> coefficients_;  // n, with `eigen`
  SolveMethod method_ = SolveMethod::cholesky;
};

/// Eigenvalues of F + λI below this fraction of the largest count as zero: the rounding error of a symmetric
/// eigenproblem of order n, with a factor of 10 for that of forming the matrix.
template <class R>
R spectral_cutoff(Index n);

}  // namespace natgrad
