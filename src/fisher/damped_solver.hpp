/// Solves with damped symmetric positive semi-definite matrices: the one place where they are factored.
#pragma once

#include "natgrad/fisher.hpp"

namespace natgrad {

/// Holds one factorisation of a batch of `count` matrices of order n, (F_k + λI), k = 0 … count−1, and keeps
/// it until the matrices, λ or the method change.
template <class R>
class DampedSolver {
 public:
  /// `memory`: `elements(n, count)`. `cutoff`: of eigenvalues, relative to the largest; 0: spectral_cutoff.
  /// `accuracy`: of the factorisation; refined where the caller refines what `solve` gives.
  DampedSolver(Backend<R>& backend, Buffer<R> memory, Index n, Index count, double cutoff,
               Accuracy accuracy = Accuracy::full);

  /// The matrices have changed.
  void invalidate() { valid_ = false; }
  /// B ← (F + λI)⁻¹B; B as in Backend::cholesky_solve. Gathers its outcome in the slots of factorisations.
  /// A single matrix with one right-hand side is factored together with it.
  void solve(SolveMethod method, BatchView<const R> f, R damping, MatrixView<R> b);
  /// B ← (F + λI)⁻¹B with the last factorisation.
  void solve_again(MatrixView<R> b);

  /// The factorisation that is kept.
  void visit_state(StateVisitor<R>& state);

  /// Elements of memory that a solver takes; those of `eigen` come with its first use.
  static Index elements(Index n, Index count);

 private:
  void factor(BatchView<const R> f);
  void spectral_solve(Index k, MatrixView<R> b);
  BatchView<R> factors() const;

  Backend<R>& backend_;
  Index n_, count_;
  R cutoff_;
  Accuracy accuracy_;
  Buffer<R> factor_;        // L, or V: n × n × count; a single one stands in a matrix of order n + 1
  Buffer<R> eigenvalues_;   // n × count, with `eigen`
  Buffer<R> coefficients_;  // n, with `eigen`
  SolveMethod method_ = SolveMethod::cholesky;
  R damping_ = R(0);
  bool valid_ = false;
};

/// A structure's solver, as part of its state: between refreshes its factorisation serves on.
template <class R>
void visit_solver(const FisherOptions& options, DampedSolver<R>& solver, StateVisitor<R> state) {
  if (options.refresh > 1) solver.visit_state(state);
}

/// Eigenvalues of F + λI below this fraction of the largest count as zero: the rounding error of a symmetric
/// eigenproblem of order n, with a factor of 10 for that of forming the matrix.
template <class R>
R spectral_cutoff(Index n);

}  // namespace natgrad
