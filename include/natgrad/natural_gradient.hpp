/// Natural-gradient descent with the measured KL divergence of every step held within its budget.
#pragma once

#include "natgrad/fisher.hpp"
#include "natgrad/optimizer.hpp"

namespace natgrad {

struct NaturalGradientOptions {
  ScoreKind kind = ScoreKind::exact;
  Index draws = 1;  // K of `mc`
  Structure structure = Structure::dense;
  double kl = 0.1;            // ε, the budget of a step
  double kl_tolerance = 0.0;  // accepted: measured KL ≤ ε(1 + tolerance)
  double damping = 1e-2;      // λ at the start; 0: minimum-norm solves
  bool adapt_damping = true;  // Levenberg-Marquardt, within [min_damping, max_damping]
  double min_damping = 1e-8, max_damping = 1e8;
  double max_beta = 1.0;
  double l2 = 0.0;         // η of ½η‖θ‖²
  std::uint64_t seed = 1;  // of the draws of `mc`

  /// Throws UsageError naming the option, its value and what is allowed.
  void validate() const;
};

/// One rung of the failure ladder of a solve: Cholesky at λ, then at 10λ, … six times, then the
/// eigendecomposition with a cut-off, then none.
class SolveLadder {
 public:
  explicit SolveLadder(double damping)
      : start_(damping),
        damping_(damping),
        method_(damping > 0.0 ? SolveMethod::cholesky : SolveMethod::eigen) {}

  SolveMethod method() const { return method_; }
  double damping() const { return damping_; }
  int retries() const { return retries_; }
  /// To the next rung; false where there is none.
  bool climb();

 private:
  double start_, damping_;
  SolveMethod method_;
  int retries_ = 0;
};

/// The optimiser of this library. A step:
///
///     d = (F + (λ + η)I)⁻¹g,  β = min(β_max, √(2ε / dᵀFd)),  θ ← θ − βd
///
/// and then the KL divergence between the old and the new output distribution is measured on the batch. The
/// step is accepted if the loss is finite and did not rise and the KL is within the budget; otherwise β is
/// cut and tried again; after the last try θ is restored bit for bit and λ raised.
template <class R>
class NaturalGradient final : public Optimizer<R> {
 public:
  /// The network must outlive the optimiser.
  NaturalGradient(Network<R>& net, Likelihood likelihood, const NaturalGradientOptions& options);

  StepReport step(const Batch<R>& batch) override;

  /// λ of the next step.
  double damping() const { return damping_; }
  /// Of the last step: g and d (P), and F with its factorisation.
  VectorView<const R> gradient() const { return pass_.gradient(); }
  VectorView<const R> direction() const { return direction_.vector(); }
  Fisher<R>& fisher() { return *fisher_; }

 private:
  Rows<R> curvature_rows(const Rows<R>& empirical_rows, const Batch<R>& batch);
  Scalars solve_and_try(const SolveLadder& rung, const Batch<R>& batch);
  bool climb_until_solved(SolveLadder& rung, Scalars& s, const Batch<R>& batch, StepReport& report);
  bool backtrack(Scalars& s, const Batch<R>& batch, StepReport& report);
  void complete(StepReport& report, const Scalars& s, const SolveLadder& rung, bool accepted) const;
  Scalars try_step(const Batch<R>& batch);
  void restore() { backend_.copy(start_parameters(), parameters()); }
  MatrixView<R> parameters() const { return {net_.theta().data, net_.theta().size, 1}; }
  MatrixView<R> start_parameters() const { return {start_.data(), start_.size(), 1}; }
  double loss_change(const Scalars& s) const;
  bool acceptable(const Scalars& s) const;
  double cut(const Scalars& s) const;
  double reduction_ratio(const Scalars& s) const;
  void adapt_damping(const StepReport& report);
  std::string describe_failure(const Scalars& s, const SolveLadder& failed) const;

  Network<R>& net_;
  Backend<R>& backend_;
  Likelihood likelihood_;
  NaturalGradientOptions options_;
  double damping_;           // λ
  std::uint32_t steps_ = 0;  // advances the stream of `mc`
  GradientPass<R> pass_;
  Signals<R> signals_;
  Activations<R> trial_;  // of the new parameters
  std::unique_ptr<Fisher<R>> fisher_;
  Buffer<R> direction_;  // d, P
  Buffer<R> start_;      // θ before the step, P
};

}  // namespace natgrad
