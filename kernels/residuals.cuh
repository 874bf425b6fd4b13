/// u ← scale·c with B(z)c = p − y, B Bᵀ = H(z) the Fisher of the outputs, for the columns of B that
/// exact_signals.cuh writes; z: C × N, y: C × N (categorical: 1 × N class indices), u: N·r.
/// One thread an element (gaussian, bernoulli) or a sample (categorical). Reads z and y once (categorical: z
/// three times), writes u once.
#pragma once

#include "grid.cuh"
#include "natgrad/device/likelihood.hpp"

namespace natgrad::kernels {

template <class Output, class R>
__global__ void output_residuals_kernel(MatrixView<const R> z, MatrixView<const R> y, R scale, R* u,
                                        Index count) {
  for (Index i : grid_stride(count)) {
    const auto [j, n] = cell(i, z.rows);
    u[i] = scale * Output::residual(at(z, j, n), at(y, j, n));
  }
}

template <class R>
__global__ void categorical_residuals_kernel(MatrixView<const R> z, MatrixView<const R> y, R scale, R* u,
                                             Index count) {
  for (Index n : grid_stride(count))
    Categorical::residuals(column(z, n), z.rows, Categorical::class_of(at(y, 0, n), z.rows), scale,
                           u + n * (z.rows - 1));
}

template <class R>
void residuals(Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> y, R scale, VectorView<R> u,
               cudaStream_t stream) {
  if (likelihood == Likelihood::categorical) {
    const Index count = u.size > 0 ? z.cols : 0;
    launch(categorical_residuals_kernel<R>, blocks_for(count, sample_threads), sample_threads, 0, stream, z,
           y, scale, u.data, count);
    return;
  }
  const auto kernel = likelihood == Likelihood::gaussian ? output_residuals_kernel<Gaussian, R>
                                                         : output_residuals_kernel<Bernoulli, R>;
  launch(kernel, blocks_for(u.size), element_threads, 0, stream, z, y, scale, u.data, u.size);
}

}  // namespace natgrad::kernels
