/// What a device does at best, measured through the backend's own operations in f32: what floors stand on.
#pragma once

#include "natgrad/backend.hpp"

namespace natgrad::bench {

/// Floating-point operations per second of a product of two square matrices, the best of several. Their order
/// is the smallest power of two from 2048 to 8192 at which the product takes 10 ms, or the last.
double gemm_rate(Backend<float>& backend);

/// Bytes per second of a copy within the device's memory, read and written bytes counted, the best of
/// several. From 64 MiB to 2 GiB, as much as it takes to run for a millisecond.
double copy_bandwidth(Backend<float>& backend);

/// Seconds of an operation on one number, many of them enqueued one after the other.
double operation_latency(Backend<float>& backend);

struct Ceilings {
  double flops_per_second = 0.0, bytes_per_second = 0.0, latency_seconds = 0.0;

  /// Seconds that so much work takes at least.
  double floor(double flops, double bytes) const;
};

Ceilings measure_ceilings(Backend<float>& backend);

}  // namespace natgrad::bench
