#include "natgrad/model_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <functional>
#include <map>

#include "io/array.hpp"
#include "io/json.hpp"
#include "io/number.hpp"
#include "io/safetensors.hpp"

namespace natgrad {
namespace {

constexpr const char* format_name = "natgrad-1";

/// The weight and the bias of one layer, as found in a file.
struct LayerTensors {
  const Tensor* weight = nullptr;  // [out, in]
  const Tensor* bias = nullptr;    // [out]
};

/// What metadata and widths must agree in. Throws E, with the complaint behind `where`.
template <class E>
void require_consistent(const std::string& where, const Model& model) {
  const auto require_count = [&](const char* what, std::size_t found, std::size_t allowed, bool or_one) {
    if (found == 0 || found == allowed || (or_one && found == 1)) return;
    throw E(fmt::format("{}: has {} {}, expected {}{}", where, found, what, or_one ? "0, 1 or " : "0 or ",
                        allowed));
  };
  const auto inputs = static_cast<std::size_t>(model.widths.front());
  const auto outputs = static_cast<std::size_t>(model.widths.back());
  require_count("input shifts", model.input_scaling.shift.size(), inputs, true);
  require_count("input scales", model.input_scaling.scale.size(), model.input_scaling.shift.size(), false);
  require_count("target shifts", model.target_scaling.shift.size(), outputs, true);
  require_count("target scales", model.target_scaling.scale.size(), model.target_scaling.shift.size(), false);
  require_count("class names", model.class_names.size(), outputs, false);
  if (model.activations && model.activations->size() != model.widths.size() - 2) {
    throw E(fmt::format("{}: has {} activations, expected {}, one per hidden layer", where,
                        model.activations->size(), model.widths.size() - 2));
  }
}

/// Gathers `<prefix><number>.weight` and `.bias` by number.
std::map<Index, LayerTensors> find_layers(const std::string& path, const Safetensors& file) {
  std::map<Index, LayerTensors> layers;
  std::optional<std::string> common_prefix;
  for (const Tensor& tensor : file.tensors) {
    const std::string_view name = tensor.name;
    const bool weight = name.ends_with(".weight");
    const std::string_view stem = name.substr(0, name.rfind('.'));
    const auto digits = stem.find_last_not_of("0123456789") + 1;  // 0 where the stem is all digits
    const auto number = parse_number<Index>(stem.substr(digits));
    const std::string prefix(stem.substr(0, digits));
    if (!(weight || name.ends_with(".bias")) || !number || common_prefix.value_or(prefix) != prefix) {
      throw DataError(
          fmt::format("{}: tensor '{}': expected only '{}<number>.weight' and '.bias' of dense layers", path,
                      name, common_prefix.value_or("layers.")));
    }
    common_prefix = prefix;
    const Tensor*& place = weight ? layers[*number].weight : layers[*number].bias;
    if (place)
      throw DataError(fmt::format("{}: tensor '{}': its layer has another of the same number", path, name));
    place = &tensor;
  }
  if (layers.empty()) throw DataError(path + ": holds no tensor, expected 'layers.0.weight' and so on");
  return layers;
}

void append_finite(const std::string& path, const Tensor& tensor, std::vector<double>& parameters) {
  for (Index k = 0; k < tensor.size(); ++k) {
    parameters.push_back(tensor[k]);
    if (!std::isfinite(parameters.back())) {
      throw DataError(fmt::format("{}: tensor '{}': element {} is {}, expected a finite number", path,
                                  tensor.name, k, parameters.back()));
    }
  }
}

/// Checks one layer against the widths so far and appends its own.
void append_layer(const std::string& path, Index number, const LayerTensors& layer, Model& model) {
  const std::string where = fmt::format("{}: layer {}", path, number);
  if (!layer.weight || !layer.bias)
    throw DataError(where + (layer.weight ? ": the bias is missing" : ": the weight is missing"));
  const std::vector<Index>& shape = layer.weight->shape;
  if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1) {
    throw DataError(
        fmt::format("{}: the weight has shape [{}], expected [out, in]", where, fmt::join(shape, ", ")));
  }
  if (model.widths.empty()) model.widths.push_back(shape[1]);
  if (shape[1] != model.widths.back()) {
    throw DataError(fmt::format("{}: takes {} inputs, expected {}, the outputs of the layer before", where,
                                shape[1], model.widths.back()));
  }
  if (layer.bias->shape != std::vector<Index>{shape[0]}) {
    throw DataError(fmt::format("{}: the bias has shape [{}], expected [{}], one per output", where,
                                fmt::join(layer.bias->shape, ", "), shape[0]));
  }
  model.widths.push_back(shape[0]);
  model.double_precision |= layer.weight->double_precision || layer.bias->double_precision;
  append_finite(path, *layer.weight, model.parameters);
  append_finite(path, *layer.bias, model.parameters);
}

/// Reads the entries of `__metadata__` that natgrad writes.
class MetadataReader {
 public:
  MetadataReader(const std::string& path, const std::map<std::string, std::string>& metadata)
      : path_(path), metadata_(metadata) {}

  void read(Model& model) const {
    model.activations = activations();
    model.likelihood = parse("likelihood", [](const std::string& text) { return parse_likelihood(text); });
    model.input_scaling = {list<double>("input_shift"), list<double>("input_scale")};
    model.target_scaling = {list<double>("target_shift"), list<double>("target_scale")};
    model.class_names = list<std::string>("class_names");
  }

 private:
  const std::string& text(const char* key) const {
    const auto found = metadata_.find(key);
    if (found == metadata_.end()) {
      throw DataError(
          fmt::format("{}: the metadata lack '{}', which format {} needs", path_, key, format_name));
    }
    return found->second;
  }

