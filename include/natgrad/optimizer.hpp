/// What all optimisers share: one step on one batch, and a report of it.
#pragma once

#include <limits>
#include <memory>
#include <string>

#include "natgrad/scores.hpp"
#include "natgrad/state.hpp"

namespace natgrad {

/// N samples on the network's device, one per column.
template <class R>
struct Batch {
  MatrixView<const R> x;  // n_0 × N
  MatrixView<const R> y;  // C × N; categorical: 1 × N class indices
};

/// What happened in a step; a number that an optimiser does not measure is NaN.
struct StepReport {
  static constexpr double none = std::numeric_limits<double>::quiet_NaN();

  double loss = none;         // mean negative log-likelihood + ½η‖θ‖², before the step
  double new_loss = none;     // the same on the same batch, after it
  double kl_budget = none;    // ε
  double kl_model = none;     // ½β²dᵀFd
  double kl_measured = none;  // mean KL(p_old ‖ p_new) over the batch; of the last try where rejected
  double quadratic = none;    // dᵀFd
  double beta = none;         // step size applied (or last tried)
  double damping = none;      // λ that the direction was solved with
  double rho = none;          // actual over predicted change of the loss
  int backtracks = 0;         // tries beyond the first
  bool rejected = false;      // no try was accepted; θ is as before, bit for bit
  double momentum = none;     // μ of the step before in this one
  std::string solver;         // "cholesky", "eigen", or empty
  int solver_retries = 0;     // rungs of the failure ladder taken
  int iterations = 0;         // of an iterative solve
  double residual = none;     // ‖b − Ax‖/‖b‖ of the system solved, where the structure can tell
  double rank = none;         // eigenvalues kept, with `eigen`; the largest over the smallest kept; that one
  double condition = none;
  double smallest_eigenvalue = none;
  double grad_norm = none;  // ‖g‖
  double step_norm = none;  // ‖θ_new − θ‖; 0 where rejected
  std::string note;         // something a person should read, or empty
};

/// Changes a network's parameters, batch by batch.
template <class R>
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// One step. Throws NumericError naming the first number that is not finite, with its layer and sample,
  /// where the loss, the gradient or anything the step builds on is none, or where the update would not fit
  /// the precision: θ and the optimiser's state are then as before. Throws ShapeError where the batch does
  /// not fit the network, OutOfMemory, DeviceError.
  virtual StepReport step(const Batch<R>& batch) = 0;
  /// What the next step builds on, beside θ: moments, averages, λ, positions of random streams.
  virtual void visit_state(StateVisitor<R>& state) = 0;
};

/// Loss and gradient of a batch: the part of a step that every optimiser begins with.
template <class R>
class GradientPass {
 public:
  /// `l2` is η of ½η‖θ‖².
  GradientPass(const Network<R>& net, Likelihood likelihood, double l2)
      : net_(net), likelihood_(likelihood), l2_(l2) {}

  /// Runs forward; slots loss, parameter_norm2. Throws ShapeError where the batch does not fit the network,
  /// as do all of these, OutOfMemory, DeviceError.
  void forward(const Batch<R>& batch);
  /// The empirical score rows of that batch.
  Rows<R> empirical_rows(const Batch<R>& batch);
  /// gradient() ← ∇(loss + ½η‖θ‖²) from these rows; slot gradient_norm2.
  void gradient(const Rows<R>& empirical_rows);
  /// All three.
  void run(const Batch<R>& batch);

  const Activations<R>& activations() const { return acts_; }
  /// g, P.
  VectorView<R> gradient() const { return gradient_.vector(); }

  double l2() const { return l2_; }
  /// loss + ½η‖θ‖² from the slots; NaN where it, the gradient or θ is not finite.
  double loss(const Scalars& scalars) const;
  /// The same after `run`; instead of NaN throws NumericError naming the first number that is not finite.
  double checked_loss(const Scalars& scalars) const;

 private:
  const Network<R>& net_;
  Likelihood likelihood_;
  double l2_;
  Batch<R> batch_;  // of the last run
  Activations<R> acts_;
  Signals<R> signals_;
  Rows<R> rows_;        // of the last run
  Buffer<R> gradient_;  // P, with its first use
};

struct SgdOptions {
  double learning_rate = 0.1;
  double momentum = 0.0;  // μ of v ← μv + g, θ ← θ − rate·v
  double l2 = 0.0;

  /// Throws UsageError naming the option, its value and what is allowed.
  void validate() const;
};

struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double l2 = 0.0;

  /// Throws UsageError naming the option, its value and what is allowed.
  void validate() const;
};

/// Stochastic gradient descent with heavy-ball momentum. The network must outlive it. Throws UsageError for
/// options out of range, OutOfMemory.
template <class R>
std::unique_ptr<Optimizer<R>> make_sgd(Network<R>& net, Likelihood likelihood, const SgdOptions& options);

/// Adam (Kingma & Ba 2015). The network must outlive it. Throws UsageError for options out of range,
/// OutOfMemory.
template <class R>
std::unique_ptr<Optimizer<R>> make_adam(Network<R>& net, Likelihood likelihood, const AdamOptions& options);

}  // namespace natgrad
