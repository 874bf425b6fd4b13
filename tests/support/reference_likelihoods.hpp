/// The reference backend's operations on a network's outputs.
#pragma once

#include <algorithm>
#include <cmath>

#include "support/reference_formulas.hpp"
#include "support/reference_matrices.hpp"
#include "support/reference_signals.hpp"

namespace natgrad::reference {

/// Column j of a matrix, in long double.
template <class R>
Column column(MatrixView<const R> m, Index j) {
  return Column(m.data + j * m.stride, m.data + j * m.stride + m.rows);
}

template <class R>
class Likelihoods : public Matrices<R> {
  using In = MatrixView<const R>;
  using Out = MatrixView<R>;

 protected:
  using Matrices<R>::set;

 public:
  void loss(Likelihood likelihood, In z, In y) override {
    require_targets("loss", likelihood, z, y);
    Real sum = 0;
    for (Index n = 0; n < z.cols; ++n) sum += reference::loss(likelihood, column<R>(z, n), column<R>(y, n));
    set(Slot::loss, mean(sum, z.cols));
  }
  void signals(const ScoreSpec& spec, Likelihood likelihood, In z, In y, Out d) override {
    const Index r = shapes::signals(spec, likelihood, z, y, d);
    const Real scale = 1 / std::sqrt(Real(z.cols));
    for (Index n = 0; n < z.cols; ++n) {
      const Column target = spec.kind == ScoreKind::empirical ? column<R>(y, n) : Column();
      const HostMatrix<Real> rows = reference::sample_signals(spec, likelihood, column<R>(z, n), target, n);
      for (Index k = 0; k < r; ++k)
        for (Index j = 0; j < z.rows; ++j) at(d, j, n * r + k) = static_cast<R>(scale * rows(j, k));
    }
  }
  void residuals(const ScoreSpec& spec, Likelihood likelihood, In z, In y, VectorView<R> u) override {
    const Index r = shapes::residuals(spec, likelihood, z, y, u);
    const Real scale = 1 / std::sqrt(Real(z.cols));
    for (Index n = 0; n < z.cols; ++n) {
      const Column c = spec.kind == ScoreKind::empirical
                           ? Column{1}
                           : reference::sample_residuals(likelihood, column<R>(z, n), column<R>(y, n));
      for (Index k = 0; k < r; ++k) u.data[n * r + k] = static_cast<R>(scale * c[k]);
    }
  }
  void output_fisher(Likelihood likelihood, In z, In x, In y, Slot slot) override {
    shapes::output_fisher(z, x, y);
    Real sum = 0;
    for (Index n = 0; n < z.cols; ++n)
      sum += reference::fisher_product(likelihood, column<R>(z, n), column<R>(x, n), column<R>(y, n));
    set(slot, mean(sum, z.cols));
  }
  void divergence(Likelihood likelihood, In z_old, In z_new, In y) override {
    shapes::divergence(likelihood, z_old, z_new, y);
    Real kl = 0, change = 0;
    for (Index n = 0; n < z_old.cols; ++n) {
      const Column from = column<R>(z_old, n), to = column<R>(z_new, n), target = column<R>(y, n);
      kl += reference::kl(likelihood, from, to);
      change += reference::loss(likelihood, to, target) - reference::loss(likelihood, from, target);
    }
    set(Slot::kl, mean(kl, z_old.cols));
    set(Slot::loss_change, mean(change, z_old.cols));
  }
  void means(Likelihood likelihood, In z, Out means) override {
    shapes::means(z, means);
    for (Index n = 0; n < z.cols; ++n) {
      const Column mean = reference::means(likelihood, column<R>(z, n));
      for (Index j = 0; j < z.rows; ++j) at(means, j, n) = static_cast<R>(mean[j]);
    }
  }
  void count_correct(In z, In y) override {
    require_targets("count_correct", Likelihood::categorical, z, y);
    Real correct = 0;
    for (Index n = 0; n < z.cols; ++n) {
      const Column outputs = column<R>(z, n);
      correct += std::max_element(outputs.begin(), outputs.end()) - outputs.begin() == at(y, 0, n);
    }
    set(Slot::correct, correct);
  }
  void squared_error(In means, In y, VectorView<const R> weight) override {
    shapes::squared_error(means, y, weight);
    Real sum = 0;
    each(means, [&](Index j, Index n) {
      const Real error = Real(at(means, j, n)) - at(y, j, n);
      sum += weight.data[j] * error * error;
    });
    set(Slot::squared_error, sum);
  }

 private:
  /// The mean over no samples is 0.
  static Real mean(Real sum, Index samples) { return samples > 0 ? sum / samples : 0; }
};

}  // namespace natgrad::reference
