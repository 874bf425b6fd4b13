/// What a training run takes, in memory and in work, before it allocates anything.
#pragma once

#include <span>
#include <vector>

#include "natgrad/natural_gradient.hpp"
#include "natgrad/trainer.hpp"

namespace natgrad {

/// A run, as far as memory and work depend on it.
struct RunShape {
  NetworkShape network;
  Likelihood likelihood = Likelihood::categorical;
  Index train_samples = 0, test_samples = 0;
  Index batch = 0;         // N; 0: the whole training set
  bool average = false;    // see TrainerOptions
  Index number_bytes = 4;  // of R
  Index device_bytes = 0;  // in use on the device before the run
};

struct RunPlan {
  Index parameters = 0;  // P
  Index rows = 0;        // R, of the curvature; 0 for an optimiser that has none
  /// All that the run holds on its device at once, in numbers of R; a GPU's workspaces beyond device_bytes,
  /// and the eigenvalues of solves by eigendecomposition, come on top.
  std::vector<PlannedBuffer> buffers;
  Index number_bytes = 4;
  double flops = 0.0;  // of a step whose first try is accepted
  bool exact = false;  // solves with all of F

  /// A double: what does not fit may be more than an integer holds.
  double bytes() const;
};

/// Throws UsageError where the options do not go together, or the network's widths are none.
RunPlan plan_natural_gradient(const RunShape& run, const NaturalGradientOptions& options);
RunPlan plan_sgd(const RunShape& run);
RunPlan plan_adam(const RunShape& run);

/// The plan of a run with this structure.
struct StructurePlan {
  Structure structure;
  RunPlan plan;
};

/// What `auto` stands for: of dense and gram, which solve with all of F directly, the one of fewer operations
/// among those that fit `limit` bytes; kronecker where neither does. `plans` may be empty.
Structure choose_structure(std::span<const StructurePlan> plans, double limit);

/// Floating-point operations per second of a large product of matrices: the best of several, of the smallest
/// order whose product takes some milliseconds. Takes about a tenth of a second. Throws OutOfMemory,
/// DeviceError.
template <class R>
double gemm_rate(Backend<R>& backend);

}  // namespace natgrad
