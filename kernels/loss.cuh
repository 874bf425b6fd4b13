/// loss ← (1/N) Σ_n −log p(y_n | z_n); z: C × N, y: C × N (categorical: 1 × N class indices).
/// Gaussian and Bernoulli: one term an element; categorical: one a sample. Each term and the sum in f64, in
/// an order fixed by the size (reduce.cuh). Reads z and y once (categorical: z twice).
#pragma once

#include "natgrad/device/likelihood.hpp"
#include "reduce.cuh"

namespace natgrad::kernels {

template <class Output, class R>
struct OutputLoss {
  MatrixView<const R> z, y;
  __device__ Values<1> operator()(Index i) const {
    const auto [j, n] = cell(i, z.rows);
    return {{Output::loss(at(z, j, n), at(y, j, n))}};
  }
};

template <class R>
struct CategoricalLoss {
  MatrixView<const R> z, y;
  __device__ Values<1> operator()(Index n) const {
    return {{Categorical::loss(column(z, n), z.rows, at(y, 0, n))}};
  }
};

template <class R>
void loss(Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> y, double* out,
          const Reduction& reduction) {
  const Results<1> mean{{out}, 1.0 / static_cast<double>(std::max<Index>(1, z.cols))};
  if (likelihood == Likelihood::gaussian) {
    reduce<Sum>(OutputLoss<Gaussian, R>{z, y}, z.size(), mean, reduction);
  } else if (likelihood == Likelihood::bernoulli) {
    reduce<Sum>(OutputLoss<Bernoulli, R>{z, y}, z.size(), mean, reduction);
  } else {
    reduce<Sum>(CategoricalLoss<R>{z, y}, z.rows > 0 ? z.cols : 0, mean, reduction);
  }
}

}  // namespace natgrad::kernels
