#include "ceilings.hpp"

#include <algorithm>

#include "operands.hpp"

namespace natgrad::bench {
namespace {

constexpr double bound = 0.5;  // seconds of each measurement

// The shortest of several, after one that warms up.
double best_seconds(Device& device, const std::function<void()>& run) {
  return std::ranges::min(time_in_turn(device, bound, {{run}})[0]);
}

}  // namespace

double gemm_rate(Backend<float>& backend) {
  constexpr double long_enough = 1e-2;
  constexpr Index largest = 8192;
  for (Index order = 2048;; order *= 2) {
    Operands operands(backend);
    const auto a = operands.matrix(order, order), b = operands.matrix(order, order);
    const auto c = operands.matrix(order, order);
    const double seconds =
        best_seconds(backend, [&] { backend.gemm(Transpose::no, Transpose::no, 1.0f, a, b, 0.0f, c); });
    const double n = static_cast<double>(order);
    if (seconds >= long_enough || order == largest) return 2.0 * n * n * n / seconds;
  }
}

double copy_bandwidth(Backend<float>& backend) {
  constexpr double long_enough = 1e-3;
  constexpr Index largest = Index{2} << 30;
  for (Index bytes = Index{64} << 20;; bytes *= 2) {
    const Index size = bytes / static_cast<Index>(sizeof(float));
    const Buffer<float> from(backend, size), to(backend, size);
    backend.fill(from.matrix(size, 1), 1.0f);
    const double seconds =
        best_seconds(backend, [&] { backend.copy(from.matrix(size, 1), to.matrix(size, 1)); });
    if (seconds >= long_enough || bytes == largest) return 2.0 * static_cast<double>(bytes) / seconds;
  }
}

double operation_latency(Backend<float>& backend) {
  Operands operands(backend);
  const auto number = operands.matrix(1, 1);
  return seconds_each(backend, 0.1, repeated([&] { backend.fill(number, 1.0f); }));
}

double Ceilings::floor(double flops, double bytes) const {
  return std::max(flops / flops_per_second, bytes / bytes_per_second);
}

Ceilings measure_ceilings(Backend<float>& backend) {
  return {gemm_rate(backend), copy_bandwidth(backend), operation_latency(backend)};
}

}  // namespace natgrad::bench
