/// The output signals of one sample's score rows and the residuals c with g = Bc, in long double.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>

#include "natgrad/backend.hpp"
#include "random.hpp"
#include "support/reference_formulas.hpp"

namespace natgrad::reference {

/// ŷ of draw k of sample n, from the outputs' means p. Gaussian and Bernoulli use a random number for each
/// output, at (n·K + k)·C + j; categorical one for the sample, at n·K + k.
inline Column draw(const ScoreSpec& spec, Likelihood likelihood, const Column& p, Index n, Index k) {
  const std::uint64_t index = static_cast<std::uint64_t>(n * spec.draws + k);
  Column drawn = p;
  for (std::size_t j = 0; j < p.size() && likelihood != Likelihood::categorical; ++j) {
    const std::uint64_t element = index * p.size() + j;
    drawn[j] = likelihood == Likelihood::gaussian ? p[j] + random_normal(spec.key, element)
                                                  : Real(random_uniform(spec.key, element) < p[j]);
  }
  if (likelihood == Likelihood::categorical) {
    Real below = 0;  // the distribution function
    std::size_t label = 0;
    while (label + 1 < p.size() && random_uniform(spec.key, index) >= below + p[label]) below += p[label++];
    drawn = {Real(label)};
  }
  return drawn;
}

/// The r signals of sample n, without 1/√N: C × r. y is read by `empirical` only.
inline HostMatrix<Real> sample_signals(const ScoreSpec& spec, Likelihood likelihood, const Column& z,
                                       const Column& y, Index n) {
  if (spec.kind == ScoreKind::exact) return root_fisher(likelihood, z);
  const Column p = means(likelihood, z);
  const Index outputs = static_cast<Index>(z.size()), r = spec.rows_per_sample(likelihood, outputs);
  HostMatrix<Real> rows(outputs, r);
  for (Index k = 0; k < r; ++k) {
    const Column target = spec.kind == ScoreKind::mc ? draw(spec, likelihood, p, n, k) : y;
    const Real scale = spec.kind == ScoreKind::mc ? 1 / std::sqrt(Real(r)) : Real(1);
    for (Index j = 0; j < outputs; ++j) {
      const Real drawn = likelihood == Likelihood::categorical ? Real(target[0] == j) : target[j];
      rows(j, k) = scale * (p[j] - drawn);
    }
  }
  return rows;
}

/// c with B(z)c = p − y for the B of `root_fisher`. Categorical: forward substitution gives p_k/B_kk ·
/// 1/q_{k−1} for k < y, and 0 for k > y where Bc has reached p − y; written without the differences that
/// cancel.
inline Column sample_residuals(Likelihood likelihood, const Column& z, const Column& y) {
  Column c = z;
  if (likelihood != Likelihood::categorical) {
    for (std::size_t j = 0; j < z.size(); ++j) {
      const Real p = sigmoid(z[j]), q = sigmoid(-z[j]);  // p − y = p(1 − y) − (1 − p)y
      c[j] =
          likelihood == Likelihood::gaussian ? z[j] - y[j] : (p * (1 - y[j]) - q * y[j]) / std::sqrt(p * q);
    }
    return c;
  }
  const Column p = means(likelihood, z);
  std::size_t label = 0;
  while (label < p.size() && y[0] != static_cast<Real>(label)) ++label;
  c.assign(std::max<std::size_t>(p.size(), 1) - 1,
           label < p.size() ? 0 : std::numeric_limits<Real>::quiet_NaN());
  for (std::size_t k = 0; k < c.size() && k <= label && label < p.size(); ++k) {
    const Real q = std::accumulate(p.begin() + static_cast<Index>(k) + 1, p.end(), Real(0));
    c[k] = k < label ? std::sqrt(p[k] / q / (p[k] + q)) : -std::sqrt(q / p[k] / (p[k] + q));
  }
  return c;
}

}  // namespace natgrad::reference
