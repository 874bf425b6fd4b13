/// The specification's point-wise formulas in their plainest form, in long double: nothing here is shared
/// with the functors of natgrad/device, which these formulas check.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "natgrad/activation.hpp"
#include "natgrad/likelihood.hpp"
#include "natgrad/matrix.hpp"

namespace natgrad::reference {

using Real = long double;
using Column = std::vector<Real>;  // the C outputs, or the targets, of one sample

inline Real sigmoid(Real x) { return 1 / (1 + std::exp(-x)); }

/// log(1 + eˣ), written so that eˣ does not overflow.
inline Real softplus(Real x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }

/// The standard normal distribution function and density.
inline Real normal_cdf(Real x) { return std::erfc(-x / std::sqrt(Real(2))) / 2; }
inline Real normal_density(Real x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::acos(Real(-1))); }

/// φ(x); NaN in the place of a limit.
inline Real activation_value(Activation phi, Real x) {
  if (std::isinf(x) && phi != Activation::identity) return std::numeric_limits<Real>::quiet_NaN();
  switch (phi) {
    case Activation::identity:
      return x;
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return sigmoid(x);
    case Activation::relu:
      return x > 0 || std::isnan(x) ? x : 0;
    case Activation::gelu:
      return x * normal_cdf(x);
    case Activation::silu:
      return x * sigmoid(x);
    case Activation::softplus:
      return softplus(x);
    case Activation::sin:
      break;
  }
  return std::sin(x);
}

/// φ'(x).
inline Real activation_slope(Activation phi, Real x) {
  switch (phi) {
    case Activation::identity:
      return 1;
    case Activation::tanh:
      return 1 / (std::cosh(x) * std::cosh(x));
    case Activation::sigmoid:
      return sigmoid(x) * sigmoid(-x);
    case Activation::relu:
      return x > 0 ? 1 : 0;
    case Activation::gelu:
      return normal_cdf(x) + x * normal_density(x);
    case Activation::silu:
      return sigmoid(x) + x * sigmoid(x) * sigmoid(-x);
    case Activation::softplus:
      return sigmoid(x);
    case Activation::sin:
      break;
  }
  return std::cos(x);
}

/// log p of class k: z_k − log Σ e^z, by differences from the largest z.
inline Real log_probability(const Column& z, std::size_t k) {
  for (const Real value : z)
    if (!std::isfinite(value)) return std::numeric_limits<Real>::quiet_NaN();
  const Real max = *std::max_element(z.begin(), z.end());
  Real sum = 0;
  for (const Real value : z) sum += std::exp(value - max);
  return (z[k] - max) - std::log(sum);
}

/// E[y | z].
inline Column means(Likelihood likelihood, const Column& z) {
  Column mean = z;
  if (z.empty()) return mean;
  for (std::size_t k = 0; k < z.size(); ++k) {
    if (likelihood == Likelihood::bernoulli) mean[k] = sigmoid(z[k]);
    if (likelihood == Likelihood::categorical) mean[k] = std::exp(log_probability(z, k));
  }
  return mean;
}

/// −log p(y | z) of one sample, without the constant of the Gaussian.
inline Real loss(Likelihood likelihood, const Column& z, const Column& y) {
  if (likelihood == Likelihood::categorical) {
    for (std::size_t k = 0; k < z.size(); ++k)
      if (y[0] == static_cast<Real>(k)) return -log_probability(z, k);
    return std::numeric_limits<Real>::quiet_NaN();  // y is no class
  }
  Real sum = 0;
  for (std::size_t j = 0; j < z.size(); ++j)
    sum += likelihood == Likelihood::gaussian ? (z[j] - y[j]) * (z[j] - y[j]) / 2
                                              : y[j] * softplus(-z[j]) + (1 - y[j]) * softplus(z[j]);
  return sum;
}

/// KL(p_old ‖ p_new) of one sample: Σ p log(p/q) over the classes, or over 0 and 1 for each output.
inline Real kl(Likelihood likelihood, const Column& z, const Column& z_new) {
  Real sum = 0;
  if (likelihood == Likelihood::categorical) {
    for (std::size_t k = 0; k < z.size(); ++k)
      sum += std::exp(log_probability(z, k)) * (log_probability(z, k) - log_probability(z_new, k));
    return sum;
  }
  for (std::size_t j = 0; j < z.size(); ++j) {
    if (likelihood == Likelihood::gaussian) {
      sum += (z_new[j] - z[j]) * (z_new[j] - z[j]) / 2;
    } else {  // log p(1) = −softplus(−z), log p(0) = −softplus(z)
      sum += sigmoid(z[j]) * (softplus(-z_new[j]) - softplus(-z[j])) +
             sigmoid(-z[j]) * (softplus(z_new[j]) - softplus(z[j]));
    }
  }
  return sum;
}

/// The columns of B(z), B Bᵀ = H(z): C × C diagonal, or the C × (C − 1) of Tanabe & Sagae (1992).
inline HostMatrix<Real> root_fisher(Likelihood likelihood, const Column& z) {
  const Index outputs = static_cast<Index>(z.size());
  const Column p = means(likelihood, z);
  if (likelihood != Likelihood::categorical) {
    HostMatrix<Real> b(outputs, outputs);
    for (Index j = 0; j < outputs; ++j)
      b(j, j) = likelihood == Likelihood::gaussian ? 1 : std::sqrt(sigmoid(z[j]) * sigmoid(-z[j]));
    return b;
  }
  HostMatrix<Real> b(outputs, std::max<Index>(outputs - 1, 0));
  for (Index k = 0; k < b.cols; ++k) {
    const Real q = std::accumulate(p.begin() + k + 1, p.end(), Real(0));
    const Real q_before = std::accumulate(p.begin() + k, p.end(), Real(0));
    if (q == 0) continue;
    b(k, k) = std::sqrt(p[k] * q / q_before);
    for (Index i = k + 1; i < outputs; ++i) b(i, k) = -p[i] * std::sqrt(p[k] / q_before / q);
  }
  return b;
}

/// xᵀH(z)y of one sample. Categorical: ½ΣΣ p_i p_j (x_i − x_j)(y_i − y_j), the covariance without its means.
inline Real fisher_product(Likelihood likelihood, const Column& z, const Column& x, const Column& y) {
  const Column p = means(likelihood, z);
  Real sum = 0;
  for (std::size_t i = 0; i < z.size(); ++i) {
    if (likelihood == Likelihood::gaussian) sum += x[i] * y[i];
    if (likelihood == Likelihood::bernoulli) sum += sigmoid(z[i]) * sigmoid(-z[i]) * x[i] * y[i];
    if (likelihood == Likelihood::categorical)
      for (std::size_t j = 0; j < i; ++j) sum += p[i] * p[j] * (x[i] - x[j]) * (y[i] - y[j]);
  }
  return sum;
}

}  // namespace natgrad::reference
