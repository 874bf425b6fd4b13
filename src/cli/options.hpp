/// What the subcommands of the `natgrad` program can be told, and where each value came from.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "natgrad/dataset.hpp"
#include "natgrad/natural_gradient.hpp"
#include "natgrad/trainer.hpp"

namespace natgrad::cli {

/// Later sources win over earlier ones.
enum class Source { standard, file, command_line };

/// The values of all options of all subcommands; the option table says which subcommand takes which. An empty
/// text or optional is an option that is not in force.
struct Options : DataOptions {
  // network
  std::vector<Index> hidden = {32};
  std::vector<std::string> activation = {"tanh"};
  std::string init = "lecun", init_from;

  // optimiser
  std::string optimizer = "natural", step_rule = "kl";
  double kl = NaturalGradientOptions{}.kl, kl_tolerance = NaturalGradientOptions{}.kl_tolerance;
  double max_beta = NaturalGradientOptions{}.max_beta, l2 = NaturalGradientOptions{}.l2;
  double model_damping = NaturalGradientOptions{}.model_damping;
  std::optional<double> learning_rate;
  double momentum = 0.0;

  // curvature
  std::string fisher = "exact", structure = "dense", solver = "auto", metric = "identity",
              preconditioner = "diagonal";
  Index fisher_samples = NaturalGradientOptions{}.draws;
  Index fisher_batch = 0, model_batch = 0;  // 0: all
  double curvature_decay = FisherOptions{}.decay, cutoff = FisherOptions{}.cutoff;
  double mix = FisherOptions{}.mix, factor_decay = FisherOptions{}.factor_decay;
  Index refresh = FisherOptions{}.refresh, refine = FisherOptions{}.refine;
  std::optional<double> cg_tolerance;
  std::optional<Index> cg_iterations;

  // damping
  double damping = DampingOptions{}.start, damping_factor = DampingOptions{}.factor;
  double damping_rate = DampingOptions{}.rate, min_damping = DampingOptions{}.least;
  Index damping_interval = DampingOptions{}.interval;
  std::string damping_schedule = "adaptive";
  bool adapt_damping = true;

  // loop
  Index batch = 0;  // 0: full
  std::optional<Index> steps, eval_every;
  std::optional<double> epochs, max_seconds, target_loss;
  double average = TrainerOptions{}.average;

  // device
  std::string device = "auto", precision = "f32";
  Index threads = 0;  // 0: all cores
  std::optional<Index> memory_limit;
  std::optional<double> gemm_rate;  // 10⁹ operations a second
  std::string kernels = "auto";
  bool tf32 = false, no_graph = false;

  // files and output
  std::string out, model, weights, x, y, profile_steps, resume;
  std::string checkpoint_every = "600s";
  Index keep_checkpoints = 3;
  bool overwrite = false, quiet = false, print_config = false, json = false;
  bool dump_fisher = false, dump_inverse = false, spectrum = false;

  /// Options that were given, by name; what is not in it has its standard value.
  std::map<std::string_view, Source> sources;

  Source source(std::string_view name) const {
    const auto found = sources.find(name);
    return found == sources.end() ? Source::standard : found->second;
  }
  bool given(std::string_view name) const { return sources.contains(name); }
};

}  // namespace natgrad::cli