  template <class F>
  std::invoke_result_t<F, const std::string&> parse(const char* key, F function) const {
    try {
      return function(text(key));
    } catch (const UsageError& error) {
      throw DataError(fmt::format("{}: metadata '{}': {}", path_, key, error.what()));
    } catch (const JsonError& error) {
      throw DataError(
          fmt::format("{}: metadata '{}' is not the JSON list expected: {}", path_, key, error.what()));
    }
  }

  std::vector<Activation> activations() const {
    return parse("activations", [](const std::string& names) {
      std::vector<Activation> result;
      for (std::size_t begin = 0; begin < names.size();) {
        const std::size_t end = std::min(names.find(',', begin), names.size());
        result.push_back(parse_activation(std::string_view(names).substr(begin, end - begin)));
        begin = end + 1;
      }
      return result;
    });
  }

  template <class T>
  std::vector<T> list(const char* key) const {
    return parse(key, [](const std::string& json) { return parse_json_list<T>(json); });
  }

  const std::string& path_;
  const std::map<std::string, std::string>& metadata_;
};

/// P; none where a width is negative or P exceeds 2⁶³ − 1.
std::optional<Index> parameter_count(const std::vector<Index>& widths) {
  Index count = 0;
  for (std::size_t l = 0; l + 1 < widths.size(); ++l) {
    const auto weights = element_count(std::array{widths[l + 1], widths[l]});
    if (!weights || __builtin_add_overflow(count, *weights, &count)) return std::nullopt;
    if (__builtin_add_overflow(count, widths[l + 1], &count)) return std::nullopt;
  }
  return count;
}

/// θ's elements in the file's precision.
template <class T>
std::vector<T> finite_parameters(const std::string& path, const Model& model) {
  std::vector<T> values(model.parameters.begin(), model.parameters.end());
  for (std::size_t k = 0; k < values.size(); ++k) {
    if (std::isfinite(values[k])) continue;
    throw NumericError(fmt::format("{}: parameter {} is {}, beyond the finite numbers of {}", path, k,
                                   model.parameters[k], sizeof(T) == 4 ? "f32" : "f64"));
  }
  return values;
}

template <class T>
void save(const std::string& path, const Model& model, const std::map<std::string, std::string>& metadata) {
  const std::vector<T> values = finite_parameters<T>(path, model);
  std::vector<Tensor> tensors;
  std::span<const T> rest = values;
  const auto add = [&](const std::string& name, const std::vector<Index>& shape, Index count) {
    tensors.push_back({name, shape, sizeof(T) == 8, bytes_of(rest.first(static_cast<std::size_t>(count)))});
    rest = rest.subspan(static_cast<std::size_t>(count));
  };
  for (std::size_t l = 0; l + 1 < model.widths.size(); ++l) {
    const Index in = model.widths[l], out = model.widths[l + 1];
    add(fmt::format("layers.{}.weight", l), {out, in}, out * in);
    add(fmt::format("layers.{}.bias", l), {out}, out);
  }
  write_safetensors(path, tensors, metadata);
}

}  // namespace

void save_model(const std::string& path, const Model& model) {
  if (model.widths.size() < 2)
    throw ShapeError(fmt::format("{}: the model has {} widths, must have those of its inputs and its outputs",
                                 path, model.widths.size()));
  const std::optional<Index> count = parameter_count(model.widths);
  if (count != static_cast<Index>(model.parameters.size())) {
    throw ShapeError(fmt::format("{}: a network of widths {} has {} parameters, but {} were given", path,
                                 fmt::join(model.widths, "-"),
                                 count ? std::to_string(*count) : "no number of", model.parameters.size()));
  }
  if (!model.activations || !model.likelihood) {
    throw ShapeError(path + ": a model is saved with its activations and its likelihood, they are missing");
  }
  require_consistent<ShapeError>(path, model);
  std::vector<std::string_view> names;
  for (const Activation activation : *model.activations) names.push_back(to_string(activation));
  const std::map<std::string, std::string> metadata = {
      {"format", format_name},
      {"activations", fmt::format("{}", fmt::join(names, ","))},
      {"likelihood", std::string(to_string(*model.likelihood))},
      {"input_shift", json_text(model.input_scaling.shift)},
      {"input_scale", json_text(model.input_scaling.scale)},
      {"target_shift", json_text(model.target_scaling.shift)},
      {"target_scale", json_text(model.target_scaling.scale)},
      {"class_names", json_text(model.class_names)},
  };
  model.double_precision ? save<double>(path, model, metadata) : save<float>(path, model, metadata);
}

Model load_model(const std::string& path) {
  const Safetensors file = read_safetensors(path);
  const auto format = file.metadata.find("format");
  const bool own = format != file.metadata.end() && format->second.starts_with("natgrad-");
  if (own && format->second != format_name) {
    throw DataError(
        fmt::format("{}: has format '{}', expected '{}'; read it with the version of natgrad that wrote it",
                    path, format->second, format_name));
  }
  Model model;
  std::size_t elements = 0;
  for (const Tensor& tensor : file.tensors) elements += static_cast<std::size_t>(tensor.size());
  model.parameters.reserve(elements);
  Index expected = 0;
  for (const auto& [number, layer] : find_layers(path, file)) {
    if (own && number != expected) throw DataError(fmt::format("{}: layer {} is missing", path, expected));
    append_layer(path, number, layer, model);
    ++expected;
  }
  if (own) MetadataReader(path, file.metadata).read(model);
  require_consistent<DataError>(path, model);
  return model;
}

}  // namespace natgrad
