/// Natural-gradient descent with the measured KL divergence of every step held within its budget.
#pragma once

#include "natgrad/damping.hpp"
#include "natgrad/fisher.hpp"
#include "natgrad/optimizer.hpp"

namespace natgrad {

/// kl: the textbook β = √(2ε / dᵀFd) · quadratic: rate and momentum from the exact quadratic model of the
/// batch, capped by the KL budget (Martens & Grosse 2015, sections 6.4 and 7).
enum class StepRule { kl, quadratic };

std::string_view to_string(StepRule rule);
/// Throws UsageError, naming the allowed values, where `name` is none of them.
StepRule parse_step_rule(std::string_view name);

/// automatic: Cholesky where λ > 0, and its failure ladder; the eigendecomposition where λ = 0.
enum class Solver { automatic, cholesky, eigen };

std::string_view to_string(Solver solver);
/// Throws UsageError, naming the allowed values, where `name` is none of them.
Solver parse_solver(std::string_view name);

struct NaturalGradientOptions {
  ScoreKind kind = ScoreKind::exact;
  Index draws = 1;         // K of `mc`
  Index fisher_batch = 0;  // samples of the batch that the curvature is taken from; 0: all
  FisherOptions fisher{};
  double kl = 0.1;            // ε, the budget of a step
  double kl_tolerance = 0.0;  // accepted: measured KL ≤ ε(1 + tolerance)
  DampingOptions damping{};
  Solver solver = Solver::automatic;
  StepRule rule = StepRule::kl;
  double max_beta = 1.0;
  double momentum = 0.0;       // μ of SPRING (Goldshlager et al. 2024); rule kl
  double model_damping = 1.0;  // κ of the quadratic model's F + (κλ + η)I; rule quadratic
  Index model_batch = 0;       // samples of the batch that this F is taken from; 0: all
  double l2 = 0.0;             // η of ½η‖θ‖²
  std::uint64_t seed = 1;      // of the draws of `mc`

  /// Throws UsageError naming the option, its value and what is allowed.
  void validate() const;
};

/// One rung of the failure ladder of a solve: Cholesky at λ, then at 10λ, … six times, then the
/// eigendecomposition with a cut-off, then none. A fixed solver keeps to its own rungs.
class SolveLadder {
 public:
  SolveLadder(double damping, Solver solver);

  SolveMethod method() const { return method_; }
  double damping() const { return damping_; }
  int retries() const { return retries_; }
  /// To the next rung; false where there is none.
  bool climb();

 private:
  double start_, damping_;
  SolveMethod method_;
  bool may_change_method_;
  int retries_ = 0;
};

template <class R>
class QuadraticModel;

/// The optimiser of this library. A step:
///
///     d = (F + (λ + η)I)⁻¹(g + λμd₋),  β = min(β_max, √(2ε / dᵀFd)),  θ ← θ − βd
///
/// with d₋ the step last applied (zero after a rejection), or what the quadratic model makes of d and d₋.
/// Then the KL divergence between the old and the new output distribution is measured on the batch. The step
/// is accepted if the loss is finite and did not rise and the KL is within the budget; otherwise β is cut and
/// tried again; after the last try θ is restored bit for bit and λ raised. A batch of another size makes F
/// anew: averages begin again; so they do after a NumericError, whose numbers they would keep.
template <class R>
class NaturalGradient final : public Optimizer<R> {
 public:
  /// The network must outlive the optimiser. Throws UsageError for options out of range, OutOfMemory.
  NaturalGradient(Network<R>& net, Likelihood likelihood, const NaturalGradientOptions& options);
  ~NaturalGradient() override;

  StepReport step(const Batch<R>& batch) override;
  void visit_state(StateVisitor<R>& state) override;

  /// λ of the next step.
  double damping() const { return damping_.value(); }
  /// Of the last step: ∇(loss + ½η‖θ‖²) and d (P), and F. Before the first step gradient() and fisher() throw
  /// UsageError; fisher() after one that ended in a NumericError too.
  VectorView<const R> gradient();
  VectorView<const R> direction() const { return direction_.vector(); }
  Fisher<R>& fisher();

 private:
  void prepare_fisher(const RowsShape& shape);
  void visit_fisher(StateVisitor<R>& state);
  void see(const Batch<R>& batch);
  Rows<R> curvature_rows(const Batch<R>& batch);
  Index window_begin(Index samples, Index part) const;
  void form_gradient(const Batch<R>& batch);
  bool has_residuals() const { return use_residuals_ && rows_.u.size > 0; }
  Scalars first_solve(const Batch<R>& batch, const SolveLadder& rung, StepReport& report);
  Scalars solve_and_try(const Batch<R>& batch, const SolveLadder& rung);
  RightSide<R> right_side(double damping);
  void minimise_model(Index samples, const SolveLadder& rung);
  bool climb_until_solved(SolveLadder& rung, Scalars& s, const Batch<R>& batch, StepReport& report);
  bool backtrack(Scalars& s, const Batch<R>& batch, StepReport& report);
  void complete(StepReport& report, const Scalars& s, const SolveLadder& rung, bool accepted) const;
  void complete_solver(StepReport& report, const Scalars& s, const SolveLadder& rung) const;
  void remember_step(const StepReport& report);
  Scalars try_step(const Batch<R>& batch);
  void require_finite(const Batch<R>& batch, const Scalars& s);
  void restore() { backend_.copy(start_parameters(), parameters()); }
  MatrixView<R> parameters() const { return {net_.theta().data, net_.theta().size, 1}; }
  MatrixView<R> start_parameters() const { return {start_.data(), start_.size(), 1}; }
  double loss_change(const Scalars& s) const;
  bool acceptable(const Scalars& s) const;
  bool fits(const Scalars& s) const;
  double cut(const Scalars& s) const;
  double reduction_ratio(const Scalars& s) const;
  std::string describe_failure(const Scalars& s, const SolveLadder& failed) const;

  Network<R>& net_;
  Backend<R>& backend_;
  Likelihood likelihood_;
  NaturalGradientOptions options_;
  Damping damping_;  // λ
  Index steps_ = 0;  // advances the stream of `mc` and the windows
  GradientPass<R> pass_;
  Signals<R> signals_;
  Activations<R> trial_;   // of the new parameters
  Activations<R> window_;  // of the samples that the curvature is taken from, where not all
  Rows<R> rows_;           // S
  std::unique_ptr<Fisher<R>> fisher_;
  RowsShape fisher_shape_;                    // of the rows that it was made for
  std::unique_ptr<QuadraticModel<R>> model_;  // with rule quadratic
  Buffer<R> direction_;                       // d, P
  Buffer<R> start_;                           // θ before the step, P
  Buffer<R> previous_;                        // d₋, P, where the rule or momentum needs it
  Buffer<R> shift_;                           // v, P, with momentum or L2
  Buffer<R> right_side_;                      // b, P, with momentum
  bool gradient_formed_ = false;              // in this step
  bool use_residuals_ = true;                 // u serves; a label of no probability spoils it
  bool has_previous_ = false;
  bool use_momentum_ = false;  // in this step
};

}  // namespace natgrad
