/// One layer's factors, inputs a: n × N and signals d: m × N·r, on the host and on a device.
#pragma once

#include <algorithm>
#include <ostream>
#include <vector>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {

/// Inputs n, units m, samples N, rows r per sample.
struct LayerSize {
  Index n, m, samples, r;
  bool bias = true;

  Index inputs() const { return n + (bias ? 1 : 0); }
  Index parameters() const { return m * inputs(); }
  Index rows() const { return samples * r; }
};

inline std::ostream& operator<<(std::ostream& out, const LayerSize& size) {
  return out << "n " << size.n << ", m " << size.m << ", N " << size.samples << ", r " << size.r
             << (size.bias ? "" : ", no bias");
}

/// Awkward sizes, with and without a bias.
inline std::vector<LayerSize> layer_sizes() {
  std::vector<LayerSize> sizes = {{0, 2, 3, 1},   {2, 0, 3, 1},   {2, 3, 0, 1},   {2, 3, 4, 0},
                                  {1, 1, 1, 1},   {1, 1, 1, 3},   {2, 1, 31, 3},  {1, 2, 33, 1},
                                  {31, 2, 33, 1}, {33, 31, 2, 3}, {2, 33, 31, 3}, {43, 5, 97, 1},
                                  {16, 3, 5, 3},  {64, 2, 65, 1}, {3, 70, 129, 3}};
  const std::size_t count = sizes.size();
  for (std::size_t k = 0; k < count; ++k) {
    sizes.push_back(sizes[k]);
    sizes.back().bias = false;
  }
  return sizes;
}

template <class R>
struct HostFactors {
  HostMatrix<R> a, d;
  bool bias = true;

  explicit HostFactors(const LayerSize& size) : bias(size.bias) {
    Random random(static_cast<std::uint64_t>(size.n + 100 * size.m));
    a = random.matrix<R>(size.n, size.samples);
    d = random.matrix<R>(size.m, size.rows());
  }
  HostFactors absolute_values() const {
    HostFactors sizes = *this;
    sizes.a = absolute(a);
    sizes.d = absolute(d);
    return sizes;
  }
  Index inputs() const { return a.rows + (bias ? 1 : 0); }
  Index parameters() const { return d.rows * inputs(); }
};

/// Converts to the views that operations take.
template <class R>
struct DeviceFactors {
  DeviceMatrix<R> a, d;
  bool bias;

  DeviceFactors(Device& device, const HostFactors<R>& host)
      : a(device, host.a), d(device, host.d), bias(host.bias) {}
  /// Factors not yet written, for their shapes.
  DeviceFactors(Device& device, const LayerSize& size)
      : a(device, size.n, size.samples), d(device, size.m, size.rows()), bias(size.bias) {}

  operator LayerFactors<R>() const { return {a, d, bias}; }
};

/// The score rows as columns, mñ × N·r.
template <class R>
HostMatrix<R> khatri_rao(Backend<R>& b, const HostFactors<R>& factors) {
  const DeviceFactors<R> layer(b, factors);
  const DeviceMatrix<R> s(b, factors.parameters(), factors.d.cols);
  b.khatri_rao(layer, s);
  return s.download();
}

/// Whether operation(backend, factors), whose elements are sums of `terms` products, is the reference's
/// within 4·terms·ε·Σ|products|.
template <class R, class Factors, class Operation>
::testing::AssertionResult sums_match(Backend<R>& backend, const Factors& factors, Index terms,
                                      Operation operation, Part part = Part::all) {
  const auto reference = make_reference_backend<R>();
  return componentwise<R>(operation(backend, factors), operation(*reference, factors),
                          4.0 * static_cast<double>(terms + 1),
                          operation(*reference, factors.absolute_values()), part);
}

}  // namespace natgrad
