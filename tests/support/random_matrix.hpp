/// Reproducible random matrices on the host: the same numbers on every platform for the same seed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>

#include "natgrad/likelihood.hpp"
#include "natgrad/matrix.hpp"

namespace natgrad {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// Uniform in [low, high).
  double uniform(double low = -1.0, double high = 1.0) {
    return low + (high - low) * (static_cast<double>(engine_() >> 11) * 0x1p-53);
  }
  /// Uniform in 0 … size − 1.
  Index index(Index size) { return static_cast<Index>(engine_() % static_cast<std::uint64_t>(size)); }

  template <class R>
  HostMatrix<R> matrix(Index rows, Index cols, double low = -1.0, double high = 1.0) {
    HostMatrix<R> m(rows, cols);
    for (R& x : m.data) x = static_cast<R>(uniform(low, high));
    return m;
  }

  /// Targets that fit the likelihood: C × N, or 1 × N classes.
  template <class R>
  HostMatrix<R> targets(Likelihood likelihood, Index outputs, Index samples) {
    if (likelihood == Likelihood::gaussian) return matrix<R>(outputs, samples, -2.0, 2.0);
    const bool classes = likelihood == Likelihood::categorical;
    HostMatrix<R> y(classes ? 1 : outputs, samples);
    for (R& x : y.data) x = static_cast<R>(index(classes ? outputs : 2));
    return y;
  }

  /// H diag(w) H with H a product of reflections and w from 1 down to 1/condition, evenly in the logarithm:
  /// symmetric positive definite of order n, both triangles, largest eigenvalue 1.
  template <class R>
  HostMatrix<R> spd(Index n, double condition) {
    HostMatrix<double> a(n, n);
    for (Index i = 0; i < n; ++i)
      a(i, i) = std::pow(condition, n > 1 ? -static_cast<double>(i) / static_cast<double>(n - 1) : 0.0);
    for (int reflection = 0; reflection < 4; ++reflection) reflect(a);
    HostMatrix<R> rounded(n, n);
    for (Index j = 0; j < n; ++j)
      for (Index i = 0; i < n; ++i) rounded(i, j) = static_cast<R>(a(std::max(i, j), std::min(i, j)));
    return rounded;
  }

 private:
  /// A ← HAH, H = I − 2vvᵀ/vᵀv with a random v.
  void reflect(HostMatrix<double>& a) {
    const Index n = a.rows;
    const HostMatrix<double> v = matrix<double>(n, 1);
    double norm2 = 0.0;
    for (const double x : v.data) norm2 += x * x;
    const auto element = [&](Index i, Index j, bool turned) -> double& { return turned ? a(j, i) : a(i, j); };
    for (const bool turned : {false, true})
      for (Index j = 0; j < n; ++j) {
        double dot = 0.0;
        for (Index i = 0; i < n; ++i) dot += v(i, 0) * element(i, j, turned);
        for (Index i = 0; i < n; ++i) element(i, j, turned) -= 2.0 * dot / norm2 * v(i, 0);
      }
  }

  std::mt19937_64 engine_;
};

}  // namespace natgrad
