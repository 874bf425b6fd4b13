/// The terms of the likelihoods, for host and device; formulas in natgrad/likelihood.hpp.
///
/// Losses and divergences are evaluated in f64 from the outputs as they stand, so that a KL divergence of
/// 1e-8 is right in f32 too. Gaussian and Bernoulli are sums over outputs: their functions take one output.
/// Categorical functions take the C outputs of one sample.
#pragma once

#include "natgrad/device/activation.hpp"
#include "natgrad/likelihood.hpp"
#include "natgrad/matrix.hpp"

namespace natgrad {

/// KL(p_old ‖ p_new) and the change of the negative log-likelihood, summed over the outputs of a sample.
struct Divergence {
  double kl, loss_change;
};

/// p(eᵗ − 1 − t), the term of Σ p_k(−t_k) = KL with t = log(p'/p), given p, p' and t. Every term is ≥ 0 and
/// none cancels: below 2⁻⁵ by the series, whose first omitted term is below 2⁻⁵³ of the sum.
NATGRAD_HD double kl_term(double p, double p_new, double t) {
  const double size = std::fabs(t);
  if (size > 1.0) return p > 0.0 ? p_new - p - p * t : p_new;
  if (size > 0.03125) return p * (math::expm1(t) - t);
  const double series =
      1.0 / 2 +
      t * (1.0 / 6 + t * (1.0 / 24 +
                          t * (1.0 / 120 +
                               t * (1.0 / 720 + t * (1.0 / 5040 + t * (1.0 / 40320 + t * (1.0 / 362880)))))));
  return p * t * t * series;
}

/// N(z, 1) for each output.
struct Gaussian {
  NATGRAD_HD static double loss(double z, double y) { return 0.5 * (z - y) * (z - y); }
  NATGRAD_HD static Divergence divergence(double z, double z_new, double y) {
    const double dz = z_new - z;
    return {0.5 * dz * dz, dz * (0.5 * dz + (z - y))};
  }
  template <class R>
  NATGRAD_HD static R mean(R z) {
    return z;
  }
  /// The square root of H(z).
  template <class R>
  NATGRAD_HD static R root_fisher(R) {
    return R(1);
  }
  /// H(z)^−½ (mean − y).
  template <class R>
  NATGRAD_HD static R residual(R z, R y) {
    return z - y;
  }
  /// x H(z) y.
  NATGRAD_HD static double fisher_product(double, double x, double y) { return x * y; }
};

/// Bernoulli(sigmoid(z)) for each output.
struct Bernoulli {
  /// softplus(z) − yz, without the cancellation where y = 1.
  NATGRAD_HD static double loss(double z, double y) {
    return (z > 0.0 ? (1.0 - y) * z : -y * z) + math::log1p(math::exp(-std::fabs(z)));
  }
  NATGRAD_HD static Divergence divergence(double z, double z_new, double y) {
    const double dz = z_new - z, p = sigmoid(z), q = sigmoid(-z);
    double one,
        zero;  // −Δ log p(1) and −Δ log p(0): zero − one = dz, each from the side that does not cancel
    if (std::fabs(dz) > 1.0) {
      one = softplus(-z_new) - softplus(-z);
      zero = softplus(z_new) - softplus(z);
    } else {
      const bool rare = p < 0.5;
      const double change = math::log1p((rare ? p : q) * math::expm1(rare ? dz : -dz));
      zero = rare ? change : change + dz;
      one = rare ? change - dz : change;
    }
    return {kl_term(p, sigmoid(z_new), -one) + kl_term(q, sigmoid(-z_new), -zero),
            y * one + (1.0 - y) * zero};
  }
  template <class R>
  NATGRAD_HD static R mean(R z) {
    return sigmoid(z);
  }
  template <class R>
  NATGRAD_HD static R root_fisher(R z) {
    const R root = math::exp(R(-0.5) * std::abs(z));  // of e^−|z|, which may underflow
    return root / (R(1) + root * root);
  }
  /// (p − y)/√(p(1 − p)) = (1 − y)√(p/(1 − p)) − y√((1 − p)/p), whose roots are e^±z/2: accurate at any z.
  /// Not finite where the probability of what is seen underflows.
  template <class R>
  NATGRAD_HD static R residual(R z, R y) {
    const R half = R(0.5) * z;  // a term of weight 0 is left out, for its root may overflow
    return (y == R(1) ? R(0) : (R(1) - y) * math::exp(half)) - (y == R(0) ? R(0) : y * math::exp(-half));
  }
  NATGRAD_HD static double fisher_product(double z, double x, double y) {
    return sigmoid(z) * sigmoid(-z) * x * y;
  }
};

/// Categorical(softmax(z)) over the C outputs of a sample.
struct Categorical {
  /// max z and log Σ exp(z − max); this NaN where a z is not finite, be it of no probability.
  struct LogSumExp {
    double max, log_sum;
    NATGRAD_HD double value() const { return max + log_sum; }
    NATGRAD_HD double probability(double z) const { return math::exp((z - max) - log_sum); }
  };

