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

}  // namespace

void warn_of_idle_options(Command command, const Options& options) {
  for (const OptionEntry& entry : option_table()) {
    const Governor& governor = entry.traits.only_with;
    const bool idle = options.given(entry.name) && !governor_allows(entry, options);
    if ((entry.commands & command) == 0 || !idle) continue;
    if (options.source(entry.name) < options.source(governor.option)) continue;
    print_error(
        governor.values.front().empty()
            ? fmt::format("natgrad: warning: --{} has no effect with --{}\n", entry.name, governor.option)
            : fmt::format("natgrad: warning: --{} has no effect: it is for --{} {}\n", entry.name,
                          governor.option, fmt::join(governor.values, " or ")));
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

void resolve_device(Options& options) {
  const std::string& device = options.device;
  const auto number = device.starts_with("cuda:") ? parse_number<int>(device.substr(5)) : std::nullopt;
  require(
      device == "auto" || device == "cpu" || device == "cuda" || (number && *number >= 0),
      fmt::format("--device {}: expected auto, cpu, cuda or cuda:N, N from 0; natgrad doctor lists the GPUs",
                  device));
  if (options.threads == 0) options.threads = available_cores();
}

void resolve_training(Options& options) {
  warn_of_idle_options(train, options);
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
  result.structure = parse_structure(options.structure);
  result.kl = options.kl;
  result.kl_tolerance = options.kl_tolerance;
  result.damping = options.damping;
  result.adapt_damping = options.adapt_damping;
  result.max_beta = options.max_beta;
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
  result.seed = options.seed;
  return result;
}

}  // namespace natgrad::cli
