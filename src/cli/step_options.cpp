#include "cli/option_groups.hpp"

namespace natgrad::cli {
namespace {

using O = Options;

const Governors natural = {{"optimizer", {"natural"}}};

Range count() { return {.low = 1.0, .high = 1e9}; }

Governors structure(std::vector<std::string_view> names) { return {{"structure", std::move(names)}}; }

const std::vector<std::string_view> structures = {"dense", "gram",      "matrix-free", "layer",
                                                  "unit",  "kronecker", "ekfac",       "diagonal"};

std::vector<std::string_view> structures_and_auto() {
  std::vector<std::string_view> names = structures;
  names.emplace_back("auto");
  return names;
}

}  // namespace

std::vector<OptionEntry> optimizer_options() {
  const Governors rate = {{"optimizer", {"sgd", "adam"}}}, moving = {{"optimizer", {"natural", "sgd"}}};
  const Governors textbook = {{"step-rule", {"kl"}}}, model = {{"step-rule", {"quadratic"}}};
  return {
      {"optimizer",
       with_run,
       &O::optimizer,
       "natural: natural gradient with the KL of every step bounded",
       {.choices = {"natural", "sgd", "adam"}}},
      {"kl", with_step, &O::kl, "KL budget of a step, in nats", {.range = above(0), .only_with = {natural}}},
      {"kl-tolerance",
       with_step,
       &O::kl_tolerance,
       "accept a measured KL up to kl * (1 + tolerance)",
       {.range = at_least(0), .only_with = {natural}}},
      {"step-rule",
       with_step,
       &O::step_rule,
       "kl: the step size that spends the budget; quadratic: step size and momentum from the quadratic model of the "
       "batch, within the budget",
       {.choices = {"kl", "quadratic"}, .only_with = {natural}}},
      {"max-beta", with_step, &O::max_beta, "largest step size", {.range = above(0), .only_with = {natural}}},
      {"model-damping",
       with_step,
       &O::model_damping,
       "part of the damping that the quadratic model carries",
       {.range = at_least(0), .only_with = {natural, model}}},
      {"model-batch",
       with_step,
       &O::model_batch,
       "samples of the batch that the quadratic model is made of",
       {.range = at_least(1), .word_for_zero = "all", .only_with = {natural, model}}},
      {"momentum",
       with_run,
       &O::momentum,
       "of the gradient (sgd), or of the step before (natural: SPRING)",
       {.range = fraction(), .only_with = {moving, textbook}}},
      {"l2", with_step, &O::l2, "eta of the term eta/2 |theta|^2 in the loss", {.range = at_least(0)}},
      {"learning-rate",
       with_run,
       &O::learning_rate,
       "step size (default: sgd 0.1, adam 0.001)",
       {.range = above(0), .only_with = {rate}}},
  };
}

std::vector<OptionEntry> curvature_options() {
  const Governors averaged = structure({"dense", "layer", "unit", "kronecker", "ekfac", "diagonal", "auto"});
  Governors refreshed = averaged;
  refreshed.push_back({"metric", {"kronecker"}});
  const Governors gram = structure({"gram"}), refined = structure({"gram", "dense", "auto"});
  const Governors iterative = structure({"matrix-free"}), kronecker = {{"metric", {"kronecker"}}};
  return {
      {"fisher",
       with_step,
       &O::fisher,
       "score rows of the Fisher: all outputs, samples of the model, or the data's labels",
       {.choices = {"exact", "mc", "empirical"}, .only_with = {natural}}},
      {"fisher-samples",
       with_step,
       &O::fisher_samples,
       "draws per sample",
       {.range = at_least(1), .only_with = {natural, {{"fisher", {"mc"}}}}}},
      {"fisher-batch",
       with_step,
       &O::fisher_batch,
       "samples of the batch that the Fisher is made of",
       {.range = at_least(1), .word_for_zero = "all", .only_with = {natural}}},
      {"structure",
       with_run,
       &O::structure,
       "what is kept of the Fisher; auto: all of it where that fits, else kronecker (see natgrad plan)",
       {.choices = structures_and_auto(), .only_with = {natural}}},
      {"structure", inspect, &O::structure, "what is kept of the Fisher", {.choices = structures}},
      {"curvature-decay",
       with_step,
       &O::curvature_decay,
       "of the running average of the Fisher; 0: that of the last batch alone",
       {.range = fraction(), .only_with = {natural, averaged}}},
      {"refresh",
       with_step,
       &O::refresh,
       "steps from one that takes the curvature anew to the next",
       {.range = count(), .only_with = {natural, refreshed}}},
      {"solver",
       with_step,
       &O::solver,
       "auto: Cholesky, and where that fails or without damping the eigendecomposition",
       {.choices = {"auto", "cholesky", "eigen"}, .only_with = {natural}}},
      {"cutoff",
       with_step,
       &O::cutoff,
       "eigenvalues below this part of the largest count as 0; 0: those within the rounding error",
       {.range = fraction(), .only_with = {natural}}},
      {"refine",
       with_step,
       &O::refine,
       "steps of iterative refinement of a solve",
       {.range = {.low = 0.0, .high = 10.0}, .only_with = {natural, refined}}},
      {"metric",
       with_step,
       &O::metric,
       "of the damping: identity, or running Kronecker factors",
       {.choices = {"identity", "kronecker"}, .only_with = {natural, gram}}},
      {"mix",
       with_step,
       &O::mix,
       "part of the batch's Fisher in mix * Fisher + (1 - mix) * metric",
       {.range = fraction(), .only_with = {natural, gram, kronecker}}},
      {"factor-decay",
       with_step,
       &O::factor_decay,
       "of the running average of the metric's factors",
       {.range = fraction(), .only_with = {natural, gram, kronecker}}},
      {"preconditioner",
       with_step,
       &O::preconditioner,
       "of the conjugate gradients",
       {.choices = {"diagonal", "kronecker"}, .only_with = {natural, iterative}}},
      {"cg-tolerance",
       with_step,
       &O::cg_tolerance,
       "relative residual that ends the conjugate gradients (default 1e-6, inspect 1e-16)",
       {.range = {.low = 0.0, .high = 1.0, .above_low = true, .below_high = true},
        .only_with = {natural, iterative}}},
      {"cg-iterations",
       with_step,
       &O::cg_iterations,
       "most iterations of a solve (default 1000, inspect at least 10 for every parameter)",
       {.range = count(), .only_with = {natural, iterative}}},
  };
}

std::vector<OptionEntry> damping_options() {
  const auto schedule = [](std::vector<std::string_view> names) {
    return std::vector<Governors>{natural, {{"damping-schedule", std::move(names)}}};
  };
  return {
      {"damping",
       with_step,
       &O::damping,
       "added to the Fisher's diagonal, at the start; 0: minimum-norm steps",
       {.range = at_least(0), .only_with = {natural}}},
      {"damping-schedule",
       with_run,
       &O::damping_schedule,
       "adaptive: by how well the step was predicted; geometric: times the damping rate at every step",
       {.choices = {"adaptive", "constant", "geometric"}, .only_with = {natural}}},
      {"damping-factor",
       with_run,
       &O::damping_factor,
       "by which the damping is divided or multiplied",
       {.range = above(1), .only_with = schedule({"adaptive", "geometric"})}},
      {"damping-interval",
       with_run,
       &O::damping_interval,
       "steps from one adaptation to the next",
       {.range = count(), .only_with = schedule({"adaptive"})}},
      {"damping-rate",
       with_run,
       &O::damping_rate,
       "of the geometric schedule",
       {.range = {.low = 0.0, .high = 1.0, .above_low = true}, .only_with = schedule({"geometric"})}},
      {"min-damping",
       with_run,
       &O::min_damping,
       "least damping of a schedule",
       {.range = {.low = 0.0, .high = DampingOptions{}.most},
        .only_with = schedule({"adaptive", "geometric"})}},
      {"adapt-damping",
       with_run,
       &O::adapt_damping,
       "another word for --damping-schedule: on adaptive, off constant",
       {.on_off = true, .only_with = {natural}, .recorded = false}},
  };
}

}  // namespace natgrad::cli
