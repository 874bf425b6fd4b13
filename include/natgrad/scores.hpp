/// Per-sample scores, held factored.
///
/// A score row of a sample with output signal δ_L is s = concat_l vec(δ_{l+1} ã_lᵀ) in θ's order, with
/// δ_{l+1} back-propagated without summing over the batch. Every row carries 1/√N at birth, so that the
/// Fisher is F = SᵀS. S (R × P, R = N·r) is never formed unless something asks for it.
#pragma once

#include <vector>

#include "natgrad/network.hpp"

namespace natgrad {

/// One layer's factors: row c of S is, in this layer, d_c ã_⌊c/r⌋ᵀ.
template <class R>
struct LayerFactors {
  MatrixView<const R> a;  // n_l × N
  MatrixView<const R> d;  // n_{l+1} × N·r, a sample's r signals in neighbouring columns
};

/// The rows S of a batch as views of {A_l, D_l}; valid as long as what they view.
template <class R>
struct Rows {
  Backend<R>* backend = nullptr;
  std::vector<LayerFactors<R>> layers;
  Index per_sample = 1;  // r

  Index samples() const { return layers.front().a.cols; }
  Index count() const { return layers.front().d.cols; }
  /// P.
  Index parameters() const;
  /// The rows of samples begin … begin + count − 1.
  Rows slice(Index begin, Index count) const;
};

/// w ← Sv, R; costs about one forward pass. `scratch` grows to the widest layer times N.
template <class R>
void multiply(const Rows<R>& rows, VectorView<const R> v, VectorView<R> w, Buffer<R>& scratch);

/// g ← Sᵀw, P; costs about one gradient.
template <class R>
void multiply_transposed(const Rows<R>& rows, VectorView<const R> w, VectorView<R> g, Buffer<R>& scratch);

/// g ← ∇loss, P, of rows of the empirical kind: g = Sᵀ(1/√N, …, 1/√N)ᵀ.
template <class R>
void gradient(const Rows<R>& empirical_rows, VectorView<R> g);

/// Writes the rows of S as columns, s: P × R.
template <class R>
void expand(const Rows<R>& rows, MatrixView<R> s);

/// The signals D_l of a backward pass; buffers are kept for the next batch.
template <class R>
class Signals {
 public:
  /// n_l × N·r, l = 1 … L.
  MatrixView<R> layer(Index l) const { return views_[static_cast<std::size_t>(l)]; }

 private:
  template <class S>
  friend Rows<S> score_rows(const Network<S>&, const Activations<S>&, const ScoreSpec&, Likelihood,
                            MatrixView<const S>, Signals<S>&);

  std::vector<Buffer<R>> buffers_;
  std::vector<MatrixView<R>> views_;
};

/// The score rows of the batch that `acts` has seen; y as in Backend::signals. The rows view `acts` and
/// `signals`.
template <class R>
Rows<R> score_rows(const Network<R>& net, const Activations<R>& acts, const ScoreSpec& spec,
                   Likelihood likelihood, MatrixView<const R> y, Signals<R>& signals);

}  // namespace natgrad
