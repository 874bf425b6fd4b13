/// Adam (Kingma & Ba 2015, algorithm 1): m ← β1 m + (1 − β1)g, v ← β2 v + (1 − β2)g²,
/// θ ← θ − rate · (m/c1) / (√(v/c2) + ϵ); all vectors of one size. Reads 4, writes 3 vectors; every element
/// by one thread.
#pragma once

#include <cmath>

#include "grid.cuh"

namespace natgrad::kernels {

/// Backend<R>::AdamRates in R.
template <class R>
struct AdamRates {
  R rate, beta1, beta2, epsilon, correction1, correction2;
};

template <class R>
__global__ void adam_kernel(AdamRates<R> k, const R* g, R* m, R* v, R* theta, Index count) {
  for (Index i : grid_stride(count)) {
    m[i] = k.beta1 * m[i] + (R(1) - k.beta1) * g[i];
    v[i] = k.beta2 * v[i] + (R(1) - k.beta2) * g[i] * g[i];
    theta[i] -= k.rate * (m[i] / k.correction1) / (std::sqrt(v[i] / k.correction2) + k.epsilon);
  }
}

template <class R>
void adam(const AdamRates<R>& rates, VectorView<const R> g, VectorView<R> m, VectorView<R> v,
          VectorView<R> theta, cudaStream_t stream) {
  launch(adam_kernel<R>, blocks_for(g.size), element_threads, 0, stream, rates, g.data, m.data, v.data,
         theta.data, g.size);
}

}  // namespace natgrad::kernels
