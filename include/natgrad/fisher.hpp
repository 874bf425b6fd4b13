/// The Fisher matrix F = SᵀS of a batch's score rows, in a structure of the caller's choice.
#pragma once

#include <memory>

#include "natgrad/scores.hpp"

namespace natgrad {

/// What of F is kept: dense: all of it, P × P · unit: the blocks that belong to one unit's incoming weights
/// and bias, n_{l+1} matrices of order n_l + 1 per layer (Ollivier 2015, section 2.3).
enum class Structure { dense, unit };

std::string_view to_string(Structure structure);
Structure parse_structure(std::string_view name);

/// How a damped system is solved: Cholesky, or the eigendecomposition with a relative cut-off, which gives
/// the minimum-norm solution where F + λI is singular.
enum class SolveMethod { cholesky, eigen };

std::string_view to_string(SolveMethod method);

/// A curvature matrix on a device. Operations are enqueued; whether a factorisation held stands in the slots
/// factor_info, largest_diagonal and rank, which `factor` sets.
template <class R>
class Fisher {
 public:
  virtual ~Fisher() = default;

  /// F ← SᵀS, restricted to the structure. The rows stay in use until the next update.
  virtual void update(const Rows<R>& rows) = 0;
  /// out ← Fv, both P.
  virtual void multiply(VectorView<const R> v, VectorView<R> out) = 0;
  /// Slot quadratic ← dᵀFd, from the rows as a sum of squares: it never cancels and is never negative.
  virtual void quadratic(VectorView<const R> d) = 0;
  /// Prepares solves with F + λI; λ = 0 needs `eigen`.
  virtual void factor(SolveMethod method, R damping) = 0;
  /// d ← (F + λI)⁻¹b, both P, with the last factorisation.
  virtual void solve(VectorView<const R> b, VectorView<R> d) = 0;
  /// out ← F, P × P, both triangles. The undamped matrix that the structure stands for.
  virtual void to_dense(MatrixView<R> out) = 0;

  /// out ← (F + λI)⁻¹, P × P, with the last factorisation; P solves.
  void inverse(MatrixView<R> out);

  Index parameters() const { return parameters_; }

 protected:
  Fisher(Backend<R>& backend, Index parameters) : backend_(backend), parameters_(parameters) {}

  Backend<R>& backend_;
  Index parameters_;  // P
};

/// Throws OutOfMemory where the structure does not fit.
template <class R>
std::unique_ptr<Fisher<R>> make_fisher(Backend<R>& backend, const NetworkShape& shape, Structure structure);

}  // namespace natgrad
