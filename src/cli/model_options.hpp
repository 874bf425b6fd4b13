/// A network from a file together with the options that complete or override it.
#pragma once

#include "cli/options.hpp"
#include "natgrad/model_file.hpp"
#include "natgrad/network.hpp"

namespace natgrad::cli {

/// One activation per hidden layer, from one name for all or one for each. Throws UsageError.
std::vector<Activation> expand_activations(const std::vector<std::string>& names, std::size_t hidden_layers);

/// Reads a model; --activation and --likelihood, where given, win over what the file tells. Throws UsageError
/// where neither tells.
Model read_model(const std::string& path, const Options& options);

/// The network of --hidden and --activation between the data's inputs and outputs; where --init-from is
/// given, its file stands in for those that are not. Throws DataError where the file holds other widths.
NetworkShape network_shape(Options& options, Index inputs, Index outputs);

/// The first parameters of that network.
std::vector<double> start_parameters(const Options& options, const NetworkShape& shape);

/// Widths and activations of a model that read_model has completed.
NetworkShape shape_of(const Model& model);

}  // namespace natgrad::cli
