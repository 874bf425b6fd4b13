/// The reference backend's operations on layers' factors.
#pragma once

#include <span>
#include <utility>

#include "fisher_shapes.hpp"
#include "support/reference_likelihoods.hpp"

namespace natgrad::reference {

/// ã_in.
template <class R>
R extended(const LayerFactors<R>& layer, Index i, Index n) {
  return i < layer.a.rows ? at(layer.a, i, n) : R(1);
}

/// Where θ's order puts the parameter of ã_i into unit j.
template <class R>
Index parameter(const LayerFactors<R>& layer, Index j, Index i) {
  return i < layer.a.rows ? j * layer.a.rows + i : layer.units() * layer.a.rows + j;
}

/// function(row, p, q) for the pairs of 0 … n−1 with 0 … m−1.
template <class Function>
void each_pair(Pairs pairs, Index n, Index m, Function function) {
  Index row = 0;
  for (Index q = 0; q < m; ++q)
    for (Index p = pairs == Pairs::unique ? q : 0; p < n; ++p) function(row++, p, q);
}

template <class R>
class FisherFactors : public Likelihoods<R> {
  using In = MatrixView<const R>;
  using Out = MatrixView<R>;
  using Layer = LayerFactors<R>;

 public:
  void khatri_rao(const Layer& layer, Out s) override {
    const Index r = shapes::khatri_rao(layer, s);
    each(layer.d, [&](Index j, Index c) {
      for (Index i = 0; i < layer.inputs(); ++i)
        at(s, parameter(layer, j, i), c) = at(layer.d, j, c) * extended(layer, i, c / r);
    });
  }
  void gram(std::span<const Layer> layers, Out k, Accuracy) override {
    const Index r = shapes::gram(layers, k);
    each_lower(k, [&](Index c, Index e) {
      Real sum = 0;
      for (const Layer& layer : layers) {
        Real inputs = 0, signals = 0;
        for (Index i = 0; i < layer.inputs(); ++i)
          inputs += Real(extended(layer, i, c / r)) * extended(layer, i, e / r);
        for (Index j = 0; j < layer.units(); ++j) signals += Real(at(layer.d, j, c)) * at(layer.d, j, e);
        sum += inputs * signals;
      }
      at(k, c, e) = static_cast<R>(sum);
    });
  }
  void unit_blocks(const Layer& layer, R alpha, R beta, BatchView<R> f) override {
    const Index r = shapes::unit_blocks(layer, f);
    for (Index j = 0; j < f.count; ++j)
      each_lower(f[j], [&](Index i, Index k) {
        Real sum = 0;
        for (Index c = 0; c < layer.d.cols; ++c)
          sum += Real(at(layer.d, j, c)) * at(layer.d, j, c) * extended(layer, i, c / r) *
                 extended(layer, k, c / r);
        store(at(f[j], i, k), alpha * sum, beta);
      });
  }
  void input_pairs(Pairs pairs, const Layer& x, const Layer& y, Out out) override {
    shapes::input_pairs(pairs, x, y, out);
    each_pair(pairs, x.inputs(), y.inputs(), [&](Index row, Index p, Index q) {
      for (Index n = 0; n < out.cols; ++n) at(out, row, n) = extended(x, p, n) * extended(y, q, n);
    });
  }
  void signal_pairs(Pairs pairs, const Layer& x, const Layer& y, Out out) override {
    const Index r = shapes::signal_pairs(pairs, x, y, out);
    each_pair(pairs, x.units(), y.units(), [&](Index row, Index p, Index q) {
      for (Index n = 0; n < out.cols; ++n) {
        Real sum = 0;
        for (Index c = n * r; c < n * r + r; ++c) sum += Real(at(x.d, p, c)) * at(y.d, q, c);
        at(out, row, n) = static_cast<R>(sum);
      }
    });
  }
  void unpack_pairs(Pairs pairs, const Layer& x, const Layer& y, In q, Index first, R beta, Out f) override {
    shapes::unpack_pairs(pairs, x, y, q, first, f);
    each_pair(pairs, x.units(), y.units(), [&](Index signals, Index j, Index k) {
      if (signals < first || signals >= first + q.cols) return;
      each_pair(pairs, x.inputs(), y.inputs(), [&](Index inputs, Index p, Index i) {
        const Real value = at(q, inputs, signals - first);
        const auto put = [&](Index row, Index col) {
          if (pairs == Pairs::unique && row < col) std::swap(row, col);
          store(at(f, row, col), value, beta);
        };
        put(parameter(x, j, p), parameter(y, k, i));
        // The same number belongs to the pairs crosswise, which where one of them has equals is no other
        // place.
        if (pairs == Pairs::unique && p != i && j != k) put(parameter(x, j, i), parameter(y, k, p));
      });
    });
  }
  void column_dots(In d, In t, R beta, VectorView<R> w) override {
    const Index r = shapes::column_dots(d, t, w);
    for (Index c = 0; c < d.cols; ++c) {
      Real sum = 0;
      for (Index j = 0; j < d.rows; ++j) sum += Real(at(d, j, c)) * at(t, j, c / r);
      store(w.data[c], sum, beta);
    }
  }
  void weighted_signals(In d, VectorView<const R> w, Out e) override {
    const Index r = shapes::weighted_signals(d, w, e);
    each(e, [&](Index j, Index n) {
      Real sum = 0;
      for (Index c = n * r; c < n * r + r; ++c) sum += Real(w.data[c]) * at(d, j, c);
      at(e, j, n) = static_cast<R>(sum);
    });
  }
  void squared_signals(In d, In t, Out e) override {
    const Index r = shapes::squared_signals(d, t, e);
    each(e, [&](Index j, Index n) {
      Real sum = 0;
      for (Index c = n * r; c < n * r + r; ++c) sum += Real(at(d, j, c)) * at(d, j, c);
      at(e, j, n) = static_cast<R>(sum * at(t, j, n));
    });
  }
  void row_sums(In e, VectorView<R> b) override {
    shapes::row_sums(e, b);
    for (Index j = 0; j < e.rows; ++j) {
      Real sum = 0;
      for (Index n = 0; n < e.cols; ++n) sum += at(e, j, n);
      b.data[j] = static_cast<R>(sum);
    }
  }
};

}  // namespace natgrad::reference
