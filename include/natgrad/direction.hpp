/// Natural-gradient directions for score rows of the caller's own: of physics-informed networks, wave
/// functions, policies, whatever has per-sample derivatives.
///
/// Rows come as an explicit S (R × P), or factored by layers as Rows{backend, {{A_l, D_l}, …}, r}. They carry
/// their weights: F = SᵀS, so a mean over N samples means rows times 1/√N.
#pragma once

#include <limits>
#include <optional>

#include "natgrad/natural_gradient.hpp"

namespace natgrad {

/// Where a pointer points to.
enum class Memory { host, device };

/// A caller's S as Rows: a layer without inputs, whose bias is the whole parameter vector and whose signals
/// are Sᵀ.
template <class R>
class ExplicitRows {
 public:
  /// Element (i, j) of S is at s[i · row_stride + j · column_stride]. A device S with column_stride = 1
  /// (row-major) is viewed and must stay; any other is copied. Throws ShapeError for negative sizes and where
  /// a stride does not fit, UsageError where s is null, OutOfMemory, DeviceError.
  ExplicitRows(Backend<R>& backend, const R* s, Index rows, Index parameters, Index row_stride,
               Index column_stride, Memory memory);

  /// Valid as long as this lives.
  const Rows<R>& rows() const { return rows_; }

 private:
  Buffer<R> copy_;  // Sᵀ, P × R
  Rows<R> rows_;
};

struct DirectionOptions {
  /// What is kept of F; none: all of it, through the smaller of P × P and R × R.
  std::optional<Structure> structure{};
  /// The other options of the structure; its `structure` is not read.
  FisherOptions fisher{};
  Solver solver = Solver::automatic;
};

/// How a direction was had.
struct DirectionReport {
  static constexpr double none = std::numeric_limits<double>::quiet_NaN();

  double quadratic = 0.0;  // dᵀFd
  double slope = 0.0;      // gᵀd
  Structure structure = Structure::dense;
  SolveMethod method = SolveMethod::cholesky;
  double damping = 0.0;    // λ that was solved with
  int retries = 0;         // rungs of the failure ladder taken
  int iterations = 0;      // of an iterative solve
  double residual = none;  // ‖b − Ax‖/‖b‖ of the system solved, where the structure can tell
  double rank = none;      // eigenvalues kept, with `eigen`; the largest over the smallest kept; that one
  double condition = none;
  double smallest_eigenvalue = none;
};

/// Solves (SᵀS + λI)d = g for rows of one shape after the other; memory is kept while the shape stays.
template <class R>
class DirectionSolver {
 public:
  /// The backend must outlive the solver.
  DirectionSolver(Backend<R>& backend, const DirectionOptions& options)
      : backend_(backend), options_(options) {}

  /// d ← (SᵀS + λI)⁻¹g, both P, on the device. Where rows.u is set and finite, a dual structure takes g = Sᵀu
  /// from it, which loses no digits however small λ is. λ = 0: the minimum-norm solution. Synchronises.
  /// Throws NumericError where no rung of the failure ladder gives a finite direction, naming what of the
  /// rows (layer, sample, row), of g or of F is not finite, if anything; UsageError for options out of range
  /// or a λ that is negative or not finite; ShapeError, OutOfMemory, DeviceError.
  DirectionReport solve(const Rows<R>& rows, VectorView<const R> g, double damping, VectorView<R> d);
  /// The same with g and d in host memory.
  DirectionReport solve(const Rows<R>& rows, const std::vector<R>& g, double damping, std::vector<R>& d);

 private:
  void prepare(const Rows<R>& rows);
  std::string describe_failure(const Rows<R>& rows, VectorView<const R> g, VectorView<const R> d,
                               const Scalars& s, double from, double to);
  Scalars solve_once(const SolveLadder& rung, const RightSide<R>& right, VectorView<const R> g,
                     VectorView<R> d);

  Backend<R>& backend_;
  DirectionOptions options_;
  RowsShape shape_;
  FisherOptions fisher_options_;
  std::unique_ptr<Fisher<R>> fisher_;
};

}  // namespace natgrad
