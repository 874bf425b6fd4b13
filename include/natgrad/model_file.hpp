/// Trained networks on disk: safetensors files, which PyTorch's `safetensors` package opens as well.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "natgrad/activation.hpp"
#include "natgrad/dataset.hpp"
#include "natgrad/likelihood.hpp"
#include "natgrad/matrix.hpp"

namespace natgrad {

/// A dense network with all that is needed to use it on new data.
struct Model {
  std::vector<Index> widths;  ///< n_0 … n_L
  /// L − 1, one per hidden layer. Absent, like the likelihood, in a file that natgrad did not write.
  std::optional<std::vector<Activation>> activations;
  std::optional<Likelihood> likelihood;
  Scaling input_scaling, target_scaling;
  std::vector<std::string> class_names;  ///< text of class k; empty where the data hold 0 … C−1 themselves
  std::vector<double> parameters;        ///< θ (P): per layer W row-major (out slow, in fast), then b
  bool double_precision = false;         ///< the file's precision: F64, else F32
};

/// Writes tensors `layers.0.weight` [out, in] and `layers.0.bias` [out], `layers.1.weight`, …, as F32 or F64,
/// and as
/// `__metadata__` the format ("natgrad-1"), activations, likelihood, scalings (JSON lists of numbers that
/// read back exactly) and class names. The same model gives the same bytes; the file appears whole or not at
/// all. Throws ShapeError where the model's parts do not fit together, NumericError for a parameter that is
/// not finite in the file's precision, DataError where the file cannot be written.
void save_model(const std::string& path, const Model& model);

/// Reads such a file, or one from elsewhere with tensors `<prefix><number>.weight` and `.bias`, F32 or F64,
/// as PyTorch names those of a Sequential of Linear layers; the layers follow each other in the numbers'
/// order. Throws DataError, naming the file and the byte, tensor or layer, where the file is damaged, a layer
/// is missing, widths do not chain, metadata do not fit the layers, or a parameter is not finite.
Model load_model(const std::string& path);

}  // namespace natgrad
