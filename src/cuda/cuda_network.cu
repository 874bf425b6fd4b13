/// Point-wise operations of the network and its likelihood, CUDA backend.
#include "activate.cuh"
#include "count_correct.cuh"
#include "cuda/cuda_backend.hpp"
#include "divergence.cuh"
#include "loss.cuh"
#include "means.cuh"
#include "multiply_slopes.cuh"
#include "operation_shapes.hpp"
#include "output_fisher.cuh"
#include "squared_error.cuh"

namespace natgrad {

template <class R>
void CudaBackend<R>::activate(Activation phi, VectorView<const R> bias, MatrixView<R> z, MatrixView<R> a) {
  shapes::activate(bias, z, a);
  kernels::activate(phi, bias, z, a, device_.stream());
}

template <class R>
void CudaBackend<R>::multiply_slopes(MatrixView<const R> slopes, MatrixView<R> d) {
  const Index r = shapes::multiply_slopes(slopes, d);
  kernels::multiply_slopes(slopes, d, r, device_.stream());
}

template <class R>
void CudaBackend<R>::loss(Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> y) {
  require_targets("loss", likelihood, z, y);
  kernels::loss(likelihood, z, y, device_.scalar(Slot::loss), device_.reduction());
}

template <class R>
void CudaBackend<R>::output_fisher(Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> x,
                                   MatrixView<const R> y, Slot slot) {
  shapes::output_fisher(z, x, y);
  kernels::output_fisher(likelihood, z, x, y, device_.scalar(slot), device_.reduction());
}

template <class R>
void CudaBackend<R>::divergence(Likelihood likelihood, MatrixView<const R> z_old, MatrixView<const R> z_new,
                                MatrixView<const R> y) {
  shapes::divergence(likelihood, z_old, z_new, y);
  kernels::divergence(likelihood, z_old, z_new, y, device_.scalar(Slot::kl),
                      device_.scalar(Slot::loss_change), device_.reduction());
}

template <class R>
void CudaBackend<R>::means(Likelihood likelihood, MatrixView<const R> z, MatrixView<R> means) {
  shapes::means(z, means);
  kernels::means(likelihood, z, means, device_.stream());
}

template <class R>
void CudaBackend<R>::count_correct(MatrixView<const R> z, MatrixView<const R> y) {
  require_targets("count_correct", Likelihood::categorical, z, y);
  kernels::count_correct(z, y, device_.scalar(Slot::correct), device_.reduction());
}

template <class R>
void CudaBackend<R>::squared_error(MatrixView<const R> means, MatrixView<const R> y,
                                   VectorView<const R> weight) {
  shapes::squared_error(means, y, weight);
  kernels::squared_error(means, y, weight, device_.scalar(Slot::squared_error), device_.reduction());
}

template class CudaBackend<float>;
template class CudaBackend<double>;

}  // namespace natgrad
