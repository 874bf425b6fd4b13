#include "cli/model_options.hpp"

#include <fmt/format.h>

namespace natgrad::cli {

std::vector<Activation> expand_activations(const std::vector<std::string>& names, std::size_t hidden_layers) {
  std::vector<Activation> activations;
  for (const std::string& name : names) activations.push_back(parse_activation(name));
  if (activations.size() == 1) activations.resize(hidden_layers, activations.front());
  if (activations.size() == hidden_layers) return activations;
  throw UsageError(
      fmt::format("--activation: {} given, expected one for all or one for each of {} hidden layers",
                  names.size(), hidden_layers));
}

Model read_model(const std::string& path, const Options& options) {
  Model model = load_model(path);
  const std::size_t hidden_layers = model.widths.size() - 2;
  if (options.given("activation")) model.activations = expand_activations(options.activation, hidden_layers);
  if (options.likelihood != "auto") model.likelihood = parse_likelihood(options.likelihood);
  if (hidden_layers == 0) model.activations.emplace();
  if (!model.activations)
    throw UsageError(path + ": does not tell the activations of its hidden layers; give --activation");
  if (!model.likelihood) throw UsageError(path + ": does not tell the likelihood; give --likelihood");
  return model;
}

NetworkShape network_shape(Options& options, Index inputs, Index outputs) {
  Model model;
  if (!options.init_from.empty()) {
    model = load_model(options.init_from);
    if (!options.given("hidden")) options.hidden.assign(model.widths.begin() + 1, model.widths.end() - 1);
    if (!options.given("activation") && model.activations && !model.activations->empty()) {
      options.activation.clear();
      for (Activation activation : *model.activations) options.activation.emplace_back(to_string(activation));
    }
  }
  NetworkShape shape;
  shape.widths = options.hidden;
  shape.widths.insert(shape.widths.begin(), inputs);
  shape.widths.push_back(outputs);
  shape.activations = expand_activations(options.activation, options.hidden.size());
  if (!options.init_from.empty() && model.widths != shape.widths) {
    throw DataError(fmt::format(
        "{}: holds the network {}, expected {}; change --hidden, the data or --init-from", options.init_from,
        NetworkShape{model.widths, {}}.description(), NetworkShape{shape.widths, {}}.description()));
  }
  return shape;
}

std::vector<double> start_parameters(const Options& options, const NetworkShape& shape) {
  if (!options.init_from.empty()) return load_model(options.init_from).parameters;
  return initial_parameters(shape, parse_init(options.init), options.seed);
}

NetworkShape shape_of(const Model& model) { return {model.widths, *model.activations}; }

}  // namespace natgrad::cli
