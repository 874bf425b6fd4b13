/// means ← E[y | z]: z, sigmoid(z) or softmax(z); z, means: C × N, may be the same.
/// One thread an element (gaussian, bernoulli) or a sample (categorical). Reads and writes CN elements.
#pragma once

#include "grid.cuh"
#include "natgrad/device/likelihood.hpp"

namespace natgrad::kernels {

template <class Output, class R>
__global__ void output_means_kernel(MatrixView<const R> z, MatrixView<R> means, Index count) {
  for (Index i : grid_stride(count)) {
    const auto [j, n] = cell(i, z.rows);
    at(means, j, n) = Output::mean(at(z, j, n));
  }
}

template <class R>
__global__ void categorical_means_kernel(MatrixView<const R> z, MatrixView<R> means, Index count) {
  for (Index n : grid_stride(count)) {
    const auto lse = Categorical::log_sum_exp(column(z, n), z.rows);
    for (Index j = 0; j < z.rows; ++j) at(means, j, n) = static_cast<R>(lse.probability(at(z, j, n)));
  }
}

template <class R>
void means(Likelihood likelihood, MatrixView<const R> z, MatrixView<R> means, cudaStream_t stream) {
  if (likelihood == Likelihood::categorical) {
    const Index count = z.rows > 0 ? z.cols : 0;
    launch(categorical_means_kernel<R>, blocks_for(count, sample_threads), sample_threads, 0, stream, z,
           means, count);
    return;
  }
  const auto kernel = likelihood == Likelihood::gaussian ? output_means_kernel<Gaussian, R>
                                                         : output_means_kernel<Bernoulli, R>;
  launch(kernel, blocks_for(z.size()), element_threads, 0, stream, z, means, z.size());
}

}  // namespace natgrad::kernels
