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
  std::string optimizer = "natural", fisher = "exact", structure = "dense";
  Index fisher_samples = NaturalGradientOptions{}.draws;
  double kl = NaturalGradientOptions{}.kl, kl_tolerance = NaturalGradientOptions{}.kl_tolerance;
  double damping = NaturalGradientOptions{}.damping;
  bool adapt_damping = NaturalGradientOptions{}.adapt_damping;
  double max_beta = NaturalGradientOptions{}.max_beta, l2 = NaturalGradientOptions{}.l2;
  std::optional<double> learning_rate;
  double momentum = SgdOptions{}.momentum;

  // loop
  Index batch = 0;  // 0: full
  std::optional<Index> steps, eval_every;
  std::optional<double> epochs, max_seconds, target_loss;

  // device
  std::string device = "auto", precision = "f32";
  Index threads = 0;  // 0: all cores

  // files and output
  std::string out, model, weights, x, y;
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
