/// out ← xᵀy; x, y: n; products and sum in f64. Reads 2n elements; order of the sum fixed by n (reduce.cuh).
#pragma once

#include "reduce.cuh"

namespace natgrad::kernels {

template <class R>
struct Product {
  const R *x, *y;
  __device__ Values<1> operator()(Index i) const { return {{static_cast<double>(x[i]) * y[i]}}; }
};

template <class R>
void dot(VectorView<const R> x, VectorView<const R> y, double* out, const Reduction& reduction) {
  reduce<Sum, 1>(Product<R>{x.data, y.data}, x.size, {{out}}, reduction);
}

}  // namespace natgrad::kernels