  template <class R>
  NATGRAD_HD static LogSumExp log_sum_exp(const R* z, Index outputs) {
    double max = z[0];
    for (Index k = 1; k < outputs; ++k) max = std::fmax(max, static_cast<double>(z[k]));
    double sum = 0.0;
    for (Index k = 0; k < outputs; ++k) sum += math::exp(z[k] - max) + 0.0 * z[k];
    return {max, std::log(sum)};
  }

  /// The class that the target y stands for; −1 where it is none of 0 … C−1, so that no index is ever made of
  /// what is not one.
  template <class R>
  NATGRAD_HD static Index class_of(R y, Index outputs) {
    const Index label = y >= R(0) && y < static_cast<R>(outputs) ? static_cast<Index>(y) : -1;
    return static_cast<R>(label) == y ? label : -1;
  }

  /// NaN where y is no class.
  template <class R>
  NATGRAD_HD static double loss(const R* z, Index outputs, R y) {
    const Index label = class_of(y, outputs);
    if (label < 0) return NAN;
    const LogSumExp lse = log_sum_exp(z, outputs);
    return (lse.max - z[label]) + lse.log_sum;
  }

  /// The change of the loss is NaN where y is no class.
  template <class R>
  NATGRAD_HD static Divergence divergence(const R* z, const R* z_new, Index outputs, R y) {
    const LogSumExp old_lse = log_sum_exp(z, outputs), new_lse = log_sum_exp(z_new, outputs);
    // Relative to the logit of the old maximum: what all of them share changes nothing, however large.
    Index top = 0;
    while (top + 1 < outputs && !(static_cast<double>(z[top]) == old_lse.max)) ++top;
    const double old_top = z[top], new_top = z_new[top];
    const auto dz = [=](Index k) { return (z_new[k] - new_top) - (z[k] - old_top); };
    double mean = 0.0, largest = 0.0;  // of Σ p (e^Δz − 1), |Δz|
    for (Index k = 0; k < outputs; ++k) {
      largest = std::fmax(largest, std::fabs(dz(k)));
      mean += old_lse.probability(z[k]) * math::expm1(dz(k));
    }
    const double change = largest > 1.0 ? (new_lse.max - new_top) + (new_lse.log_sum - old_lse.log_sum)
                                        : math::log1p(mean);  // Δ logsumexp
    double kl = 0.0;
    for (Index k = 0; k < outputs; ++k)
      kl += kl_term(old_lse.probability(z[k]), new_lse.probability(z_new[k]), dz(k) - change);
    const Index label = class_of(y, outputs);
    return {kl, label < 0 ? NAN : change - dz(label)};
  }

  /// Class drawn by inverting the distribution function at `uniform` in (0, 1).
  template <class R>
  NATGRAD_HD static Index draw(const R* z, Index outputs, double uniform) {
    const LogSumExp lse = log_sum_exp(z, outputs);
    for (Index k = 0; k < outputs - 1; ++k) {
      uniform -= lse.probability(z[k]);
      if (uniform < 0.0) return k;
    }
    return outputs - 1;
  }

