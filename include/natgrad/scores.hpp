/// Per-sample scores, held factored.
///
/// A score row of a sample with output signal δ_L is s = concat_l vec(δ_{l+1} ã_lᵀ) in θ's order, with
/// δ_{l+1} back-propagated without summing over the batch. Every row carries 1/√N at birth, so that the
/// Fisher is F = SᵀS. S (R × P, R = N·r) is never formed unless something asks for it.
#pragma once

#include <vector>

#include "natgrad/network.hpp"

namespace natgrad {

/// The sizes of score rows, from which memory and work follow.
struct RowsShape {
  struct Layer {
    Index inputs = 0, units = 0;  // n, m
    bool bias = true;
    /// ñ.
    Index extended() const { return inputs + (bias ? 1 : 0); }
    /// mñ.
    Index parameters() const { return capped_product(units, extended()); }
    bool operator==(const Layer&) const = default;
  };
  std::vector<Layer> layers;
  Index samples = 0, per_sample = 1;  // N, r

  /// R = N·r.
  Index count() const { return capped_product(samples, per_sample); }
  /// P; at most `countless`.
  Index parameters() const { return offset(layers.size()); }
  /// Where layer l begins in a vector of P.
  Index offset(std::size_t l) const;
  bool operator==(const RowsShape&) const = default;
};

/// Of a network's rows.
RowsShape rows_shape(const NetworkShape& net, Index samples, Index per_sample);

/// The rows S of a batch as views of {A_l, D_l}; valid as long as what they view. A layer without inputs (n =
/// 0, r = 1) holds explicit rows: D = Sᵀ, and its biases are the parameters.
template <class R>
struct Rows {
  Backend<R>* backend = nullptr;
  std::vector<LayerFactors<R>> layers;
  Index per_sample = 1;     // r
  VectorView<const R> u{};  // R, with g = Sᵀu the gradient of the loss; empty where there is none

  Index samples() const { return layers.empty() ? 0 : layers.front().a.cols; }
  Index count() const { return layers.empty() ? 0 : layers.front().d.cols; }
  /// P.
  Index parameters() const;
  /// Throws ShapeError where there are no layers, or not N inputs and N·r signals in each.
  RowsShape shape() const;
  /// The rows of samples begin … begin + count − 1.
  Rows slice(Index begin, Index count) const;
  /// The part of layer l; `u` is lost.
  Rows layer(std::size_t l) const;
};

/// One layer's part of a vector in θ's order: weights n × m, column j into unit j; the biases, m or none.
template <class R>
LayerView<R> part_of(const RowsShape::Layer& layer, VectorView<R> v) {
  const Index weights = layer.inputs * layer.units;
  return {{v.data, layer.inputs, layer.units}, v.slice(weights, v.size - weights)};
}

// All that follows throws ShapeError where shapes do not fit together, OutOfMemory, DeviceError.

/// w ← Sv, R; costs about one forward pass. `scratch` holds the widest layer times N at least.
template <class R>
void multiply(const Rows<R>& rows, VectorView<const R> v, VectorView<R> w, Buffer<R>& scratch);

/// g ← Sᵀw, P; costs about one gradient. `scratch` as for `multiply`.
template <class R>
void multiply_transposed(const Rows<R>& rows, VectorView<const R> w, VectorView<R> g, Buffer<R>& scratch);

/// Elements that the scratch of both takes.
Index product_scratch(const RowsShape& shape);

/// g ← ∇loss, P, of rows of the empirical kind: g = Sᵀ(1/√N, …, 1/√N)ᵀ.
template <class R>
void gradient(const Rows<R>& empirical_rows, VectorView<R> g);

/// Writes the rows of S as columns, s: P × R.
template <class R>
void expand(const Rows<R>& rows, MatrixView<R> s);

/// Lower triangle of K ← SSᵀ, R × R.
template <class R>
void gram(const Rows<R>& rows, MatrixView<R> k, Accuracy accuracy = Accuracy::full) {
  rows.backend->gram(rows.layers, k, accuracy);
}

/// The signals D_l of a backward pass; buffers are kept for the next batch.
template <class R>
class Signals {
 public:
  /// n_l × N·r, l = 1 … L.
  MatrixView<R> layer(Index l) const { return views_[static_cast<std::size_t>(l)]; }
  /// Elements of memory for the rows of that shape.
  static Index elements(const RowsShape& shape);

 private:
  template <class S>
  friend Rows<S> score_rows(const Network<S>&, const Activations<S>&, const ScoreSpec&, Likelihood,
                            MatrixView<const S>, Signals<S>&);

  std::vector<Buffer<R>> buffers_;
  std::vector<MatrixView<R>> views_;
  Buffer<R> residuals_;
};

/// The score rows of the batch that `acts` has seen; y as in Backend::residuals (kind mc: not read, no u).
/// The rows view `acts` and `signals`.
template <class R>
Rows<R> score_rows(const Network<R>& net, const Activations<R>& acts, const ScoreSpec& spec,
                   Likelihood likelihood, MatrixView<const R> y, Signals<R>& signals);

}  // namespace natgrad
