#include "cli/option_groups.hpp"

namespace natgrad::cli {
namespace {

const std::vector<std::string_view> activations = {"identity", "tanh", "sigmoid",  "relu",
                                                   "gelu",     "silu", "softplus", "sin"};
const std::vector<std::string_view> likelihoods = {"auto", "gaussian", "bernoulli", "categorical"};
const std::vector<std::string_view> scales = {"unit", "standard", "none"};

using O = Options;

}  // namespace

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
      {"max-decompressed",
       with_all,
       &O::max_decompressed,
       "most that a compressed file may hold; refused beyond it (default 16G)",
       {.range = at_least(1), .bytes = true, .may_change = true}},
      {"scale",
       with_run,
       &O::scale,
       "scaling of the inputs: unit (x - min)/(max - min), standard per column",
       {.choices = scales}},
      {"scale-target",
       with_run,
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
       with_run,
       &O::hidden,
       "widths of the hidden layers, such as 32,16; none for no hidden layer",
       {.range = at_least(1), .word_for_zero = "none"}},
      {"activation",
       with_run,
       &O::activation,
       "of the hidden layers, one for all or one each: identity, tanh, sigmoid, relu, gelu, silu, softplus, sin",
       {.choices = activations}},
      {"activation",
       eval | predict | inspect,
       &O::activation,
       "of the hidden layers, one for all or one each, where the file does not tell",
       {.choices = activations}},
      {"likelihood",
       with_run,
       &O::likelihood,
       "of the outputs; auto: categorical for integer or text targets, gaussian for reals, bernoulli with --autoencode",
       {.choices = likelihoods}},
      {"likelihood",
       eval | predict | inspect,
       &O::likelihood,
       "of the outputs; auto: as the file tells",
       {.choices = likelihoods}},
      {"init",
       with_run,
       &O::init,
       "initial weights",
       {.choices = {"lecun", "xavier", "he", "sparse"}, .only_with = {{{"init-from", {""}}}}}},
      {"init-from",
       with_run,
       &O::init_from,
       "start from the weights of this safetensors file",
       {.path = true}},
  };
}

}  // namespace natgrad::cli