  /// d ← scale·(p − e_label); scale·p where the label is −1. d: C.
  template <class R>
  NATGRAD_HD static void signals(const R* z, Index outputs, Index label, R scale, R* d) {
    const LogSumExp lse = log_sum_exp(z, outputs);
    for (Index k = 0; k < outputs; ++k)
      d[k] = scale * static_cast<R>(lse.probability(z[k]) - (k == label ? 1.0 : 0.0));
  }

  /// The C − 1 columns of B(z), B Bᵀ = diag(p) − p pᵀ (Tanabe & Sagae 1992), times `scale`: with the suffix
  /// sums q_k = Σ_{j>k} p_j, q_{−1} = 1: B_kk = √(p_k q_k / q_{k−1}), B_ik = −p_i √(p_k / (q_k q_{k−1})) for
  /// i > k, else 0. A column whose q vanishes is zero. b: C × (C − 1), column-major.
  template <class R>
  NATGRAD_HD static void root_fisher(const R* z, Index outputs, R scale, R* b, Index stride) {
    const LogSumExp lse = log_sum_exp(z, outputs);
    double q = 0.0;  // q_k, summed from the end so that it never cancels
    for (Index k = outputs - 2; k >= 0; --k) {
      R* column = b + k * stride;
      for (Index i = 0; i < k; ++i) column[i] = R(0);
      q += lse.probability(z[k + 1]);
      const double p = lse.probability(z[k]);
      const double diagonal = q > 0.0 ? std::sqrt(p * (q / (q + p))) : 0.0;
      column[k] = scale * static_cast<R>(diagonal);
      for (Index i = k + 1; i < outputs;
           ++i)  // −p_i √(p_k / (q_k q_{k−1})), without the product of two small q
        column[i] = q > 0.0 ? -scale * static_cast<R>(lse.probability(z[i]) / q * diagonal) : R(0);
    }
  }

  /// u ← scale·c with B(z)c = p − e_label, the columns of B and q as for `root_fisher`; u: C − 1.
  /// c_k = √(p_k/(q_k q_{k−1})) for k < label, −√(q_k/(p_k q_{k−1})) for k = label, 0 after; Σ c² = 1/p_label
  /// − 1. NaN where the label is −1, or where its probability underflows, for nothing of it is left in B
  /// then.
  template <class R>
  NATGRAD_HD static void residuals(const R* z, Index outputs, Index label, R scale, R* u) {
    const LogSumExp lse = log_sum_exp(z, outputs);
    const bool defined = label >= 0 && lse.probability(z[label]) > 0.0;
    double q = 0.0;
    for (Index k = outputs - 2; k >= 0; --k) {
      q += lse.probability(z[k + 1]);
      const double p = lse.probability(z[k]);
      double c = 0.0;  // as a product of roots, for q_k q_{k−1} may underflow
      if (k < label) c = std::sqrt(p / (q + p)) / std::sqrt(q);
      if (k == label) c = -std::sqrt(q / (q + p)) / std::sqrt(p);
      u[k] = defined ? static_cast<R>(scale * c) : static_cast<R>(NAN);
    }
  }

  /// xᵀH(z)y = Σ p (x − x̄)(y − ȳ), x̄ = Σ p x; x, y: C.
  template <class R>
  NATGRAD_HD static double fisher_product(const R* z, const R* x, const R* y, Index outputs) {
    const LogSumExp lse = log_sum_exp(z, outputs);
    double mean_x = 0.0, mean_y = 0.0, sum = 0.0;
    for (Index k = 0; k < outputs; ++k) {
      const double p = lse.probability(z[k]);
      mean_x += p * x[k];
      mean_y += p * y[k];
    }
    for (Index k = 0; k < outputs; ++k) sum += lse.probability(z[k]) * (x[k] - mean_x) * (y[k] - mean_y);
    return sum;
  }
};

}  // namespace natgrad
