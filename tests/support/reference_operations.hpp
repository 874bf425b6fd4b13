/// The reference backend itself, for tests that interfere with its operations.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "random.hpp"
#include "support/reference_fisher.hpp"

namespace natgrad::reference {

/// Networks, optimisers and data; the other operations are in the classes below it.
template <class R>
class Operations : public FisherFactors<R> {
  using ReferenceDevice<R>::set;
  using ReferenceDevice<R>::slot;
  using In = MatrixView<const R>;
  using Out = MatrixView<R>;
  using VectorIn = VectorView<const R>;
  using Vector = VectorView<R>;

 public:
  using AdamRates = typename Backend<R>::AdamRates;

  void activate(Activation phi, VectorIn bias, Out z, Out a) override {
    shapes::activate(bias, z, a);
    each(z, [&](Index i, Index j) {
      const Real x = Real(at(z, i, j)) + bias.data[i];
      at(z, i, j) = static_cast<R>(reference::activation_slope(phi, x));
      at(a, i, j) = static_cast<R>(reference::activation_value(phi, x));
    });
  }
  void multiply_slopes(In slopes, Out d) override {
    const Index r = shapes::multiply_slopes(slopes, d);
    each(d, [&](Index i, Index c) { at(d, i, c) *= at(slopes, i, c / r); });
  }

  void step_size(double kl_budget, double max_beta) override {
    const double quadratic = slot(Slot::quadratic);
    if (!(quadratic >= 0) || std::isinf(quadratic))
      set(Slot::beta, std::numeric_limits<Real>::quiet_NaN());
    else if (quadratic == 0)
      set(Slot::beta, max_beta);
    else
      set(Slot::beta, std::min<Real>(max_beta, std::sqrt(2 * Real(kl_budget) / quadratic)));
  }
  void quadratic_step(double kappa) override {
    bool finite = std::isfinite(kappa);
    for (const Slot input : {Slot::fisher_dd, Slot::fisher_ds, Slot::fisher_ss, Slot::norm_dd, Slot::norm_ds,
                             Slot::norm_ss, Slot::slope_d, Slot::slope_s})
      finite = finite && std::isfinite(slot(input));
    const Real f_dd = slot(Slot::fisher_dd), f_ds = slot(Slot::fisher_ds), f_ss = slot(Slot::fisher_ss);
    const Real c_dd = f_dd + kappa * Real(slot(Slot::norm_dd)),
               c_ds = f_ds + kappa * Real(slot(Slot::norm_ds)),
               c_ss = f_ss + kappa * Real(slot(Slot::norm_ss));
    const Real g_d = slot(Slot::slope_d), g_s = slot(Slot::slope_s);
    Real alpha = c_dd == 0 && g_d == 0 ? 0 : g_d / c_dd, mu = 0;
    const Real determinant = c_dd * c_ss - c_ds * c_ds;
    if (determinant > 1e-10L * c_dd * c_ss) {  // Cramer's rule
      alpha = (g_d * c_ss - g_s * c_ds) / determinant;
      mu = (g_s * c_dd - g_d * c_ds) / determinant;
    }
    if (!finite || c_dd < 0 || std::isinf(alpha)) alpha = mu = std::numeric_limits<Real>::quiet_NaN();
    set(Slot::rate, alpha);
    set(Slot::momentum, mu);
    set(Slot::quadratic, alpha * alpha * f_dd + 2 * alpha * mu * f_ds + mu * mu * f_ss);
  }
  void adam(const AdamRates& rates, VectorIn g, Vector m, Vector v, Vector theta) override {
    shapes::adam(g, m, v, theta);
    for (Index i = 0; i < g.size; ++i) {
      const Real slope = g.data[i];
      const Real first = rates.beta1 * Real(m.data[i]) + (1 - Real(rates.beta1)) * slope;
      const Real second = rates.beta2 * Real(v.data[i]) + (1 - Real(rates.beta2)) * slope * slope;
      m.data[i] = static_cast<R>(first);
      v.data[i] = static_cast<R>(second);
      theta.data[i] =
          static_cast<R>(theta.data[i] - rates.rate * (first / rates.correction1) /
                                             (std::sqrt(second / rates.correction2) + rates.epsilon));
    }
  }
  void gather_columns(In from, VectorView<const Index> index, Out to) override {
    shapes::gather_columns(from, index, to);
    each(to, [&](Index i, Index k) { at(to, i, k) = at(from, i, index.data[k]); });
  }
  void permutation(RandomKey key, VectorView<Index> index) override {
    std::vector<std::pair<std::uint64_t, Index>> order;
    for (Index i = 0; i < index.size; ++i)
      order.emplace_back(random_sort_key(key, static_cast<std::uint64_t>(i)), i);
    std::sort(order.begin(), order.end());
    for (Index i = 0; i < index.size; ++i) index.data[i] = order[static_cast<std::size_t>(i)].second;
  }
};

}  // namespace natgrad::reference
