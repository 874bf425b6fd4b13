/// Output signals of the score rows and the Fisher operations, CPU backend.
#include <algorithm>
#include <cmath>

#include "cpu/cpu_backend.hpp"
#include "natgrad/device/likelihood.hpp"
#include "operation_shapes.hpp"
#include "random.hpp"

namespace natgrad {
namespace {

template <class T>
T* column(MatrixView<T> m, Index j) {
  return m.data + j * m.stride;
}

// The signals p − y of one sample, times `scale`.
template <class R>
void empirical_signal(Likelihood likelihood, const R* z, const R* y, Index outputs, R scale, R* d) {
  if (likelihood == Likelihood::categorical) {
    const auto lse = Categorical::log_sum_exp(z, outputs);
    const Index label = Categorical::class_of(y[0], outputs);
    for (Index j = 0; j < outputs; ++j)
      d[j] = scale * static_cast<R>(lse.probability(z[j]) - (j == label ? 1.0 : 0.0));
  } else {
    for (Index j = 0; j < outputs; ++j)
      d[j] = scale * ((likelihood == Likelihood::bernoulli ? sigmoid(z[j]) : z[j]) - y[j]);
  }
}

// The r columns of scale·B(z) of one sample.
template <class R>
void exact_signals(Likelihood likelihood, const R* z, Index outputs, R scale, R* d, Index stride) {
  if (likelihood == Likelihood::categorical) return Categorical::root_fisher(z, outputs, scale, d, stride);
  for (Index k = 0; k < outputs; ++k) {
    std::fill_n(d + k * stride, outputs, R(0));
    d[k + k * stride] = scale * (likelihood == Likelihood::bernoulli ? Bernoulli::root_fisher(z[k])
                                                                     : Gaussian::root_fisher(z[k]));
  }
}

// scale·(p − ŷ), ŷ the model's own draw number `draw` (counted over samples and draws).
template <class R>
void drawn_signal(Likelihood likelihood, const R* z, Index outputs, R scale, RandomKey key, Index draw,
                  R* d) {
  const auto index = [&](Index j) { return static_cast<std::uint64_t>(draw * outputs + j); };
  if (likelihood == Likelihood::categorical) {
    const R drawn =
        static_cast<R>(Categorical::draw(z, outputs, random_uniform(key, static_cast<std::uint64_t>(draw))));
    empirical_signal(likelihood, z, &drawn, outputs, scale, d);
  } else if (likelihood == Likelihood::bernoulli) {
    for (Index j = 0; j < outputs; ++j) {
      const R p = sigmoid(z[j]);
      d[j] = scale * (p - (random_uniform(key, index(j)) < static_cast<double>(p) ? R(1) : R(0)));
    }
  } else {
    for (Index j = 0; j < outputs; ++j) d[j] = -scale * static_cast<R>(random_normal(key, index(j)));
  }
}

}  // namespace

template <class R>
void CpuBackend<R>::signals(const ScoreSpec& spec, Likelihood likelihood, MatrixView<const R> z,
                            MatrixView<const R> y, MatrixView<R> d) {
  const Index r = shapes::signals(spec, likelihood, z, y, d);
  const Index outputs = z.rows, samples = z.cols;
  const R scale = R(1) / std::sqrt(static_cast<R>(samples));
  parallel_for(threads_, samples, outputs * r * 16, [&](Index n) {
    const R* zn = column(z, n);
    if (spec.kind == ScoreKind::empirical) {
      empirical_signal(likelihood, zn, column(y, n), outputs, scale, column(d, n));
    } else if (spec.kind == ScoreKind::exact) {
      exact_signals(likelihood, zn, outputs, scale, column(d, n * r), d.stride);
    } else {
      const R draw_scale = scale / std::sqrt(static_cast<R>(r));
      for (Index k = n * r; k < (n + 1) * r; ++k)
        drawn_signal(likelihood, zn, outputs, draw_scale, spec.key, k, column(d, k));
    }
  });
}

template <class R>
void CpuBackend<R>::khatri_rao(MatrixView<const R> a, MatrixView<const R> d, MatrixView<R> s) {
  const Index r = shapes::khatri_rao(a, d, s);
  const Index n = a.rows, m = d.rows;
  parallel_for(threads_, d.cols, m * n, [&](Index c) {
    const R *ac = column(a, c / r), *dc = column(d, c);
    R* sc = column(s, c);
    for (Index j = 0; j < m; ++j)
      for (Index i = 0; i < n; ++i) sc[j * n + i] = dc[j] * ac[i];
    std::copy_n(dc, m, sc + m * n);
  });
}

template <class R>
void CpuBackend<R>::unit_blocks(MatrixView<const R> a, MatrixView<const R> d, BatchView<R> f) {
  const Index r = shapes::unit_blocks(a, d, f);
  const Index n = a.rows, m = d.rows;
  constexpr Index chunk = 256;  // samples whose weighted inputs stay in cache
  const Index per_unit = (n + 1) * chunk;
  workspace_.resize(static_cast<std::size_t>(m * per_unit));
  // F_j = Σ over chunks of (ã√w)(ã√w)ᵀ, w_n = Σ_k δ_{j,nr+k}²; products inside the loop take one thread.
  parallel_for(threads_, m, a.cols * n * n, [&](Index j) {
    MatrixView<R> weighted{workspace_.data() + j * per_unit, n + 1, chunk};
    for (Index begin = 0; begin == 0 || begin < a.cols; begin += chunk) {
      const Index count = std::min(chunk, a.cols - begin);
      for (Index c = 0; c < count; ++c) {
        R w = R(0);
        for (Index k = 0; k < r; ++k) {
          const R delta = d.data[j + ((begin + c) * r + k) * d.stride];
          w += delta * delta;
        }
        const R root = std::sqrt(w), *ac = column(a, begin + c);
        R* out = column(weighted, c);
        for (Index i = 0; i < n; ++i) out[i] = root * ac[i];
        out[n] = root;
      }
      syrk(R(1), weighted.columns(0, count), begin == 0 ? R(0) : R(1), f[j]);
    }
  });
}

template <class R>
void CpuBackend<R>::column_dots(MatrixView<const R> d, MatrixView<const R> t, R beta, VectorView<R> w) {
  const Index r = shapes::column_dots(d, t, w);
  parallel_for(threads_, d.cols, d.rows, [&](Index c) {
    const R *dc = column(d, c), *tc = column(t, c / r);
    R sum = R(0);
    for (Index j = 0; j < d.rows; ++j) sum += dc[j] * tc[j];
    w.data[c] = (beta == R(0) ? R(0) : beta * w.data[c]) + sum;
  });
}

template <class R>
void CpuBackend<R>::weighted_signals(MatrixView<const R> d, VectorView<const R> w, MatrixView<R> e) {
  const Index r = shapes::weighted_signals(d, w, e);
  parallel_for(threads_, e.cols, r * e.rows, [&](Index n) {
    R* en = column(e, n);
    std::fill_n(en, e.rows, R(0));
    for (Index c = n * r; c < (n + 1) * r; ++c) {
      const R* dc = column(d, c);
      for (Index j = 0; j < e.rows; ++j) en[j] += w.data[c] * dc[j];
    }
  });
}

template <class R>
void CpuBackend<R>::squared_signals(MatrixView<const R> d, MatrixView<const R> t, MatrixView<R> e) {
  const Index r = shapes::squared_signals(d, t, e);
  parallel_for(threads_, e.cols, r * e.rows, [&](Index n) {
    for (Index j = 0; j < e.rows; ++j) {
      R sum = R(0);
      for (Index c = n * r; c < (n + 1) * r; ++c) sum += column(d, c)[j] * column(d, c)[j];
      column(e, n)[j] = column(t, n)[j] * sum;
    }
  });
}

template <class R>
void CpuBackend<R>::row_sums(MatrixView<const R> e, VectorView<R> b) {
  shapes::row_sums(e, b);
  std::fill_n(b.data, b.size, R(0));
  for (Index n = 0; n < e.cols; ++n)
    for (Index j = 0; j < e.rows; ++j) b.data[j] += column(e, n)[j];
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace natgrad
