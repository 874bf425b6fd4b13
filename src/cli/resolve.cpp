#include "cli/resolve.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/console.hpp"
#include "cli/model_options.hpp"
#include "io/number.hpp"

namespace natgrad::cli {
namespace {

void require(bool allowed, const std::string& message) {
  if (!allowed) throw UsageError(message);
}

void check_network(const Options& options) {
  const bool widths_known = options.init_from.empty() || options.given("hidden");
  if (widths_known) expand_activations(options.activation, options.hidden.size());
}

// --adapt-damping is the older word.
void resolve_damping(Options& options) {
  const Source word = options.source("adapt-damping"), schedule = options.source("damping-schedule");
  if (word == Source::standard || word < schedule) return;
  require(word != schedule, "--adapt-damping: cannot be given together with --damping-schedule");
  options.damping_schedule = options.adapt_damping ? "adaptive" : "constant";
}

FisherOptions fisher_options(const Options& options) {
  FisherOptions result;
  result.structure = parse_structure(options.structure);
  result.decay = options.curvature_decay;
  result.cutoff = options.cutoff;
  result.refine = static_cast<int>(options.refine);
  result.kronecker_metric = options.metric == "kronecker";
  result.mix = options.mix;
  result.factor_decay = options.factor_decay;
  result.refresh = static_cast<int>(options.refresh);
  result.preconditioner = parse_structure(options.preconditioner);
  result.tolerance = options.cg_tolerance.value_or(result.tolerance);
  if (options.cg_iterations) result.max_iterations = static_cast<int>(*options.cg_iterations);
  return result;
}

/// " with --init-from", or ": it is for --structure gram or auto, or --metric kronecker".
std::string words(const Governors& governors) {
  std::vector<std::string> choices;
  for (const auto& [option, values] : governors) {
    if (values.front().empty()) return fmt::format(" with --{}", option);
    choices.push_back(fmt::format("--{} {}", option, fmt::join(values, " or ")));
  }
  return fmt::format(": it is for {}", fmt::join(choices, ", or "));
}

}  // namespace

void drop_idle_options(Command command, Options& options) {
  const Options given = options, standard;
  for (const OptionEntry& entry : option_table()) {
    const Governors* hindrance = (entry.commands & command) == 0 ? nullptr : cli::hindrance(entry, given);
    if (hindrance == nullptr) continue;
    std::visit([&](auto member) { options.*member = standard.*member; }, entry.member);
    if (options.sources.erase(entry.name) == 0) continue;
    const bool replaced = std::ranges::any_of(*hindrance, [&](const Governor& governor) {
      return given.source(entry.name) < given.source(governor.option);
    });
    if (!replaced)
      print_error(fmt::format("natgrad: warning: --{} has no effect{}\n", entry.name, words(*hindrance)));
  }
}

void require_given(const Options& options, std::string_view name) {
  require(options.given(name), fmt::format("--{} is missing", name));
}

void resolve_data(Options& options) {
  const bool none =
      options.data.empty() && options.train_x.empty() && options.train_y.empty() && options.train_csv.empty();
  const bool test = !options.test_x.empty() || !options.test_y.empty() || !options.test_csv.empty();
  if (none && !test) options.data = "digits";
  if (!options.data.empty() && !test && !options.given("test-fraction")) options.test_fraction = 0.2;
  require(!test || options.test_fraction == 0.0,
          fmt::format("--test-fraction {}: cannot be given together with test files", options.test_fraction));
  require(options.target.empty() || !options.train_csv.empty() || !options.test_csv.empty(),
          fmt::format("--target {}: is for --train-csv and --test-csv", options.target));
}

namespace {

// TF32 rounds what a refined solve is made of, and nothing else: so there must be refined solves.
void resolve_tf32(Options& options) {
  if (!options.tf32) return;
  const auto allow = [](bool allowed, const std::string& what) {
    require(allowed, "--tf32: solves with its products are refined, which is possible with " + what);
  };
  allow(options.precision == "f32", "--precision f32 only");
  allow(options.optimizer == "natural", "--optimizer natural only");
  const bool dense = options.structure == "dense" && options.curvature_decay == 0.0 && options.refresh == 1;
  allow(dense || (options.structure == "gram" && options.metric == "identity"),
        "--structure gram or dense, of one batch, in the identity metric only");
  allow(options.damping > 0.0, "a --damping above 0 only");
  options.refine = std::max<Index>(1, options.refine);
}

}  // namespace

void resolve_device(Options& options) {
  const std::string& device = options.device;
  const auto number = device.starts_with("cuda:") ? parse_number<int>(device.substr(5)) : std::nullopt;
  require(
      device == "auto" || device == "cpu" || device == "cuda" || (number && *number >= 0),
      fmt::format("--device {}: expected auto, cpu, cuda or cuda:N, N from 0; natgrad doctor lists the GPUs",
                  device));
  if (options.threads == 0) options.threads = available_cores();
  resolve_tf32(options);
}

void warn_of_gpu_options(const Options& options, std::string_view device) {
  if (!device.starts_with("cpu")) return;
  for (const char* name : {"kernels", "tf32", "no-graph", "profile-steps"})
    if (options.source(name) == Source::command_line)
      print_error(fmt::format("natgrad: warning: --{} has no effect on the CPU\n", name));
}

CudaOptions cuda_options(const Options& options) {
  const Route route = parse_route(options.kernels);
  return {.gram = route,
          .outer_product = route,
          .cholesky = route,
          .epilogue = route,
          .tf32 = options.tf32,
          .graph = !options.no_graph};
}

StepRange profile_steps(const Options& options) {
  if (options.profile_steps.empty()) return {};
  const auto colon = options.profile_steps.find(':');
  const auto first = parse_number<Index>(std::string_view(options.profile_steps).substr(0, colon));
  const auto last = colon == std::string::npos
                        ? first
                        : parse_number<Index>(std::string_view(options.profile_steps).substr(colon + 1));
  require(first && last && 1 <= *first && *first <= *last,
          fmt::format("--profile-steps {}: expected M:N, steps from 1, M at most N", options.profile_steps));
  return {*first, *last};
}

void resolve_training(Options& options) {
  resolve_damping(options);
  drop_idle_options(train, options);
  profile_steps(options);
  check_network(options);
  resolve_data(options);
  resolve_device(options);
  const bool limited = options.steps || options.epochs || options.max_seconds || options.target_loss;
  if (!limited) options.steps = 20;
  if (!options.learning_rate)
    options.learning_rate =
        options.optimizer == "adam" ? AdamOptions{}.learning_rate : SgdOptions{}.learning_rate;
}

NaturalGradientOptions natural_gradient_options(const Options& options) {
  NaturalGradientOptions result;
  result.kind = parse_score_kind(options.fisher);
  result.draws = options.fisher_samples;
  result.fisher_batch = options.fisher_batch;
  result.model_batch = options.model_batch;
  result.fisher = fisher_options(options);
  result.solver = parse_solver(options.solver);
  result.damping.start = options.damping;
  result.damping.schedule = parse_damping_schedule(options.damping_schedule);
  result.damping.factor = options.damping_factor;
  result.damping.interval = static_cast<int>(options.damping_interval);
  result.damping.rate = options.damping_rate;
  result.damping.least = options.min_damping;
  result.kl = options.kl;
  result.kl_tolerance = options.kl_tolerance;
  result.rule = parse_step_rule(options.step_rule);
  result.max_beta = options.max_beta;
  result.momentum = options.momentum;
  result.model_damping = options.model_damping;
  result.l2 = options.l2;
  result.seed = options.seed;
  return result;
}

TrainerOptions trainer_options(const Options& options) {
  TrainerOptions result;
  result.batch = options.batch;
  result.steps = options.steps.value_or(0);
  result.epochs = options.epochs.value_or(0.0);
  result.max_seconds = options.max_seconds.value_or(0.0);
  result.target_loss = options.target_loss;
  result.eval_every = options.eval_every.value_or(0);
  result.average = options.average;
  result.seed = options.seed;
  return result;
}

}  // namespace natgrad::cli
