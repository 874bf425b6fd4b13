#include "natgrad/plan.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

#include "option_check.hpp"
#include "quadratic_model.hpp"

namespace natgrad {
namespace {

// Adds to a plan what parts of a run take.
class Planner {
 public:
  explicit Planner(const RunShape& run)
      : run_(run),
        batch_(run.batch == 0 ? run.train_samples : run.batch),
        numbers_per_index_(run.number_bytes == 4 ? 2 : 1) {
    run.network.validate();
    require_option(run.number_bytes == 4 || run.number_bytes == 8, "the bytes of a number",
                   static_cast<double>(run.number_bytes), "4 or 8");
    for (const Index samples : {run.train_samples, run.test_samples, run.batch})
      require_option(samples >= 0, "the number of samples", static_cast<double>(samples), "at least 0");
    plan_.parameters = run.network.parameters();
    plan_.number_bytes = run.number_bytes;
    add("parameters", plan_.parameters);
    add("device's own", run.device_bytes / run.number_bytes);
    if (run.average) add("averaged parameters", plan_.parameters);
    data();
    add("activations", Activations<float>::elements(run.network, batch_));
    plan_.flops += pass();
  }

  Index batch() const { return batch_; }
  Index parameters() const { return plan_.parameters; }
  RunPlan& plan() { return plan_; }

  void add(const char* name, Index elements) { plan_.buffers.push_back({name, elements}); }
  void add_vector(const char* name) { add(name, parameters()); }

  // The signals of the empirical rows and the gradient that is made of them.
  void gradient() {
    add("gradient's signals", Signals<float>::elements(rows_shape(run_.network, batch_, 1)));
    add_vector("gradient");
    plan_.flops += back_propagation(batch_) + pass();
  }

  // 2 N m ñ per layer: of a forward pass, a gradient from its signals, Sv.
  double pass() const { return 2.0 * static_cast<double>(batch_) * static_cast<double>(plan_.parameters); }

  // 2 R m n per layer but the first.
  double back_propagation(Index rows) const {
    double weights = 0.0;
    for (Index l = 1; l < run_.network.layers(); ++l)
      weights += static_cast<double>(run_.network.width(l)) * static_cast<double>(run_.network.width(l + 1));
    return 2.0 * static_cast<double>(rows) * weights;
  }

 private:
  void data() {
    const Index targets = run_.likelihood == Likelihood::categorical ? 1 : run_.network.outputs();
    const Index sample = run_.network.inputs() + targets;
    add("training data", capped_product(sample, run_.train_samples));
    add("test data", capped_product(sample, run_.test_samples));
    if (batch_ != run_.train_samples) {
      add("order of the samples", capped_product(run_.train_samples, numbers_per_index_));
      add("batch", capped_product(sample, batch_));
    }
    add("evaluation", std::max(evaluation_elements(run_.network, run_.likelihood, run_.train_samples),
                               evaluation_elements(run_.network, run_.likelihood, run_.test_samples)));
  }

