#include "fisher/kronecker_factors.hpp"

#include "fisher/extended.hpp"

namespace natgrad {

template <class R>
KroneckerFactors<R>::KroneckerFactors(Backend<R>& backend, const RowsShape& shape, PlannedBuffers<R>& memory)
    : backend_(backend) {
  for (std::size_t l = 0; l < shape.layers.size(); ++l)
    layers_.push_back({shape.layers[l].extended(), shape.layers[l].units,
                       std::move(memory[layer_buffer(l, "A")]), std::move(memory[layer_buffer(l, "G")])});
}

// By general products, which leave both triangles for `a` and `g`: copying one into the other would take a
// launch per column.
template <class R>
void KroneckerFactors<R>::accumulate(const Rows<R>& rows, R alpha, R beta, Buffer<R>& scratch) {
  const R mean = alpha / static_cast<R>(rows.samples());
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const MatrixView<R> inputs = scratch.matrix(layers_[l].inputs, rows.samples());  // ã, ñ × N
    extend_inputs(backend_, rows.layers[l], inputs);
    backend_.gemm(Transpose::no, Transpose::yes, mean, inputs, inputs, beta, layers_[l].a_view());
    const MatrixView<const R> d = rows.layers[l].d;
    backend_.gemm(Transpose::no, Transpose::yes, alpha, d, d, beta, layers_[l].g_view());
  }
}

template <class R>
void KroneckerFactors<R>::factor(std::size_t l, R gamma, MatrixView<R> out_a, MatrixView<R> out_g) const {
  backend_.damp_factors(a(l), g(l), gamma, out_a, out_g);
  backend_.cholesky(BatchView<R>(out_a));
  backend_.cholesky(BatchView<R>(out_g));
}

template <class R>
void KroneckerFactors<R>::visit_state(StateVisitor<R>& state) {
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    state.array(layer_buffer(l, "A"), layers_[l].a.vector());
    state.array(layer_buffer(l, "G"), layers_[l].g.vector());
  }
}

template <class R>
std::vector<PlannedBuffer> KroneckerFactors<R>::plan(const RowsShape& shape) {
  std::vector<PlannedBuffer> buffers;
  for (std::size_t l = 0; l < shape.layers.size(); ++l) {
    const Index inputs = shape.layers[l].extended(), units = shape.layers[l].units;
    buffers.push_back({layer_buffer(l, "A"), capped_product(inputs, inputs)});
    buffers.push_back({layer_buffer(l, "G"), capped_product(units, units)});
  }
  return buffers;
}

// Σ 2 N ñ² + 2 R m²
template <class R>
double KroneckerFactors<R>::flops(const RowsShape& shape) {
  double flops = 0.0;
  for (const auto& layer : shape.layers) {
    const double inputs = static_cast<double>(layer.extended()), units = static_cast<double>(layer.units);
    flops += 2.0 * static_cast<double>(shape.samples) * inputs * inputs +
             2.0 * static_cast<double>(shape.count()) * units * units;
  }
  return flops;
}

Index largest_order(const RowsShape& shape) {
  return widest(shape, [](const RowsShape::Layer& layer) { return std::max(layer.extended(), layer.units); });
}

double sandwich_flops(const RowsShape& shape) {
  double flops = 0.0;
  for (const auto& layer : shape.layers)
    flops +=
        2.0 * static_cast<double>(layer.parameters()) * static_cast<double>(layer.extended() + layer.units);
  return flops;
}

double factor_cubes(const RowsShape& shape) {
  double cubes = 0.0;
  for (const auto& layer : shape.layers) {
    const double inputs = static_cast<double>(layer.extended()), units = static_cast<double>(layer.units);
    cubes += inputs * inputs * inputs + units * units * units;
  }
  return cubes;
}

template class KroneckerFactors<float>;
template class KroneckerFactors<double>;

}  // namespace natgrad
