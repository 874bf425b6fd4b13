/// Point-wise operations of the network and its likelihood, CPU backend.
#include <cmath>

#include "cpu/cpu_backend.hpp"
#include "natgrad/device/activation.hpp"
#include "natgrad/device/likelihood.hpp"
#include "operation_shapes.hpp"
#include "random.hpp"

namespace natgrad {
namespace {

// Elementary operations that one transcendental function is counted as.
constexpr Index function_cost = 16;

template <class R>
double sample_loss(Likelihood likelihood, const R* z, const R* y, Index outputs) {
  if (likelihood == Likelihood::categorical) return Categorical::loss(z, outputs, y[0]);
  if (likelihood == Likelihood::gaussian)
    return sum_outputs(outputs, [=](Index j) { return Gaussian::loss(z[j], y[j]); });
  return sum_outputs(outputs, [=](Index j) { return Bernoulli::loss(z[j], y[j]); });
}

// Everything is inlined, so that the loop is vectorised.
template <class Output, class R>
[[gnu::flatten]] Divergence sum_divergence(const R* z, const R* z_new, const R* y, Index outputs) {
  double kl = 0.0, loss_change = 0.0;
#pragma omp simd reduction(+ : kl, loss_change)
  for (Index j = 0; j < outputs; ++j) {
    const Divergence term = Output::divergence(z[j], z_new[j], y[j]);
    kl += term.kl;
    loss_change += term.loss_change;
  }
  return {kl, loss_change};
}

template <class R>
Divergence sample_divergence(Likelihood likelihood, const R* z, const R* z_new, const R* y, Index outputs) {
  if (likelihood == Likelihood::categorical) return Categorical::divergence(z, z_new, outputs, y[0]);
  return likelihood == Likelihood::gaussian ? sum_divergence<Gaussian>(z, z_new, y, outputs)
                                            : sum_divergence<Bernoulli>(z, z_new, y, outputs);
}

template <class R>
void sample_means(Likelihood likelihood, const R* z, R* means, Index outputs) {
  if (likelihood == Likelihood::categorical) {
    const auto lse = Categorical::log_sum_exp(z, outputs);
    for (Index j = 0; j < outputs; ++j) means[j] = static_cast<R>(lse.probability(z[j]));
  } else if (likelihood == Likelihood::bernoulli) {
    for (Index j = 0; j < outputs; ++j) means[j] = Bernoulli::mean(z[j]);
  } else {
    for (Index j = 0; j < outputs; ++j) means[j] = Gaussian::mean(z[j]);
  }
}

}  // namespace

template <class R>
void CpuBackend<R>::activate(Activation phi, VectorView<const R> bias, MatrixView<R> z, MatrixView<R> a) {
  shapes::activate(bias, z, a);
  const bool keep_slopes = a.data != z.data;
  with_activation(phi, [&]<Activation f>() {
    parallel_for(threads_, z.cols, z.rows * function_cost, [&](Index n) {
      R *zn = column(z, n), *an = column(a, n);
      if (keep_slopes) {
        for (Index j = 0; j < z.rows; ++j) {
          const auto [value, slope] = activation<f>(zn[j] + bias.data[j]);
          an[j] = value;
          zn[j] = slope;
        }
      } else {
        for (Index j = 0; j < z.rows; ++j) zn[j] = activation<f>(zn[j] + bias.data[j]).value;
      }
    });
  });
}

template <class R>
void CpuBackend<R>::multiply_slopes(MatrixView<const R> slopes, MatrixView<R> d) {
  const Index r = shapes::multiply_slopes(slopes, d);
  parallel_for(threads_, d.cols, d.rows, [&](Index c) {
    const R* slope = column(slopes, c / r);
    R* dc = column(d, c);
    for (Index j = 0; j < d.rows; ++j) dc[j] *= slope[j];
  });
}

template <class R>
void CpuBackend<R>::loss(Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> y) {
  require_targets("loss", likelihood, z, y);
  const double sum = parallel_sum(threads_, z.cols, z.rows * function_cost, partial_, [&](Index n) {
    return sample_loss(likelihood, column(z, n), column(y, n), z.rows);
  });
  scalar(Slot::loss) = z.cols > 0 ? sum / static_cast<double>(z.cols) : 0.0;
}

template <class R>
void CpuBackend<R>::divergence(Likelihood likelihood, MatrixView<const R> z_old, MatrixView<const R> z_new,
                               MatrixView<const R> y) {
  shapes::divergence(likelihood, z_old, z_new, y);
  const Index work = z_old.rows * function_cost * 4;
  const double samples = static_cast<double>(std::max<Index>(1, z_old.cols));
  terms_.resize(static_cast<std::size_t>(z_old.cols));  // of the change of the loss, by sample
  scalar(Slot::kl) = parallel_sum(threads_, z_old.cols, work, partial_,
                                  [&](Index n) {
                                    const Divergence d =
                                        sample_divergence(likelihood, column(z_old, n), column(z_new, n),
                                                          column(y, n), z_old.rows);
                                    terms_[static_cast<std::size_t>(n)] = d.loss_change;
                                    return d.kl;
                                  }) /
                     samples;
  scalar(Slot::loss_change) = parallel_sum(threads_, z_old.cols, 1, partial_,
                                           [&](Index n) { return terms_[static_cast<std::size_t>(n)]; }) /
                              samples;
}

template <class R>
void CpuBackend<R>::means(Likelihood likelihood, MatrixView<const R> z, MatrixView<R> means) {
  shapes::means(z, means);
  parallel_for(threads_, z.cols, z.rows * function_cost,
               [&](Index n) { sample_means(likelihood, column(z, n), column(means, n), z.rows); });
}

template <class R>
void CpuBackend<R>::count_correct(MatrixView<const R> z, MatrixView<const R> y) {
  require_targets("count_correct", Likelihood::categorical, z, y);
  scalar(Slot::correct) = parallel_sum(threads_, z.cols, z.rows, partial_, [&](Index n) {
    const R* zn = column(z, n);
    return std::max_element(zn, zn + z.rows) - zn == Categorical::class_of(*column(y, n), z.rows) ? 1.0 : 0.0;
  });
}

template <class R>
void CpuBackend<R>::squared_error(MatrixView<const R> means, MatrixView<const R> y,
                                  VectorView<const R> weight) {
  shapes::squared_error(means, y, weight);
  scalar(Slot::squared_error) = parallel_sum(threads_, means.cols, means.rows, partial_, [&](Index n) {
    const R *mean = column(means, n), *target = column(y, n);
    double sum = 0.0;
    for (Index j = 0; j < means.rows; ++j) {
      const double error = static_cast<double>(mean[j]) - target[j];
      sum += weight.data[j] * error * error;
    }
    return sum;
  });
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace natgrad
