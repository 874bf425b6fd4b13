/// kl ← (1/N) Σ_n KL(p(·|z_n) ‖ p(·|z'_n)), change ← (1/N) Σ_n log p(y_n | z_n) − log p(y_n | z'_n);
/// z, z': C × N, y: C × N (categorical: 1 × N class indices).
/// Gaussian and Bernoulli: one term an element; categorical: one a sample. Each term and the sums in f64, in
/// an order fixed by the size (reduce.cuh). Reads z, z' and y once (categorical: z and z' several times).
#pragma once

#include "natgrad/device/likelihood.hpp"
#include "reduce.cuh"

namespace natgrad::kernels {

template <class Output, class R>
struct OutputDivergence {
  MatrixView<const R> z, z_new, y;
  __device__ Values<2> operator()(Index i) const {
    const auto [j, n] = cell(i, z.rows);
    const Divergence d = Output::divergence(at(z, j, n), at(z_new, j, n), at(y, j, n));
    return {{d.kl, d.loss_change}};
  }
};

template <class R>
struct CategoricalDivergence {
  MatrixView<const R> z, z_new, y;
  __device__ Values<2> operator()(Index n) const {
    const Divergence d = Categorical::divergence(column(z, n), column(z_new, n), z.rows, at(y, 0, n));
    return {{d.kl, d.loss_change}};
  }
};

template <class R>
void divergence(Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> z_new,
                MatrixView<const R> y, double* kl, double* change, const Reduction& reduction) {
  const Results<2> means{{kl, change}, 1.0 / static_cast<double>(std::max<Index>(1, z.cols))};
  if (likelihood == Likelihood::gaussian) {
    reduce<Sum>(OutputDivergence<Gaussian, R>{z, z_new, y}, z.size(), means, reduction);
  } else if (likelihood == Likelihood::bernoulli) {
    reduce<Sum>(OutputDivergence<Bernoulli, R>{z, z_new, y}, z.size(), means, reduction);
  } else {
    reduce<Sum>(CategoricalDivergence<R>{z, z_new, y}, z.rows > 0 ? z.cols : 0, means, reduction);
  }
}

}  // namespace natgrad::kernels