  const RunShape& run_;
  Index batch_, numbers_per_index_;
  RunPlan plan_;
};

// Of the curvature that a natural gradient makes of a batch of N samples.
RowsShape curvature_shape(const RunShape& run, const NaturalGradientOptions& options, Index samples) {
  const Index part = options.fisher_batch;
  const ScoreSpec spec{options.kind, options.draws, {}};
  return rows_shape(run.network, part == 0 ? samples : std::min(part, samples),
                    spec.rows_per_sample(run.likelihood, run.network.outputs()));
}

// What NaturalGradient holds of vectors and signals, with or without a gradient of its own.
void add_vectors(Planner& planner, const NaturalGradientOptions& options, const RowsShape& rows,
                 const FisherPlan& fisher) {
  const bool whole = rows.samples == planner.batch();
  const bool own_signals = options.kind != ScoreKind::empirical || !whole;
  const bool residuals = options.kind != ScoreKind::mc && whole;
  const bool quadratic = options.rule == StepRule::quadratic, momentum = options.momentum > 0.0;
  const bool forms_gradient = fisher.needs_gradient || !residuals || options.l2 != 0.0 || quadratic;

  const bool shared = !own_signals && forms_gradient;  // those of the gradient
  if (forms_gradient) planner.gradient();
  if (!shared) {
    const Index unused = options.kind == ScoreKind::mc ? rows.count() : 0;  // of mc there is no u
    planner.add("signals", Signals<float>::elements(rows) - unused);
    planner.plan().flops += planner.back_propagation(rows.count());
  }
  planner.add_vector("direction");
  planner.add_vector("parameters before the step");
  if (quadratic || momentum) planner.add_vector("step before");
  if (momentum && forms_gradient) planner.add_vector("right side");
  if (fisher.dual && residuals && (momentum || options.l2 != 0.0)) planner.add_vector("shift");
}

}  // namespace

double RunPlan::bytes() const {
  double elements = 0.0;
  for (const PlannedBuffer& buffer : buffers) elements += static_cast<double>(buffer.elements);
  return elements * static_cast<double>(number_bytes);
}

RunPlan plan_natural_gradient(const RunShape& run, const NaturalGradientOptions& options) {
  options.validate();
  Planner planner(run);
  RunPlan& plan = planner.plan();
  const RowsShape rows = curvature_shape(run, options, planner.batch());
  plan.rows = rows.count();
  const FisherPlan fisher = plan_fisher(rows, options.fisher);
  add_vectors(planner, options, rows, fisher);
  planner.add("activations of a try", Activations<float>::output_elements(run.network, planner.batch()));
  plan.flops += planner.pass();
  if (options.rule == StepRule::quadratic) {
    const Index part =
        options.model_batch == 0 ? planner.batch() : std::min(options.model_batch, planner.batch());
    planner.add("quadratic model", QuadraticModel<float>::elements(run.network, part));
    // two products with the Jacobian
    plan.flops += 4.0 * planner.pass() * static_cast<double>(part) / static_cast<double>(planner.batch());
  }
  for (const auto& [name, elements] : fisher.buffers) plan.buffers.push_back({"Fisher: " + name, elements});
  plan.flops += fisher.flops;
  plan.exact = fisher.exact;
  return std::move(plan);
}

RunPlan plan_sgd(const RunShape& run) {
  Planner planner(run);
  planner.gradient();
  planner.add_vector("velocity");
  return std::move(planner.plan());
}

RunPlan plan_adam(const RunShape& run) {
  Planner planner(run);
  planner.gradient();
  planner.add("moments", 2 * planner.parameters());
  return std::move(planner.plan());
}

Structure choose_structure(std::span<const StructurePlan> plans, double limit) {
  const StructurePlan* cheapest = nullptr;
  for (const StructurePlan& candidate : plans) {
    // Nobody knows beforehand how many iterations matrix-free will take.
    const bool direct = candidate.plan.exact && candidate.structure != Structure::matrix_free;
    if (!direct || candidate.plan.bytes() > limit) continue;
    if (cheapest == nullptr || candidate.plan.flops < cheapest->plan.flops) cheapest = &candidate;
  }
  return cheapest == nullptr ? Structure::kronecker : cheapest->structure;
}

template <class R>
double gemm_rate(Backend<R>& backend) {
  using Clock = std::chrono::steady_clock;
  constexpr double long_enough = 5e-3;  // seconds of one product
  constexpr Index largest = 4096;
  constexpr int repetitions = 4;  // the first warms up
  for (Index n = 512;; n *= 2) {
    const Buffer<R> a(backend, n * n), b(backend, n * n), c(backend, n * n);
    for (const Buffer<R>* x : {&a, &b}) backend.fill(x->matrix(n, n), R(0.5));
    double shortest = std::numeric_limits<double>::infinity();
    for (int k = 0; k < repetitions; ++k) {
      backend.synchronize();
      const auto start = Clock::now();
      backend.gemm(Transpose::no, Transpose::no, R(1), a.matrix(n, n), b.matrix(n, n), R(0), c.matrix(n, n));
      backend.synchronize();
      shortest = std::min(shortest, std::chrono::duration<double>(Clock::now() - start).count());
    }
    const double order = static_cast<double>(n);
    if (shortest >= long_enough || n == largest) return 2.0 * order * order * order / shortest;
  }
}

template double gemm_rate(Backend<float>&);
template double gemm_rate(Backend<double>&);

}  // namespace natgrad
