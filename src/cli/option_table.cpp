#include "cli/option_table.hpp"

#include <algorithm>

#include "names.hpp"

namespace natgrad::cli {
namespace {

constexpr Name<Command> command_names[] = {{Command::train, "train"},
                                           {Command::eval, "eval"},
                                           {Command::predict, "predict"},
                                           {Command::inspect, "inspect"}};

constexpr unsigned with_data = train | eval, with_model = eval | predict, with_step = train | inspect,
                   all = train | eval | predict | inspect;

Range at_least(double low) { return {.low = low}; }
Range above(double low) { return {.low = low, .above_low = true}; }
Range fraction() { return {.low = 0.0, .high = 1.0, .below_high = true}; }

const std::vector<std::string_view> activations = {"identity", "tanh", "sigmoid",  "relu",
                                                   "gelu",     "silu", "softplus", "sin"};
const std::vector<std::string_view> likelihoods = {"auto", "gaussian", "bernoulli", "categorical"};
const std::vector<std::string_view> scales = {"unit", "standard", "none"};

using O = Options;

std::vector<OptionEntry> data_options() {
  return {
      {"data",
       with_data,
       &O::data,
       "data that come with natgrad (default where no other data are given)",
       {.choices = {"digits"}}},
      {"train-x",
       with_data,
       &O::train_x,
       "training inputs, NPY or IDX, also .gz: (N, ...), axis 0 the samples",
       {.path = true}},
      {"train-y", with_data, &O::train_y, "training targets, likewise: (N) or (N, C)", {.path = true}},
      {"test-x", with_data, &O::test_x, "test inputs", {.path = true}},
      {"test-y", with_data, &O::test_y, "test targets", {.path = true}},
      {"train-csv", with_data, &O::train_csv, "training table, CSV, also .gz", {.path = true}},
      {"test-csv", with_data, &O::test_csv, "test table", {.path = true}},
      {"target", with_data | predict, &O::target,
       "target column of the tables: its name or its 0-based index"},
      {"test-fraction",
       with_data,
       &O::test_fraction,
       "part of the samples split off for the test, after a shuffle by the seed (default 0.2 for the digits, else 0)",
       {.range = fraction()}},
      {"autoencode", with_data, &O::autoencode, "the scaled inputs are the targets"},
      {"scale",
       train,
       &O::scale,
       "scaling of the inputs: unit (x - min)/(max - min), standard per column",
       {.choices = scales}},
      {"scale-target",
       train,
       &O::scale_target,
       "scaling of gaussian targets; results are in the data's units",
       {.choices = scales}},
      {"x", predict, &O::x, "inputs: NPY, IDX or CSV, also .gz"},
      {"x", inspect, &O::x, "inputs (N, n_0), NPY, taken as they are"},
      {"y", inspect, &O::y, "targets, NPY: (N) integers for categorical, else (N, C)"},
  };
}

std::vector<OptionEntry> network_options() {
  return {
      {"model", with_model, &O::model, "the trained network, safetensors"},
      {"weights", inspect, &O::weights, "the network's weights, safetensors"},
      {"hidden",
       train,
       &O::hidden,
       "widths of the hidden layers, such as 32,16; none for no hidden layer",
       {.range = at_least(1), .word_for_zero = "none"}},
      {"activation",
       train,
       &O::activation,
       "of the hidden layers, one for all or one each: identity, tanh, sigmoid, relu, gelu, silu, softplus, sin",
       {.choices = activations}},
      {"activation",
       eval | predict | inspect,
       &O::activation,
       "of the hidden layers, one for all or one each, where the file does not tell",
       {.choices = activations}},
      {"likelihood",
       train,
       &O::likelihood,
       "of the outputs; auto: categorical for integer or text targets, gaussian for reals, bernoulli with --autoencode",
       {.choices = likelihoods}},
      {"likelihood",
       eval | predict | inspect,
       &O::likelihood,
       "of the outputs; auto: as the file tells",
       {.choices = likelihoods}},
      {"init",
       train,
       &O::init,
       "initial weights",
       {.choices = {"lecun", "xavier", "he", "sparse"}, .only_with = {"init-from", {""}}}},
      {"init-from", train, &O::init_from, "start from the weights of this safetensors file", {.path = true}},
  };
}

std::vector<OptionEntry> optimizer_options() {
  const Governor natural = {"optimizer", {"natural"}}, rate = {"optimizer", {"sgd", "adam"}};
  return {
      {"optimizer",
       train,
       &O::optimizer,
       "natural: natural gradient with the KL of every step bounded",
       {.choices = {"natural", "sgd", "adam"}}},
      {"fisher",
       with_step,
       &O::fisher,
       "score rows of the Fisher: all outputs, samples of the model, or the data's labels",
       {.choices = {"exact", "mc", "empirical"}, .only_with = natural}},
      {"fisher-samples",
       with_step,
       &O::fisher_samples,
       "draws per sample",
       {.range = at_least(1), .only_with = {"fisher", {"mc"}}}},
      {"structure",
       with_step,
       &O::structure,
       "what is kept of the Fisher: all of it or one block per unit",
       {.choices = {"dense", "unit"}, .only_with = natural}},
      {"kl", with_step, &O::kl, "KL budget of a step, in nats", {.range = above(0), .only_with = natural}},
      {"kl-tolerance",
       with_step,
       &O::kl_tolerance,
       "accept a measured KL up to kl * (1 + tolerance)",
       {.range = at_least(0), .only_with = natural}},
      {"damping",
       with_step,
       &O::damping,
       "added to the Fisher's diagonal, at the start; 0: minimum-norm steps",
       {.range = at_least(0), .only_with = natural}},
      {"adapt-damping",
       train,
       &O::adapt_damping,
       "halve or double the damping by how well the step was predicted",
       {.on_off = true, .only_with = natural}},
      {"max-beta", with_step, &O::max_beta, "largest step size", {.range = above(0), .only_with = natural}},
      {"l2", with_step, &O::l2, "eta of the term eta/2 |theta|^2 in the loss", {.range = at_least(0)}},
      {"learning-rate",
       train,
       &O::learning_rate,
       "step size (default: sgd 0.1, adam 0.001)",
       {.range = above(0), .only_with = rate}},
      {"momentum",
       train,
       &O::momentum,
       "of the gradient",
       {.range = fraction(), .only_with = {"optimizer", {"sgd"}}}},
  };
}

std::vector<OptionEntry> loop_options() {
  return {
      {"batch", train, &O::batch, "samples per step", {.range = at_least(1), .word_for_zero = "full"}},
      {"steps",
       train,
       &O::steps,
       "stop after so many steps (default 20 where no limit is given)",
       {.range = at_least(1)}},
      {"epochs",
       train,
       &O::epochs,
       "stop after so many passes over the training samples",
       {.range = above(0)}},
      {"max-seconds", train, &O::max_seconds, "stop after so many seconds of stepping", {.range = above(0)}},
      {"target-loss", train, &O::target_loss, "stop where the loss of the training batch is at most this"},
      {"eval-every",
       train,
       &O::eval_every,
       "steps from one evaluation to the next (default: once an epoch)",
       {.range = at_least(1)}},
      {"seed", with_data | inspect, &O::seed, "of all random numbers", {.range = {.low = 0.0}}},
  };
}

std::vector<OptionEntry> device_options() {
  return {
      {"device", all, &O::device, "auto, cpu, cuda or cuda:N; auto: a usable GPU, else the CPU"},
      {"precision", all, &O::precision, "of all arithmetic", {.choices = {"f32", "f64"}}},
      {"threads", all, &O::threads, "of the CPU; 0: all cores", {.range = {.low = 0.0, .high = 4096.0}}},
  };
}

std::vector<OptionEntry> output_options() {
  return {
      {"out", train, &O::out, "folder of the run (default runs/<time>)", {.recorded = false}},
      {"out", predict, &O::out, "means, NPY (N, C); for categorical the probabilities"},
      {"out", inspect, &O::out, "folder for gradient.npy, direction.npy and step.json"},
      {"overwrite", train, &O::overwrite, "replace a run that the folder holds", {.recorded = false}},
      {"dump-fisher", inspect, &O::dump_fisher, "also fisher.npy, the undamped matrix (P, P)"},
      {"spectrum", inspect, &O::spectrum, "also eigenvalues.npy of that matrix, ascending (P)"},
      {"dump-inverse", inspect, &O::dump_inverse, "also inverse.npy, of the damped matrix (P, P)"},
      {"json", eval, &O::json, "print JSON"},
      {"quiet", train | predict | inspect, &O::quiet, "print warnings and errors only", {.recorded = false}},
      {"print-config",
       train,
       &O::print_config,
       "print the options as TOML and do nothing else",
       {.recorded = false}},
  };
}

}  // namespace

std::string_view to_string(Command command) { return name_of(command_names, command); }

std::span<const OptionEntry> option_table() {
  static const std::vector<OptionEntry> table = [] {
    std::vector<OptionEntry> entries;
    const auto add = [&](std::string_view group, std::vector<OptionEntry> members) {
      for (OptionEntry& entry : members) entry.group = group;
      entries.insert(entries.end(), members.begin(), members.end());
    };
    add("data", data_options());
    add("network", network_options());
    add("optimizer", optimizer_options());
    add("loop", loop_options());
    add("device", device_options());
    add("output", output_options());
    return entries;
  }();
  return table;
}

const OptionEntry* find_option(Command command, std::string_view name) {
  const auto found = std::ranges::find_if(option_table(), [&](const OptionEntry& entry) {
    return entry.name == name && (entry.commands & command) != 0;
  });
  return found == option_table().end() ? nullptr : &*found;
}

std::vector<std::string_view> option_names(Command command) {
  std::vector<std::string_view> names;
  for (const OptionEntry& entry : option_table())
    if ((entry.commands & command) != 0) names.push_back(entry.name);
  return names;
}

bool governor_allows(const OptionEntry& entry, const Options& options) {
  const Governor& governor = entry.traits.only_with;
  if (governor.option.empty()) return true;
  const auto value = std::get<std::string Options::*>(find_option(train, governor.option)->member);
  return std::ranges::find(governor.values, options.*value) != governor.values.end();
}

bool applies(const OptionEntry& entry, const Options& options) {
  if (!governor_allows(entry, options)) return false;
  const OptionEntry* governor = find_option(train, entry.traits.only_with.option);
  return governor == nullptr || applies(*governor, options);
}

}  // namespace natgrad::cli
