/// out ← (1/N) Σ_n x_nᵀ H(z_n) y_n, H the Fisher of the outputs; z, x, y: C × N.
/// Gaussian and Bernoulli: one term an element; categorical: one a sample. Each term and the sum in f64, in
/// an order fixed by the size (reduce.cuh). Reads z, x and y once (categorical: x and y twice, z four times).
#pragma once

#include "natgrad/device/likelihood.hpp"
#include "reduce.cuh"

namespace natgrad::kernels {

template <class Output, class R>
struct OutputFisher {
  MatrixView<const R> z, x, y;
  __device__ Values<1> operator()(Index i) const {
    const auto [j, n] = cell(i, z.rows);
    return {{Output::fisher_product(at(z, j, n), at(x, j, n), at(y, j, n))}};
  }
};

template <class R>
struct CategoricalFisher {
  MatrixView<const R> z, x, y;
  __device__ Values<1> operator()(Index n) const {
    return {{Categorical::fisher_product(column(z, n), column(x, n), column(y, n), z.rows)}};
  }
};

template <class R>
void output_fisher(Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> x, MatrixView<const R> y,
                   double* out, const Reduction& reduction) {
  const Results<1> mean{{out}, 1.0 / static_cast<double>(std::max<Index>(1, z.cols))};
  if (likelihood == Likelihood::gaussian) {
    reduce<Sum>(OutputFisher<Gaussian, R>{z, x, y}, z.size(), mean, reduction);
  } else if (likelihood == Likelihood::bernoulli) {
    reduce<Sum>(OutputFisher<Bernoulli, R>{z, x, y}, z.size(), mean, reduction);
  } else {
    reduce<Sum>(CategoricalFisher<R>{z, x, y}, z.rows > 0 ? z.cols : 0, mean, reduction);
  }
}

}  // namespace natgrad::kernels
