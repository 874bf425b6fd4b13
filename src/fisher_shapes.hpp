/// What shapes the operands of Backend's operations on layers' factors and score rows must have: as
/// operation_shapes.hpp.
#pragma once

#include "natgrad/backend.hpp"
#include "shape_check.hpp"

namespace natgrad::shapes {

/// Returns r.
template <class R, class S>
Index khatri_rao(const LayerFactors<R>& layer, const S& s) {
  const Index r = rows_per_sample("khatri_rao", layer.d.cols, layer.a.cols);
  require_shape("khatri_rao", "the number of rows of S", "the number of columns of S", s, layer.parameters(),
                layer.d.cols);
  return r;
}

/// N and r.
struct SampleRows {
  Index samples, r;
};

template <class R, class S, class F>
SampleRows outer_products(std::span<const LayerFactors<R>> layers, const S& rows, const F& f) {
  const char* operation = "outer_products";
  SampleRows found{0, 1};
  Index parameters = 0;
  for (const auto& layer : layers) {
    require_size(operation, "the number of columns of A", layer.a.cols, layers.front().a.cols);
    require_size(operation, "the number of columns of D", layer.d.cols, layers.front().d.cols);
    found = {layer.a.cols, rows_per_sample(operation, layer.d.cols, layer.a.cols)};
    parameters += layer.parameters();
  }
  require_shape(operation, "the number of rows of F", "the number of columns of F", f, parameters,
                parameters);
  require_size(operation, "the number of rows of the expanded rows", rows.rows, parameters);
  if (found.samples > 0 && rows.cols < found.r)
    throw ShapeError(std::string(operation) + ": the number of columns of the expanded rows is " +
                     std::to_string(rows.cols) + ", must be at least the " + std::to_string(found.r) +
                     " rows of a sample");
  return found;
}

/// Returns r.
template <class R, class K>
Index gram(std::span<const LayerFactors<R>> layers, const K& k) {
  require_size("gram", "the number of columns of K", k.cols, k.rows);
  Index r = 1;
  for (const auto& layer : layers) {
    require_size("gram", "the number of columns of D", layer.d.cols, k.rows);
    require_size("gram", "the number of columns of A", layer.a.cols, layers.front().a.cols);
    r = rows_per_sample("gram", layer.d.cols, layer.a.cols);
  }
  return r;
}

/// Returns r.
template <class R, class F>
Index unit_blocks(const LayerFactors<R>& layer, const F& f) {
  const Index r = rows_per_sample("unit_blocks", layer.d.cols, layer.a.cols);
  require_size("unit_blocks", "the order of the matrices", f.n, layer.inputs());
  require_size("unit_blocks", "the number of matrices", f.count, layer.units());
  return r;
}

/// N of two layers' factors, which must agree; with `unique` also their sizes.
template <class R>
Index pair_samples(const char* operation, Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y) {
  require_size(operation, "the number of samples of the second layer", y.a.cols, x.a.cols);
  require_size(operation, "the number of rows of the second layer", y.d.cols, x.d.cols);
  if (pairs == Pairs::unique) {
    require_size(operation, "the number of inputs of the second layer", y.inputs(), x.inputs());
    require_size(operation, "the number of units of the second layer", y.units(), x.units());
  }
  return x.a.cols;
}

template <class R, class O>
void input_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y, const O& out) {
  const Index samples = pair_samples("input_pairs", pairs, x, y);
  require_shape("input_pairs", "the number of rows", "the number of columns", out,
                pair_count(pairs, x.inputs(), y.inputs()), samples);
}

/// Returns r.
template <class R, class O>
Index signal_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y, const O& out) {
  const Index samples = pair_samples("signal_pairs", pairs, x, y);
  require_shape("signal_pairs", "the number of rows", "the number of columns", out,
                pair_count(pairs, x.units(), y.units()), samples);
  return rows_per_sample("signal_pairs", x.d.cols, samples);
}

template <class R, class Q, class F>
void unpack_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y, const Q& q, Index first,
                  const F& f) {
  pair_samples("unpack_pairs", pairs, x, y);
  require_size("unpack_pairs", "the number of rows of Q", q.rows, pair_count(pairs, x.inputs(), y.inputs()));
  const Index signals = pair_count(pairs, x.units(), y.units());
  if (first < 0 || first + q.cols > signals)
    throw ShapeError("unpack_pairs: the signal pairs from " + std::to_string(first) + " to " +
                     std::to_string(first + q.cols) + " are not within the " + std::to_string(signals) +
                     " of the two layers");
  require_shape("unpack_pairs", "the number of rows of F", "the number of columns of F", f, x.parameters(),
                y.parameters());
}

/// Returns r.
template <class D, class T, class W>
Index column_dots(const D& d, const T& t, const W& w) {
  const Index r = rows_per_sample("column_dots", d.cols, t.cols);
  require_size("column_dots", "the number of rows of T", t.rows, d.rows);
  require_size("column_dots", "the size of w", w.size, d.cols);
  return r;
}

/// Returns r.
template <class D, class W, class E>
Index weighted_signals(const D& d, const W& w, const E& e) {
  const Index r = rows_per_sample("weighted_signals", d.cols, e.cols);
  require_size("weighted_signals", "the number of rows of E", e.rows, d.rows);
  require_size("weighted_signals", "the number of weights", w.size, d.cols);
  return r;
}

/// Returns r.
template <class D, class T, class E>
Index squared_signals(const D& d, const T& t, const E& e) {
  const Index r = rows_per_sample("squared_signals", d.cols, t.cols);
  require_size("squared_signals", "the number of rows of T", t.rows, d.rows);
  require_shape("squared_signals", "the number of rows of E", "the number of columns of E", e, d.rows,
                t.cols);
  return r;
}

template <class E, class B>
void row_sums(const E& e, const B& b) {
  require_size("row_sums", "the size of b", b.size, e.rows);
}

}  // namespace natgrad::shapes
