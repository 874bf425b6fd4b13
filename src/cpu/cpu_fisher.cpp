/// Output signals of the score rows and the Fisher operations, CPU backend.
#include <algorithm>
#include <cmath>

#include "cpu/cpu_backend.hpp"
#include "fisher_shapes.hpp"
#include "natgrad/device/likelihood.hpp"
#include "operation_shapes.hpp"
#include "random.hpp"

namespace natgrad {
namespace {

// The signals p − y of one sample, times `scale`.
template <class R>
void empirical_signal(Likelihood likelihood, const R* z, const R* y, Index outputs, R scale, R* d) {
  if (likelihood == Likelihood::categorical) {
    Categorical::signals(z, outputs, Categorical::class_of(y[0], outputs), scale, d);
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
void CpuBackend<R>::residuals(const ScoreSpec& spec, Likelihood likelihood, MatrixView<const R> z,
                              MatrixView<const R> y, VectorView<R> u) {
  const Index r = shapes::residuals(spec, likelihood, z, y, u);
  const R scale = R(1) / std::sqrt(static_cast<R>(z.cols));
  if (spec.kind == ScoreKind::empirical) return fill({u.data, u.size, 1}, scale);
  parallel_for(threads_, z.cols, z.rows * 16, [&](Index n) {
    const R *zn = column(z, n), *yn = column(y, n);
    R* un = u.data + n * r;
    if (likelihood == Likelihood::categorical)
      Categorical::residuals(zn, z.rows, Categorical::class_of(yn[0], z.rows), scale, un);
    else if (likelihood == Likelihood::bernoulli)
      for (Index j = 0; j < r; ++j) un[j] = scale * Bernoulli::residual(zn[j], yn[j]);
    else
      for (Index j = 0; j < r; ++j) un[j] = scale * Gaussian::residual(zn[j], yn[j]);
  });
}

template <class R>
void CpuBackend<R>::output_fisher(Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> x,
                                  MatrixView<const R> y, Slot slot) {
  shapes::output_fisher(z, x, y);
  const double sum = parallel_sum(threads_, z.cols, z.rows * 16, partial_, [&](Index n) {
    const R *zn = column(z, n), *xn = column(x, n), *yn = column(y, n);
    if (likelihood == Likelihood::categorical) return Categorical::fisher_product(zn, xn, yn, z.rows);
    if (likelihood == Likelihood::gaussian)
      return sum_outputs(z.rows, [=](Index j) { return Gaussian::fisher_product(zn[j], xn[j], yn[j]); });
    return sum_outputs(z.rows, [=](Index j) { return Bernoulli::fisher_product(zn[j], xn[j], yn[j]); });
  });
  scalar(slot) = z.cols > 0 ? sum / static_cast<double>(z.cols) : 0.0;
}

template <class R>
void CpuBackend<R>::khatri_rao(const LayerFactors<R>& layer, MatrixView<R> s) {
  const Index r = shapes::khatri_rao(layer, s);
  const Index n = layer.a.rows, m = layer.units();
  parallel_for(threads_, s.cols, s.rows, [&](Index c) {
    const R *ac = column(layer.a, c / r), *dc = column(layer.d, c);
    R* sc = column(s, c);
    for (Index j = 0; j < m; ++j)
      for (Index i = 0; i < n; ++i) sc[j * n + i] = dc[j] * ac[i];
    if (layer.bias) std::copy_n(dc, m, sc + m * n);
  });
}

namespace {

// Columns of inputs ã_n √(Σ_k δ_nk²), δ the signals of one unit.
template <class R>
void weigh_inputs(const LayerFactors<R>& layer, Index unit, MatrixView<R> weighted) {
  const Index n = layer.a.rows, r = layer.d.cols / layer.a.cols;
  for (Index c = 0; c < layer.a.cols; ++c) {
    R weight = R(0);
    for (Index k = c * r; k < (c + 1) * r; ++k) {
      const R delta = column(layer.d, k)[unit];
      weight += delta * delta;
    }
    const R root = std::sqrt(weight), *in = column(layer.a, c);
    R* out = column(weighted, c);
    for (Index i = 0; i < n; ++i) out[i] = root * in[i];
    if (layer.bias) out[n] = root;
  }
}

}  // namespace

template <class R>
void CpuBackend<R>::unit_blocks(const LayerFactors<R>& layer, R alpha, R beta, BatchView<R> f) {
  shapes::unit_blocks(layer, f);
  constexpr Index chunk = 256;  // samples whose weighted inputs stay in cache
  const Index samples = layer.a.cols, order = layer.inputs(), per_thread = order * chunk;
  R* memory = workspace(team(threads_, f.count) * per_thread);
  // F_j ← βF_j + α Σ over chunks of (ã√w)(ã√w)ᵀ; products inside the loop take one thread.
  parallel_for(threads_, f.count, samples * order * order, [&](Index j) {
    const MatrixView<R> weighted{memory + omp_get_thread_num() * per_thread, order, chunk};
    for (Index begin = 0; begin == 0 || begin < samples; begin += chunk) {
      const MatrixView<R> part = weighted.columns(0, std::min(chunk, samples - begin));
      if (part.cols > 0) weigh_inputs(layer.slice(begin, part.cols), j, part);
      syrk(alpha, part, begin == 0 ? beta : R(1), f[j]);
    }
  });
}

template <class R>
void CpuBackend<R>::column_dots(MatrixView<const R> d, MatrixView<const R> t, R beta, VectorView<R> w) {
  const Index r = shapes::column_dots(d, t, w);
  parallel_for(threads_, d.cols, d.rows, [&](Index c) {
    const R *dc = column(d, c), *tc = column(t, c / r);
    R sum = R(0);
#pragma omp simd reduction(+ : sum)
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

// Rows that a loop over columns takes at a time: a few lines of cache.
constexpr Index row_block = 64;

template <class R>
void CpuBackend<R>::squared_signals(MatrixView<const R> d, MatrixView<const R> t, MatrixView<R> e) {
  const Index r = shapes::squared_signals(d, t, e);
  parallel_for(threads_, e.cols, r * e.rows, [&](Index n) {
    for (Index j = 0; j < e.rows; j += row_block) {
      const Index count = std::min(row_block, e.rows - j);
      R sums[row_block] = {};  // E may be T
      for (Index c = n * r; c < (n + 1) * r; ++c) {
        const R* dc = column(d, c) + j;
        for (Index i = 0; i < count; ++i) sums[i] += dc[i] * dc[i];
      }
      for (Index i = 0; i < count; ++i) column(e, n)[j + i] = column(t, n)[j + i] * sums[i];
    }
  });
}

template <class R>
void CpuBackend<R>::row_sums(MatrixView<const R> e, VectorView<R> b) {
  shapes::row_sums(e, b);
  parallel_for(threads_, (e.rows + row_block - 1) / row_block, row_block * e.cols, [&](Index block) {
    const Index begin = block * row_block, count = std::min(row_block, e.rows - begin);
    R sums[row_block] = {};
    for (Index n = 0; n < e.cols; ++n)
      for (Index i = 0; i < count; ++i) sums[i] += column(e, n)[begin + i];
    std::copy_n(sums, count, b.data + begin);
  });
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace natgrad
