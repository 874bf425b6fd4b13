#include "natgrad/scores.hpp"

#include <cmath>

#include "shape_check.hpp"

namespace natgrad {
namespace {

// One layer's part of a vector in θ's order, from the factors' sizes.
template <class R>
LayerView<R> part_of(const LayerFactors<std::remove_const_t<R>>& layer, VectorView<R> v, Index offset) {
  const Index n = layer.a.rows, m = layer.d.rows;
  return {{v.data + offset, n, m}, v.slice(offset + n * m, m)};
}

template <class R>
Index parameters_of(const LayerFactors<R>& layer) {
  return layer.d.rows * (layer.a.rows + 1);
}

}  // namespace

template <class R>
Index Rows<R>::parameters() const {
  Index parameters = 0;
  for (const auto& layer : layers) parameters += parameters_of(layer);
  return parameters;
}

template <class R>
Rows<R> Rows<R>::slice(Index begin, Index count) const {
  Rows part{backend, {}, per_sample};
  for (const auto& layer : layers)
    part.layers.push_back(
        {layer.a.columns(begin, count), layer.d.columns(begin * per_sample, count * per_sample)});
  return part;
}

// (Sv)_c = Σ_l Σ_j D_jc (V_l ã)_j⌊c/r⌋
template <class R>
void multiply(const Rows<R>& rows, VectorView<const R> v, VectorView<R> w, Buffer<R>& scratch) {
  require_size("multiply", "the size of v", v.size, rows.parameters());
  require_size("multiply", "the size of w", w.size, rows.count());
  Index offset = 0;
  for (const auto& layer : rows.layers) {
    const auto part = part_of<const R>(layer, v, offset);
    scratch.reserve(*rows.backend, layer.d.rows * layer.a.cols);
    const MatrixView<R> t = scratch.matrix(layer.d.rows, layer.a.cols);  // V ã, n_{l+1} × N
    rows.backend->gemm(Transpose::yes, Transpose::no, R(1), part.weights, layer.a, R(0), t);
    rows.backend->activate(Activation::identity, part.bias, t, t);
    rows.backend->column_dots(layer.d, t, offset == 0 ? R(0) : R(1), w);
    offset += parameters_of(layer);
  }
}

// Sᵀw = Σ_n (Σ_k w_{nr+k} δ_{nr+k}) ã_nᵀ
template <class R>
void multiply_transposed(const Rows<R>& rows, VectorView<const R> w, VectorView<R> g, Buffer<R>& scratch) {
  require_size("multiply_transposed", "the size of w", w.size, rows.count());
  require_size("multiply_transposed", "the size of g", g.size, rows.parameters());
  Index offset = 0;
  for (const auto& layer : rows.layers) {
    const auto part = part_of<R>(layer, g, offset);
    scratch.reserve(*rows.backend, layer.d.rows * layer.a.cols);
    const MatrixView<R> e = scratch.matrix(layer.d.rows, layer.a.cols);  // n_{l+1} × N
    rows.backend->weighted_signals(layer.d, w, e);
    rows.backend->gemm(Transpose::no, Transpose::yes, R(1), layer.a, e, R(0), part.weights);
    rows.backend->row_sums(e, part.bias);
    offset += parameters_of(layer);
  }
}

// g = 1/√N Σ_n δ_n ã_nᵀ
template <class R>
void gradient(const Rows<R>& empirical_rows, VectorView<R> g) {
  require_size("gradient", "the rows per sample", empirical_rows.per_sample, 1);
  require_size("gradient", "the size of g", g.size, empirical_rows.parameters());
  const R scale = R(1) / std::sqrt(static_cast<R>(empirical_rows.samples()));
  Index offset = 0;
  for (const auto& layer : empirical_rows.layers) {
    const auto part = part_of<R>(layer, g, offset);
    empirical_rows.backend->gemm(Transpose::no, Transpose::yes, scale, layer.a, layer.d, R(0), part.weights);
    empirical_rows.backend->row_sums(layer.d, part.bias);
    empirical_rows.backend->scale(scale, part.bias);
    offset += parameters_of(layer);
  }
}

template <class R>
void expand(const Rows<R>& rows, MatrixView<R> s) {
  require_size("expand", "the number of rows of S", s.rows, rows.parameters());
  require_size("expand", "the number of columns of S", s.cols, rows.count());
  Index offset = 0;
  for (const auto& layer : rows.layers) {
    rows.backend->khatri_rao(layer.a, layer.d, s.block(offset, 0, parameters_of(layer), s.cols));
    offset += parameters_of(layer);
  }
}

template <class R>
Rows<R> score_rows(const Network<R>& net, const Activations<R>& acts, const ScoreSpec& spec,
                   Likelihood likelihood, MatrixView<const R> y, Signals<R>& signals) {
  Backend<R>& backend = net.backend();
  const NetworkShape& shape = net.shape();
  const Index r = spec.rows_per_sample(likelihood, shape.outputs()), rows = acts.output().cols * r;
  const auto layers = static_cast<std::size_t>(shape.layers());
  signals.buffers_.resize(layers + 1);
  signals.views_.resize(layers + 1);
  for (std::size_t l = 1; l <= layers; ++l) {
    const Index width = shape.width(static_cast<Index>(l));
    signals.buffers_[l].reserve(backend, width * rows);
    signals.views_[l] = signals.buffers_[l].matrix(width, rows);  // n_l × N·r
  }
  backend.signals(spec, likelihood, acts.output(), y, signals.views_[layers]);
  // δ_l = (W_lᵀ δ_{l+1}) ∘ φ'(z_l), every signal on its own
  for (Index l = shape.layers() - 1; l >= 1; --l) {
    backend.gemm(Transpose::no, Transpose::no, R(1), layer_of(shape, net.theta(), l).weights,
                 signals.layer(l + 1), R(0), signals.layer(l));
    backend.multiply_slopes(acts.slopes(l), signals.layer(l));
  }
  Rows<R> result{&backend, {}, r};
  for (Index l = 0; l < shape.layers(); ++l) result.layers.push_back({acts.input(l), signals.layer(l + 1)});
  return result;
}

template struct Rows<float>;
template struct Rows<double>;
template void multiply(const Rows<float>&, VectorView<const float>, VectorView<float>, Buffer<float>&);
template void multiply(const Rows<double>&, VectorView<const double>, VectorView<double>, Buffer<double>&);
template void multiply_transposed(const Rows<float>&, VectorView<const float>, VectorView<float>,
                                  Buffer<float>&);
template void multiply_transposed(const Rows<double>&, VectorView<const double>, VectorView<double>,
                                  Buffer<double>&);
template void gradient(const Rows<float>&, VectorView<float>);
template void gradient(const Rows<double>&, VectorView<double>);
template void expand(const Rows<float>&, MatrixView<float>);
template void expand(const Rows<double>&, MatrixView<double>);
template Rows<float> score_rows(const Network<float>&, const Activations<float>&, const ScoreSpec&,
                                Likelihood, MatrixView<const float>, Signals<float>&);
template Rows<double> score_rows(const Network<double>&, const Activations<double>&, const ScoreSpec&,
                                 Likelihood, MatrixView<const double>, Signals<double>&);

}  // namespace natgrad
