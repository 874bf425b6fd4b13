/// F ← αSᵀS + βF of the score rows of several layers: by an operation, and by its definition in long double.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/layer_factors.hpp"

namespace natgrad {

/// The layers of a net, of the same samples.
template <class R>
struct HostLayers {
  std::vector<HostFactors<R>> layers;
  Index samples = 0, r = 1;

  HostLayers(const std::vector<LayerSize>& sizes) : samples(sizes.front().samples), r(sizes.front().r) {
    for (const LayerSize& size : sizes) layers.emplace_back(size);
  }
  Index parameters() const {
    Index sum = 0;
    for (const HostFactors<R>& layer : layers) sum += layer.parameters();
    return sum;
  }
  /// S, N·r × P: of each layer the weights, those into a unit side by side, then the biases.
  HostMatrix<long double> rows() const {
    HostMatrix<long double> s(samples * r, parameters());
    for (Index c = 0; c < s.rows; ++c) {
      Index p = 0;
      for (const auto& [a, d, bias] : layers) {
        for (Index j = 0; j < d.rows; ++j)
          for (Index i = 0; i < a.rows; ++i) s(c, p++) = static_cast<long double>(d(j, c)) * a(i, c / r);
        for (Index j = 0; bias && j < d.rows; ++j) s(c, p++) = d(j, c);
      }
    }
    return s;
  }
};

/// What F becomes, with F as it was and with as many samples at once as `rows` is to hold.
template <class R>
HostMatrix<R> outer_products(Backend<R>& b, const HostLayers<R>& net, R alpha, R beta, const HostMatrix<R>& f,
                             Index samples_at_once, Accuracy accuracy = Accuracy::full) {
  std::vector<DeviceFactors<R>> on_device;
  for (const HostFactors<R>& layer : net.layers) on_device.emplace_back(b, layer);
  const std::vector<LayerFactors<R>> factors(on_device.begin(), on_device.end());
  const DeviceMatrix<R> rows(b, f.rows, std::max<Index>(1, net.r * samples_at_once)), device_f(b, f);
  b.outer_products(factors, alpha, beta, rows, device_f, accuracy);
  return device_f.download();
}

/// Whether `found` is αSᵀS + βF in the lower triangle, with an error of `unit` in every product of two
/// elements of S beside that of a sum of so many products; above it, F as it was.
template <class R>
::testing::AssertionResult is_outer_product(const HostMatrix<R>& found, const HostLayers<R>& net, R alpha,
                                            R beta, const HostMatrix<R>& f, double unit = 0.0) {
  const HostMatrix<long double> s = net.rows();
  HostMatrix<R> wanted = poisoned<R>(f.rows, f.cols);
  HostMatrix<long double> sizes(f.rows, f.cols);
  for (Index j = 0; j < f.cols; ++j)
    for (Index i = j; i < f.rows; ++i) {
      long double sum = 0, size = 0;
      for (Index c = 0; c < s.rows; ++c) {
        sum += s(c, i) * s(c, j);
        size += std::abs(s(c, i) * s(c, j));
      }
      const long double kept = beta == R(0) ? 0.0L : static_cast<long double>(beta) * f(i, j);
      wanted(i, j) = static_cast<R>(alpha * sum + kept);
      sizes(i, j) = std::abs(alpha) * size + std::abs(kept);
    }
  const double error = unit + 4.0 * static_cast<double>(s.rows + 3) * epsilon<R>;
  return within(
      found, wanted, [&](Index i, Index j) { return error * static_cast<double>(sizes(i, j)); }, Part::lower);
}

}  // namespace natgrad
