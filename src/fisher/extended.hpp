/// Inputs and vectors with the bias taken in: ã = [a; 1], and a layer's part of a vector as one ñ × m matrix,
/// Ṽ = [weights; biasᵀ], a column per unit. Without a bias they are a and the weights.
#pragma once

#include <algorithm>
#include <string>

#include "fisher/fisher.hpp"

namespace natgrad {

/// out ← ã of every sample, ñ × N.
template <class R>
void extend_inputs(Backend<R>& backend, const LayerFactors<R>& layer, MatrixView<R> out) {
  const Index n = layer.a.rows, samples = layer.a.cols;
  backend.copy(layer.a, out.block(0, 0, n, samples));
  if (layer.bias) backend.fill(out.block(n, 0, 1, samples), R(1));
}

/// columns ← Ṽ of the part, ñ × m.
template <class R>
void gather_units(Backend<R>& backend, const LayerView<const R>& part, MatrixView<R> columns) {
  const Index n = part.weights.rows, m = part.weights.cols;
  backend.copy(part.weights, columns.block(0, 0, n, m));
  if (part.bias.size > 0) backend.copy({part.bias.data, 1, m, 1}, columns.block(n, 0, 1, m));
}

/// The part ← that of Ṽ = columns, ñ × m.
template <class R>
void scatter_units(Backend<R>& backend, MatrixView<const R> columns, const LayerView<R>& part) {
  const Index n = part.weights.rows, m = part.weights.cols;
  backend.copy(columns.block(0, 0, n, m), part.weights);
  if (part.bias.size > 0) backend.copy(columns.block(n, 0, 1, m), {part.bias.data, 1, m, 1});
}

/// The part of layer l of a vector in θ's order.
template <class T>
LayerView<T> layer_part(const RowsShape& shape, std::size_t l, VectorView<T> v) {
  return part_of(shape.layers[l], v.slice(shape.offset(l), shape.layers[l].parameters()));
}

/// "layer 2: G", of layer 1 counted from 0.
inline std::string layer_buffer(std::size_t l, const char* what) {
  return "layer " + std::to_string(l + 1) + ": " + what;
}

/// The largest of size(layer) over the layers.
template <class Size>
Index widest(const RowsShape& shape, Size size) {
  Index largest = 0;
  for (const auto& layer : shape.layers) largest = std::max(largest, size(layer));
  return largest;
}

/// Elements of ã of all samples, of the layer where they are most.
inline Index extended_elements(const RowsShape& shape) {
  return capped_product(shape.samples,
                        widest(shape, [](const RowsShape::Layer& layer) { return layer.extended(); }));
}
/// Elements of Ṽ, of the largest layer.
inline Index unit_elements(const RowsShape& shape) {
  return widest(shape, [](const RowsShape::Layer& layer) { return layer.parameters(); });
}

}  // namespace natgrad
