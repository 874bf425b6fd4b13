/// The Fisher matrix F = SᵀS of a batch's score rows, in a structure of the caller's choice.
#pragma once

#include <memory>

#include "natgrad/scores.hpp"
#include "natgrad/state.hpp"

namespace natgrad {

/// What of F is kept, and how systems with it are solved; docs/structures.md compares them.
///
/// dense: all of it, P × P · gram: all of it, through the R × R Gram matrix K = SSᵀ · matrix_free: all of it,
/// by conjugate gradients on products with S · layer: the blocks of the layers, each through its own matrix
/// or its Gram, whichever is smaller · unit: the blocks of one unit's incoming weights and bias (Ollivier
/// 2015, section 2.3) · kronecker: G_l ⊗ A_l per layer (Martens & Grosse 2015) · ekfac: the same with
/// re-estimated eigenvalues (George et al. 2018) · diagonal.
enum class Structure { dense, gram, matrix_free, layer, unit, kronecker, ekfac, diagonal };

std::string_view to_string(Structure structure);
/// Throws UsageError, naming the allowed values, where `name` is none of them.
Structure parse_structure(std::string_view name);

/// How a damped system is solved: Cholesky, or the eigendecomposition with a relative cut-off, which gives
/// the minimum-norm solution where F + λI is singular.
enum class SolveMethod { cholesky, eigen };

std::string_view to_string(SolveMethod method);

/// The right-hand side b of (F + λI)d = b. A structure that is `dual()` reads b = Sᵀu + λv as its parts where
/// u is given: nothing cancels then, and b may be left empty.
template <class R>
struct RightSide {
  VectorView<const R> b{};  // P
  VectorView<const R> u{};  // R, or empty
  VectorView<const R> v{};  // P, or empty: 0
};

struct FisherOptions {
  Structure structure = Structure::dense;
  double decay = 0.0;   // ρ of F ← ρF + (1 − ρ)SᵀS, ρ = min(decay, 1 − 1/k) at the k-th update
  double cutoff = 0.0;  // of eigenvalues, relative to the largest; 0: the rounding error, see spectral_cutoff
  int refine = 0;       // steps of iterative refinement with residuals from S itself; gram and dense
  /// The metric of the damping (gram only): with a mix w < 1, w SᵀS + (1 − w)M instead of SᵀS + λI, M the
  /// damped running Kronecker factors with ρ = factor_decay, taken anew at every refresh-th update.
  bool kronecker_metric = false;
  double mix = 0.5;
  double factor_decay = 0.95;
  int refresh = 1;  // updates from one that takes the curvature (the metric, the factors) anew to the next
  Structure preconditioner = Structure::diagonal;  // of matrix_free: diagonal or kronecker
  double tolerance = 1e-6;                         // of matrix_free: relative residual
  int max_iterations = 1000;                       // of matrix_free

  /// Throws UsageError naming the option, its value and what is allowed.
  void validate() const;
};

/// A curvature matrix on a device. Operations throw ShapeError where shapes do not fit together, OutOfMemory,
/// DeviceError. They are enqueued; how a solve went stands in the slots factor_info,
/// largest_diagonal, rank, largest_eigenvalue, smallest_eigenvalue, residual_norm2 and right_side_norm2,
/// which `solve` sets.
template <class R>
class Fisher {
 public:
  virtual ~Fisher() = default;

  /// F ← SᵀS, restricted to the structure, averaged with what was before where options ask for it. The rows
  /// have the shape that the structure was made for and stay in use until the next update.
  void update(const Rows<R>& rows);
  /// out ← Fv, both P.
  virtual void multiply(VectorView<const R> v, VectorView<R> out) = 0;
  /// d ← (F + λI)⁻¹b, P; slot quadratic ← dᵀFd. λ = 0 needs `eigen`. A factorisation serves until the next
  /// update or another λ or method. Where b is given by its parts alone, slots gradient_norm2 ← ‖Sᵀu‖² and
  /// gradient_step ← (Sᵀu)ᵀd too. The residual slots are set by structures that can tell.
  void solve(SolveMethod method, double damping, const RightSide<R>& right, VectorView<R> d);
  /// The next solve factors anew: due before another solve with the same λ and method where factor_info is
  /// −1, for it may have been the matrix that is not finite. For structures that are `dual()`.
  virtual void refactor() {}
  /// out ← F, P × P, both triangles. The undamped matrix that the structure stands for.
  virtual void to_dense(MatrixView<R> out) = 0;

  /// Whether `solve` reads u and v of a RightSide; and whether they do without b.
  virtual bool dual() const { return false; }
  virtual bool needs_gradient() const { return true; }
  /// Of the last solve, where it was iterative; else 0.
  virtual int iterations() const { return 0; }
  /// out ← (F + λI)⁻¹, P × P; P solves.
  void inverse(SolveMethod method, double damping, MatrixView<R> out);

  /// What the next update builds on: averages, and curvature that is not taken anew at every update.
  void visit_state(StateVisitor<R>& state);

  Index parameters() const { return shape_.parameters(); }

 protected:
  Fisher(Backend<R>& backend, RowsShape shape, const FisherOptions& options)
      : backend_(backend), shape_(std::move(shape)), options_(options) {}

  /// The structure's part of `update`: F ← αSᵀS + βF.
  virtual void accumulate(R alpha, R beta) = 0;
  /// Whether this update takes the curvature anew: every refresh-th.
  bool due() const { return (updates_ - 1) % options_.refresh == 0; }
  /// Whether F is not, or not only, SᵀS of the last rows.
  bool older() const { return options_.decay > 0.0 || options_.refresh > 1; }
  /// Whether the next update builds on what is there.
  virtual bool remembers() const { return older(); }
  /// The structure's part of `visit_state`, called where it remembers anything.
  virtual void visit_curvature(StateVisitor<R>&) {}
  /// The structure's part of `solve`, with the slots of factorisations set to 0.
  virtual void solve_damped(SolveMethod method, R damping, const RightSide<R>& right, VectorView<R> d) = 0;

  Backend<R>& backend_;
  RowsShape shape_;
  FisherOptions options_;
  Rows<R> rows_;       // of the last update
  Index updates_ = 0;  // so far
};

/// Memory of one purpose.
struct PlannedBuffer {
  std::string name;
  Index elements = 0;
};

/// What a structure takes, before it is made: the same list that it allocates.
struct FisherPlan {
  std::vector<PlannedBuffer> buffers;
  double flops = 0.0;                        // of an update and a solve; matrix_free: of 20 iterations
  bool exact = false;                        // solves with all of F
  bool dual = false, needs_gradient = true;  // as Fisher says of itself
};

/// Throws UsageError where options are out of range or do not go together, ShapeError for negative sizes.
FisherPlan plan_fisher(const RowsShape& shape, const FisherOptions& options);

/// Throws OutOfMemory where the structure does not fit; as plan_fisher.
template <class R>
std::unique_ptr<Fisher<R>> make_fisher(Backend<R>& backend, const RowsShape& shape,
                                       const FisherOptions& options);

}  // namespace natgrad
