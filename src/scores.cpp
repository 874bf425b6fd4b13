#include "natgrad/scores.hpp"

#include <algorithm>
#include <cmath>

#include "shape_check.hpp"

namespace natgrad {
namespace {

template <class R>
RowsShape::Layer shape_of(const LayerFactors<R>& layer) {
  return {layer.a.rows, layer.d.rows, layer.bias};
}

// Calls body(layer, part of v) for each layer.
template <class R, class V, class Body>
void for_each_layer(const Rows<R>& rows, VectorView<V> v, Body body) {
  Index offset = 0;
  for (const auto& layer : rows.layers) {
    body(layer, part_of(shape_of(layer), v.slice(offset, layer.parameters())));
    offset += layer.parameters();
  }
}

// A layer without inputs holds rows of S as they are, in D: products with it need no intermediate.
template <class R>
bool is_explicit(const LayerFactors<R>& layer) {
  return layer.a.rows == 0 && layer.bias && layer.a.cols == layer.d.cols;
}

template <class R>
MatrixView<R> scratch_matrix(const Rows<R>& rows, const LayerFactors<R>& layer, Buffer<R>& scratch) {
  scratch.reserve(*rows.backend, layer.d.rows * layer.a.cols);
  return scratch.matrix(layer.d.rows, layer.a.cols);  // n_{l+1} × N
}

}  // namespace

Index RowsShape::offset(std::size_t l) const {
  Index offset = 0;
  for (std::size_t i = 0; i < l; ++i) offset = std::min(countless, offset + layers[i].parameters());
  return offset;
}

RowsShape rows_shape(const NetworkShape& net, Index samples, Index per_sample) {
  RowsShape shape{{}, samples, per_sample};
  for (Index l = 0; l < net.layers(); ++l) shape.layers.push_back({net.width(l), net.width(l + 1)});
  return shape;
}

template <class R>
Index Rows<R>::parameters() const {
  Index parameters = 0;
  for (const auto& layer : layers) parameters += layer.parameters();
  return parameters;
}

template <class R>
RowsShape Rows<R>::shape() const {
  if (layers.empty()) throw ShapeError("rows: the number of layers is 0, must be at least 1");
  RowsShape shape{{}, samples(), per_sample};
  for (const auto& layer : layers) {
    require_size("rows", "the number of samples of a layer", layer.a.cols, shape.samples);
    require_size("rows", "the number of signals of a layer", layer.d.cols, shape.count());
    shape.layers.push_back(shape_of(layer));
  }
  return shape;
}

template <class R>
Rows<R> Rows<R>::slice(Index begin, Index count) const {
  Rows part{backend, {}, per_sample};
  for (const auto& layer : layers) part.layers.push_back(layer.slice(begin, count));
  if (u.size > 0) part.u = u.slice(begin * per_sample, count * per_sample);
  return part;
}

template <class R>
Rows<R> Rows<R>::layer(std::size_t l) const {
  return {backend, {layers[l]}, per_sample};
}

// (Sv)_c = Σ_l Σ_j D_jc (V_l ã)_j⌊c/r⌋
template <class R>
void multiply(const Rows<R>& rows, VectorView<const R> v, VectorView<R> w, Buffer<R>& scratch) {
  require_size("multiply", "the size of v", v.size, rows.parameters());
  require_size("multiply", "the size of w", w.size, rows.count());
  Backend<R>& backend = *rows.backend;
  R beta = R(0);
  for_each_layer(rows, v, [&](const LayerFactors<R>& layer, const LayerView<const R>& part) {
    if (is_explicit(layer)) {
      backend.gemm(Transpose::yes, Transpose::no, R(1), layer.d, {part.bias.data, part.bias.size, 1}, beta,
                   {w.data, w.size, 1});
      beta = R(1);
      return;
    }
    const MatrixView<R> t = scratch_matrix(rows, layer, scratch);  // V ã
    backend.gemm(Transpose::yes, Transpose::no, R(1), part.weights, layer.a, R(0), t);
    if (layer.bias) backend.activate(Activation::identity, part.bias, t, t);
    backend.column_dots(layer.d, t, beta, w);
    beta = R(1);
  });
}

// Sᵀw = Σ_n (Σ_k w_{nr+k} δ_{nr+k}) ã_nᵀ
template <class R>
void multiply_transposed(const Rows<R>& rows, VectorView<const R> w, VectorView<R> g, Buffer<R>& scratch) {
  require_size("multiply_transposed", "the size of w", w.size, rows.count());
  require_size("multiply_transposed", "the size of g", g.size, rows.parameters());
  Backend<R>& backend = *rows.backend;
  for_each_layer(rows, g, [&](const LayerFactors<R>& layer, const LayerView<R>& part) {
    if (is_explicit(layer))
      return backend.gemm(Transpose::no, Transpose::no, R(1), layer.d, {w.data, w.size, 1}, R(0),
                          {part.bias.data, part.bias.size, 1});
    const MatrixView<R> e = scratch_matrix(rows, layer, scratch);
    backend.weighted_signals(layer.d, w, e);
    backend.gemm(Transpose::no, Transpose::yes, R(1), layer.a, e, R(0), part.weights);
    if (layer.bias) backend.row_sums(e, part.bias);
  });
}

Index product_scratch(const RowsShape& shape) {
  Index widest = 0;
  for (const auto& layer : shape.layers)
    if (layer.inputs > 0 || shape.per_sample > 1) widest = std::max(widest, layer.units);
  return capped_product(widest, shape.samples);
}

// g = 1/√N Σ_n δ_n ã_nᵀ
template <class R>
void gradient(const Rows<R>& empirical_rows, VectorView<R> g) {
  require_size("gradient", "the rows per sample", empirical_rows.per_sample, 1);
  require_size("gradient", "the size of g", g.size, empirical_rows.parameters());
  Backend<R>& backend = *empirical_rows.backend;
  const R scale = R(1) / std::sqrt(static_cast<R>(empirical_rows.samples()));
  for_each_layer(empirical_rows, g, [&](const LayerFactors<R>& layer, const LayerView<R>& part) {
    backend.gemm(Transpose::no, Transpose::yes, scale, layer.a, layer.d, R(0), part.weights);
    if (!layer.bias) return;
    backend.row_sums(layer.d, part.bias);
    backend.scale(scale, part.bias);
  });
}

template <class R>
void expand(const Rows<R>& rows, MatrixView<R> s) {
  require_size("expand", "the number of rows of S", s.rows, rows.parameters());
  require_size("expand", "the number of columns of S", s.cols, rows.count());
  Index offset = 0;
  for (const auto& layer : rows.layers) {
    rows.backend->khatri_rao(layer, s.block(offset, 0, layer.parameters(), s.cols));
    offset += layer.parameters();
  }
}

template <class R>
Index Signals<R>::elements(const RowsShape& shape) {
  Index units = 0;
  for (const auto& layer : shape.layers) units += layer.units;
  return capped_product(units + 1, shape.count());
}

template <class R>
Rows<R> score_rows(const Network<R>& net, const Activations<R>& acts, const ScoreSpec& spec,
                   Likelihood likelihood, MatrixView<const R> y, Signals<R>& signals) {
  Backend<R>& backend = net.backend();
  const NetworkShape& shape = net.shape();
  const Index r = spec.rows_per_sample(likelihood, shape.outputs()),
              rows = capped_product(acts.output().cols, r);
  require_size("score rows", "the number of outputs seen", acts.output().rows, shape.outputs());
  const auto layers = static_cast<std::size_t>(shape.layers());
  signals.buffers_.resize(layers + 1);
  signals.views_.resize(layers + 1);
  for (std::size_t l = 1; l <= layers; ++l) {
    const Index width = shape.width(static_cast<Index>(l));
    signals.buffers_[l].reserve(backend, capped_product(width, rows));
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
  if (spec.kind != ScoreKind::mc) {
    signals.residuals_.reserve(backend, rows);
    result.u = signals.residuals_.vector().slice(0, rows);
    backend.residuals(spec, likelihood, acts.output(), y, signals.residuals_.vector().slice(0, rows));
  }
  return result;
}

template class Signals<float>;
template class Signals<double>;
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
