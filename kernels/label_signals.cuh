/// D ← scale·(p − y) with y given: `empirical_signals`, the data's; or drawn from the model's own p(y | z):
/// `drawn_signals`, K draws a sample. z: C × N, y: C × N (categorical: 1 × N), D: C × N or C × N·K.
///
/// Random number of draw k of output j of sample n: (nK + k)C + j, for categorical nK + k. A counter-based
/// stream: any thread may take any element. One thread an element, for categorical a column. Writes D once.
#pragma once

#include "grid.cuh"
#include "natgrad/device/likelihood.hpp"
#include "random.hpp"

namespace natgrad::kernels {

template <class Output, class R>
__global__ void empirical_signals_kernel(MatrixView<const R> z, MatrixView<const R> y, R scale,
                                         MatrixView<R> d, Index count) {
  for (Index i : grid_stride(count)) {
    const auto [j, n] = cell(i, z.rows);
    at(d, j, n) = scale * (Output::mean(at(z, j, n)) - at(y, j, n));
  }
}

template <class R>
__global__ void empirical_class_signals_kernel(MatrixView<const R> z, MatrixView<const R> y, R scale,
                                               MatrixView<R> d, Index count) {
  for (Index n : grid_stride(count))
    Categorical::signals(column(z, n), z.rows, Categorical::class_of(at(y, 0, n), z.rows), scale,
                         column(d, n));
}

/// p − ŷ of one output: for the gaussian z − (z + ξ).
template <class R>
__device__ R drawn_residual(Gaussian, R, RandomKey key, std::uint64_t number) {
  return -static_cast<R>(random_normal(key, number));
}
template <class R>
__device__ R drawn_residual(Bernoulli, R z, RandomKey key, std::uint64_t number) {
  const R p = sigmoid(z);
  return p - (random_uniform(key, number) < static_cast<double>(p) ? R(1) : R(0));
}

template <class Output, class R>
__global__ void drawn_signals_kernel(MatrixView<const R> z, Index draws, RandomKey key, R scale,
                                     MatrixView<R> d, Index count) {
  for (Index i : grid_stride(count)) {  // i = (nK + k)C + j
    const auto [j, c] = cell(i, z.rows);
    const R residual =
        drawn_residual(Output(), at(z, j, cell(c, draws).col), key, static_cast<std::uint64_t>(i));
    at(d, j, c) = scale * residual;
  }
}

template <class R>
__global__ void drawn_class_signals_kernel(MatrixView<const R> z, Index draws, RandomKey key, R scale,
                                           MatrixView<R> d, Index count) {
  for (Index c : grid_stride(count)) {
    const R* zn = column(z, cell(c, draws).col);
    const Index drawn = Categorical::draw(zn, z.rows, random_uniform(key, static_cast<std::uint64_t>(c)));
    Categorical::signals(zn, z.rows, drawn, scale, column(d, c));
  }
}

template <class R>
void empirical_signals(Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> y, R scale,
                       MatrixView<R> d, cudaStream_t stream) {
  if (likelihood == Likelihood::categorical) {
    const Index count = z.rows > 0 ? z.cols : 0;
    launch(empirical_class_signals_kernel<R>, blocks_for(count, sample_threads), sample_threads, 0, stream, z,
           y, scale, d, count);
    return;
  }
  const auto kernel = likelihood == Likelihood::gaussian ? empirical_signals_kernel<Gaussian, R>
                                                         : empirical_signals_kernel<Bernoulli, R>;
  launch(kernel, blocks_for(d.size()), element_threads, 0, stream, z, y, scale, d, d.size());
}

template <class R>
void drawn_signals(Likelihood likelihood, MatrixView<const R> z, Index draws, RandomKey key, R scale,
                   MatrixView<R> d, cudaStream_t stream) {
  if (likelihood == Likelihood::categorical) {
    const Index count = z.rows > 0 ? d.cols : 0;
    launch(drawn_class_signals_kernel<R>, blocks_for(count, sample_threads), sample_threads, 0, stream, z,
           draws, key, scale, d, count);
    return;
  }
  const auto kernel = likelihood == Likelihood::gaussian ? drawn_signals_kernel<Gaussian, R>
                                                         : drawn_signals_kernel<Bernoulli, R>;
  launch(kernel, blocks_for(d.size()), element_threads, 0, stream, z, draws, key, scale, d, d.size());
}

}  // namespace natgrad::kernels
