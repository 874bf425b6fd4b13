/// D ← scale·B(z), B Bᵀ = H(z) the Fisher of the outputs; z: C × N, D: C × N·r, the r columns of a sample
/// side by side: r = C (gaussian, bernoulli; B is diagonal) or C − 1 (categorical; Tanabe & Sagae 1992, see
/// Categorical::root_fisher). One thread an element, for categorical a sample. Writes CNr elements.
#pragma once

#include "grid.cuh"
#include "natgrad/device/likelihood.hpp"

namespace natgrad::kernels {

template <class Output, class R>
__global__ void diagonal_signals_kernel(MatrixView<const R> z, R scale, MatrixView<R> d, Index count) {
  for (Index i : grid_stride(count)) {
    const auto [j, c] = cell(i, z.rows);
    const auto [k, n] = cell(c, z.rows);
    at(d, j, c) = j == k ? scale * Output::root_fisher(at(z, j, n)) : R(0);
  }
}

template <class R>
__global__ void categorical_signals_kernel(MatrixView<const R> z, R scale, MatrixView<R> d, Index count) {
  for (Index n : grid_stride(count))
    Categorical::root_fisher(column(z, n), z.rows, scale, column(d, n * (z.rows - 1)), d.stride);
}

template <class R>
void exact_signals(Likelihood likelihood, MatrixView<const R> z, R scale, MatrixView<R> d,
                   cudaStream_t stream) {
  if (likelihood == Likelihood::categorical) {
    const Index count = d.size() > 0 ? z.cols : 0;
    launch(categorical_signals_kernel<R>, blocks_for(count, sample_threads), sample_threads, 0, stream, z,
           scale, d, count);
    return;
  }
  const auto kernel = likelihood == Likelihood::gaussian ? diagonal_signals_kernel<Gaussian, R>
                                                         : diagonal_signals_kernel<Bernoulli, R>;
  launch(kernel, blocks_for(d.size()), element_threads, 0, stream, z, scale, d, d.size());
}

}  // namespace natgrad::kernels
