/// What the Fisher needs of a single layer's factors.
#include <fmt/format.h>

#include "operations.hpp"

namespace natgrad::bench {
namespace {

using Shared = std::shared_ptr<Operands>;

Index triangle(Index n) { return pair_count(Pairs::unique, n, n); }

// n inputs and a bias, m units, N samples, r rows a sample.
struct Layer {
  Index n, m, samples, r;

  Index inputs() const { return n + 1; }
  Index parameters() const { return m * inputs(); }
  Index rows() const { return samples * r; }
  std::string shape() const { return fmt::format("{}-{}, N = {}, R = {}", n, m, samples, rows()); }
  LayerFactors<float> factors(Operands& o) const { return {o.matrix(n, samples), o.matrix(m, rows())}; }
  /// Of the inputs and of the signals.
  double input_elements() const { return static_cast<double>(n * samples); }
  double signal_elements() const { return static_cast<double>(m * rows()); }
};

Operation khatri_rao(const char* name, const Layer& layer) {
  const double elements = static_cast<double>(layer.parameters() * layer.rows());
  return {name, layer.shape(), elements,
          bytes_of(layer.input_elements() + layer.signal_elements() + elements), [=](const Shared& o) {
            const auto factors = layer.factors(*o);
            const auto s = o->matrix(layer.parameters(), layer.rows());
            return repeated([=] { o->backend().khatri_rao(factors, s); });
          }};
}

// F_j = Σ_n (Σ_k δ_jk²)_n ããᵀ, halves.
Operation unit_blocks(const char* name, const Layer& layer) {
  const double blocks = static_cast<double>(layer.m * triangle(layer.inputs()));
  return {name, layer.shape(),
          2.0 * blocks * static_cast<double>(layer.samples) + 2.0 * layer.signal_elements(),
          bytes_of(layer.input_elements() + layer.signal_elements() + blocks), [=](const Shared& o) {
            const auto factors = layer.factors(*o);
            const Index n = layer.inputs();
            const BatchView<float> f(o->matrix(n * n, layer.m).data, n, layer.m);
            return repeated([=] { o->backend().unit_blocks(factors, 1.0f, 0.0f, f); });
          }};
}

Operation input_pairs(const char* name, const Layer& layer) {
  const double pairs = static_cast<double>(triangle(layer.inputs()) * layer.samples);
  return {name, layer.shape(), pairs, bytes_of(layer.input_elements() + pairs), [=](const Shared& o) {
            const auto factors = layer.factors(*o);
            const auto out = o->matrix(triangle(layer.inputs()), layer.samples);
            return repeated([=] { o->backend().input_pairs(Pairs::unique, factors, factors, out); });
          }};
}

Operation signal_pairs(const char* name, const Layer& layer) {
  const double pairs = static_cast<double>(triangle(layer.m) * layer.samples);
  return {name, layer.shape(), 2.0 * pairs * static_cast<double>(layer.r),
          bytes_of(layer.signal_elements() + pairs), [=](const Shared& o) {
            const auto factors = layer.factors(*o);
            const auto out = o->matrix(triangle(layer.m), layer.samples);
            return repeated([=] { o->backend().signal_pairs(Pairs::unique, factors, factors, out); });
          }};
}

Operation unpack_pairs(const char* name, const Layer& layer) {
  const double products = static_cast<double>(triangle(layer.inputs()) * triangle(layer.m));
  const double block = static_cast<double>(triangle(layer.parameters()));
  return {
      name, layer.shape(), 0.0, bytes_of(products + block), [=](const Shared& o) {
        const auto factors = layer.factors(*o);
        const auto q = o->matrix(triangle(layer.inputs()), triangle(layer.m));
        const auto f = o->matrix(layer.parameters(), layer.parameters());
        return repeated([=] { o->backend().unpack_pairs(Pairs::unique, factors, factors, q, 0, 0.0f, f); });
      }};
}

}  // namespace

std::vector<Operation> layer_operations(const Sizes& s) {
  const Layer of_digits{s(64), s(32), s(1437), 9}, of_mnist{s(784), s(256), s(1024), 1};
  return {khatri_rao("khatri-rao-digits", of_digits),     unit_blocks("unit-blocks-digits", of_digits),
          unit_blocks("unit-blocks-mnist", of_mnist),     input_pairs("input-pairs-digits", of_digits),
          signal_pairs("signal-pairs-digits", of_digits), unpack_pairs("unpack-pairs-digits", of_digits)};
}

}  // namespace natgrad::bench
