/// The training loop: batches, limits, evaluation.
#pragma once

#include <atomic>
#include <functional>
#include <limits>
#include <optional>

#include "natgrad/dataset.hpp"
#include "natgrad/optimizer.hpp"

namespace natgrad {

/// A data set on a device.
template <class R>
struct DeviceDataset {
  Buffer<R> x, y;
  Index inputs = 0, target_rows = 0, samples = 0;

  DeviceDataset() = default;
  /// A copy. Throws DataError naming feature and sample where a number is not finite, ShapeError where x and
  /// y do not fit together, OutOfMemory.
  DeviceDataset(Device& device, const Dataset<R>& host);
  /// All samples, or some neighbours. Throws ShapeError where there are no such samples.
  Batch<R> batch() const { return batch(0, samples); }
  Batch<R> batch(Index begin, Index count) const;
};

/// How a network does on a data set.
struct Evaluation {
  double loss = 0.0;               // mean negative log-likelihood
  std::optional<double> accuracy;  // categorical: fraction of the samples
  std::optional<double>
      squared_error;  // otherwise: Σ over outputs of (mean − target)², averaged over samples
};

/// `target_scaling`: what the targets went through; squared errors are given in the data's own units. A loss
/// that is not finite is given as it is. Throws ShapeError where data or scaling do not fit the network,
/// OutOfMemory, DeviceError.
template <class R>
Evaluation evaluate(const Network<R>& net, Likelihood likelihood, const DeviceDataset<R>& data,
                    const Scaling& target_scaling);

/// Elements of memory that `evaluate` takes while it runs.
Index evaluation_elements(const NetworkShape& net, Likelihood likelihood, Index samples);

struct TrainerOptions {
  Index batch = 0;  // N; 0: the whole training set
  Index steps = 0;  // limits; 0: none
  double epochs = 0.0;
  double max_seconds = 0.0;             // of stepping: evaluation does not count
  std::optional<double> target_loss{};  // on the training batch
  Index eval_every = 0;                 // steps; 0: once an epoch
  std::uint64_t seed = 1;               // of the shuffling
  /// ξ of the averaged iterate θ̄ ← ξ_k θ̄ + (1 − ξ_k)θ after step k, ξ_k = min(ξ, 1 − 1/k) (Martens & Grosse
  /// 2015, section 13), which is evaluated beside θ; 0: none.
  double average = 0.0;

  /// Throws UsageError naming the option, its value and what is allowed.
  void validate(Index samples) const;
};

enum class StopReason { steps, epochs, seconds, target_loss, converged, interrupted };

std::string_view to_string(StopReason reason);

/// One step as the loop saw it.
struct StepRecord {
  Index step = 0;         // from 1
  double epoch = 0.0;     // samples seen / training samples
  double seconds = 0.0;   // of this step
  PhaseSeconds phases{};  // since the last record: evaluation and io come from before the step
  // Of this step, by the device's counters.
  std::size_t synchronizations = 0, allocations = 0, graph_launches = 0;
  StepReport report;
};

/// One evaluation; step 0 is before the first step.
struct EvaluationRecord {
  Index step = 0;
  Evaluation train;
  std::optional<Evaluation> test;
  std::optional<Evaluation> average_train, average_test;  // of the averaged iterate
};

struct TrainingSummary {
  StopReason reason = StopReason::steps;
  Index steps = 0, rejected = 0, backtracks = 0;
  double epochs = 0.0, seconds = 0.0;
  double largest_kl_ratio = 0.0;  // measured KL / budget over the accepted steps
  EvaluationRecord last;
  // The evaluation with the smallest loss, of the test set where there is one.
  Index best_step = 0;
  double best_loss = std::numeric_limits<double>::infinity();
};

/// Samples of the epochs, one after the other: epoch e in the order of stream (seed, shuffle, e). Every batch
/// has N samples; what is left of an epoch opens the next batch.
template <class R>
class BatchStream {
 public:
  /// Throws UsageError unless there are 1 ≤ N ≤ `data.samples` samples in a batch, OutOfMemory.
  BatchStream(Backend<R>& backend, const DeviceDataset<R>& data, Index batch, std::uint64_t seed);
  /// Valid until the next call.
  Batch<R> next();
  /// The position.
  void visit_state(StateVisitor<R>& state);

 private:
  void start_epoch();

  Backend<R>& backend_;
  const DeviceDataset<R>& data_;
  Index batch_;
  std::uint64_t seed_;
  Index epoch_ = 0;      // begun so far
  Index used_ = 0;       // of the epoch's order
  Buffer<Index> order_;  // of the epoch
  Buffer<R> x_, y_;
};

/// Trains until a limit; 20 rejected steps in a row end a full-batch run as converged.
template <class R>
class Trainer {
 public:
  /// All referenced objects must outlive the trainer. `test` may have no samples. Throws UsageError as
  /// TrainerOptions::validate, DataError and ShapeError as DeviceDataset, OutOfMemory.
  Trainer(Network<R>& net, Likelihood likelihood, Optimizer<R>& optimizer, const Dataset<R>& train,
          const Dataset<R>& test, const Scaling& target_scaling, const TrainerOptions& options);

  std::function<void(const StepRecord&)> on_step;
  std::function<void(const EvaluationRecord&)> on_evaluation;
  /// After a step and the evaluation that was due: the moment at which `visit_state` saves a run that goes on
  /// as if it had never stopped. `last`: a limit is reached; one more evaluation may follow.
  std::function<void(Index step, bool last)> on_boundary;
  /// Finishes the step and ends the run once it holds true; may be set from a signal handler.
  const std::atomic<bool>* interrupt = nullptr;

  /// Goes on from the state that was restored, else from step 0. Throws what `Optimizer::step` and
  /// `evaluate` throw, a NumericError with the step in front.
  TrainingSummary run();

  /// All that the next steps build on, θ included; to restore it, the trainer and its optimiser must be made
  /// with the options of the run that was saved, limits and evaluation aside.
  void visit_state(StateVisitor<R>& state);

  /// The averaged iterate, or null where none is kept.
  const Network<R>* average() const { return average_ ? &*average_ : nullptr; }
  /// θ (P) of the summary's best step.
  std::vector<double> best_parameters() const { return {best_.begin(), best_.end()}; }

 private:
  void one_step();
  void count(const StepRecord& record);
  void update_average(Index step);
  EvaluationRecord measure() const;
  void evaluate_now();
  std::optional<StopReason> limit_reached() const;

  Network<R>& net_;
  Likelihood likelihood_;
  Optimizer<R>& optimizer_;
  DeviceDataset<R> train_, test_;
  Scaling target_scaling_;
  TrainerOptions options_;
  std::optional<BatchStream<R>> batches_;
  std::optional<Network<R>> average_;  // θ̄
  TrainingSummary summary_;            // so far
  Index rejected_in_a_row_ = 0;
  bool evaluated_ = false;                                       // as it is after the last step
  double batch_loss_ = std::numeric_limits<double>::infinity();  // after the last step
  std::vector<R> best_;                                          // θ, P
};

}  // namespace natgrad
