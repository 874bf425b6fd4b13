/// What runs over a network's layers, and reductions.
#include <fmt/format.h>

#include "cases.hpp"
#include "operations.hpp"

namespace natgrad::bench {
namespace {

using Shared = std::shared_ptr<Operands>;

// Elementary functions are not counted: they are to vanish behind the bytes.
Operation activate(Index n, Index samples) {
  const double elements = static_cast<double>(n) * static_cast<double>(samples);
  return {"activate-ae-1000", fmt::format("tanh, {} × {}", n, samples), elements, bytes_of(3.0 * elements),
          [=](const Shared& o) {
            const auto z = o->matrix(n, samples), a = o->matrix(n, samples);
            const auto b = o->vector(n);
            return repeated([=] { o->backend().activate(Activation::tanh, b, z, a); });
          }};
}

Operation forward_layer(Index n, Index m, Index samples) {
  const double dn = static_cast<double>(n), dm = static_cast<double>(m), ds = static_cast<double>(samples);
  return {"forward-layer-ae-1000",
          fmt::format("tanh, {} → {}, N = {}", n, m, samples),
          2.0 * dn * dm * ds,
          bytes_of(dn * dm + dn * ds + 2.0 * dm * ds),
          [=](const Shared& o) {
            const auto w = o->matrix(n, m), x = o->matrix(n, samples);
            const auto z = o->matrix(m, samples), a = o->matrix(m, samples);
            const auto b = o->vector(m);
            return repeated([=] { o->backend().forward_layer(Activation::tanh, w, b, x, z, a); });
          },
          true};
}

Operation divergence(const char* name, Likelihood likelihood, Index outputs, Index samples) {
  const bool classes = likelihood == Likelihood::categorical;
  const double elements = static_cast<double>(outputs) * static_cast<double>(samples);
  const double targets = classes ? static_cast<double>(samples) : elements;
  return {name, fmt::format("{}, {} × {}", to_string(likelihood), outputs, samples), elements,
          bytes_of(2.0 * elements + targets), [=](const Shared& o) {
            const auto z_old = o->matrix(outputs, samples), z_new = o->matrix(outputs, samples);
            const auto y = classes ? o->labels(outputs, samples) : o->matrix(outputs, samples);
            return repeated([=] { o->backend().divergence(likelihood, z_old, z_new, y); });
          }};
}

Operation dot(Index size) {
  const double elements = static_cast<double>(size);
  return {"dot-ae", fmt::format("{}", size), 2.0 * elements, bytes_of(2.0 * elements), [=](const Shared& o) {
            const auto x = o->vector(size), y = o->vector(size);
            return repeated([=] { o->backend().dot(x, y, Slot::gradient_step); });
          }};
}

}  // namespace

std::vector<Operation> network_operations(const Sizes& s) {
  constexpr Case of_autoencoder{"", autoencoder};
  return {activate(s(1000), s(1000)), forward_layer(s(784), s(1000), s(1000)),
          divergence("divergence-mnist-1024", Likelihood::categorical, s(10) + 1, s(1024)),
          divergence("divergence-ae-1000", Likelihood::bernoulli, s(784), s(1000)),
          dot(s(of_autoencoder.parameters()))};
}

}  // namespace natgrad::bench
