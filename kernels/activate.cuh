/// A ← φ(Z + b1ᵀ), Z ← φ'(Z + b1ᵀ); Z, A: n × N, b: n. Where A is Z the slopes are not kept.
/// Reads nN, writes 2nN (A = Z: nN) elements; every element by one thread.
#pragma once

#include "grid.cuh"
#include "natgrad/device/activation.hpp"

namespace natgrad::kernels {

template <Activation phi, class R>
__global__ void activate_kernel(const R* bias, MatrixView<R> z, MatrixView<R> a, Index count) {
  const bool keep_slopes = a.data != z.data;
  for (Index i : grid_stride(count)) {
    const auto [j, n] = cell(i, z.rows);
    const auto [value, slope] = activation<phi>(at(z, j, n) + bias[j]);
    at(a, j, n) = value;
    if (keep_slopes) at(z, j, n) = slope;
  }
}

template <class R>
void activate(Activation phi, VectorView<const R> bias, MatrixView<R> z, MatrixView<R> a,
              cudaStream_t stream) {
  with_activation(phi, [&]<Activation f>() {
    launch(activate_kernel<f, R>, blocks_for(z.size()), element_threads, 0, stream, bias.data, z, a,
           z.size());
  });
}

}  // namespace natgrad::kernels
