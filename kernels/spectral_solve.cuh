/// c_i ← c_i / w_i where w_i > cutoff · max w, else 0; rank ← rank + the number kept; w, c: n.
/// Reads 3n, writes n elements; neither the maximum nor the count depends on the order.
#pragma once

#include "reduce.cuh"

namespace natgrad::kernels {

template <class R>
struct Eigenvalue {
  const R* w;
  __device__ Values<1> operator()(Index i) const { return {{w[i]}}; }
};

/// Solves for component i and returns 1 where it is kept.
template <class R>
struct SolvedComponent {
  const R* w;
  const double* largest;
  R cutoff;
  R* c;
  __device__ Values<1> operator()(Index i) const {
    const bool kept = w[i] > cutoff * static_cast<R>(*largest);
    c[i] = kept ? c[i] / w[i] : R(0);
    return {{kept ? 1.0 : 0.0}};
  }
};

/// `scratch`: one double of device memory.
template <class R>
void spectral_solve(VectorView<const R> w, R cutoff, VectorView<R> c, double* scratch, double* rank,
                    const Reduction& reduction) {
  reduce<Max, 1>(Eigenvalue<R>{w.data}, w.size, {{scratch}}, reduction);
  reduce<Sum, 1>(SolvedComponent<R>{w.data, scratch, cutoff, c.data}, w.size,
                 {{rank}, /*factor=*/1.0, /*gather=*/true}, reduction);
}

}  // namespace natgrad::kernels
