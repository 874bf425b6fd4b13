/// out ← Σ_jn weight_j (mean_jn − y_jn)²; means, y: C × N, weight: C; terms and sum in f64.
/// Reads 2CN elements; order of the sum fixed by the size (reduce.cuh).
#pragma once

#include "reduce.cuh"

namespace natgrad::kernels {

template <class R>
struct SquaredError {
  MatrixView<const R> means, y;
  const R* weight;
  __device__ Values<1> operator()(Index i) const {
    const auto [j, n] = cell(i, means.rows);
    const double error = static_cast<double>(at(means, j, n)) - at(y, j, n);
    return {{weight[j] * error * error}};
  }
};

template <class R>
void squared_error(MatrixView<const R> means, MatrixView<const R> y, VectorView<const R> weight, double* out,
                   const Reduction& reduction) {
  reduce<Sum, 1>(SquaredError<R>{means, y, weight.data}, means.size(), {{out}}, reduction);
}

}  // namespace natgrad::kernels
