/// The diagonal of F of one layer, from its factored rows.
#pragma once

#include "fisher/extended.hpp"

namespace natgrad {

/// f ← αΣ_rows (ã∘ã)(δ∘δ)ᵀ + βf, mñ in θ's order: the diagonal of αSᵀS + βF. Where β = 0, f may hold
/// anything. `inputs` holds ñ × N at least, `signals` m × N; what they held is lost.
template <class R>
void add_squares(Backend<R>& backend, const LayerFactors<R>& layer, R alpha, R beta, VectorView<R> f,
                 Buffer<R>& inputs, Buffer<R>& signals) {
  const Index n = layer.a.rows, m = layer.units(), samples = layer.a.cols;
  const MatrixView<R> a2 = inputs.matrix(layer.inputs(), samples), d2 = signals.matrix(m, samples);
  extend_inputs(backend, layer, a2);
  backend.hadamard(a2, a2, a2);
  backend.fill(d2, R(1));
  backend.squared_signals(layer.d, d2, d2);  // Σ_k δ_nr+k²
  const LayerView<R> part = part_of({n, m, layer.bias}, f);
  backend.gemm(Transpose::no, Transpose::yes, alpha, a2.block(0, 0, n, samples), d2, beta, part.weights);
  if (layer.bias)
    backend.gemm(Transpose::no, Transpose::yes, alpha, a2.block(n, 0, 1, samples), d2, beta,
                 {part.bias.data, 1, m, 1});
}

/// Elements of Σ_k δ² of all samples, of the layer where they are most.
inline Index squared_signal_elements(const RowsShape& shape) {
  return capped_product(shape.samples,
                        widest(shape, [](const RowsShape::Layer& layer) { return layer.units; }));
}

}  // namespace natgrad
