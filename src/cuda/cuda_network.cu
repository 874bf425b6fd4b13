/// Point-wise operations of the network and its likelihood, CUDA backend.
#include "activate.cuh"
#include "count_correct.cuh"
#include "cuda/cuda_backend.hpp"
#include "divergence.cuh"
#include "loss.cuh"
#include "means.cuh"
#include "multiply_slopes.cuh"
#include "shape_check.hpp"
#include "squared_error.cuh"

namespace natgrad {

template <class R>
void CudaBackend<R>::activate(Activation phi, VectorView<const R> bias, MatrixView<R> z, MatrixView<R> a) {
  require_size("activate", "the size of the bias", bias.size, z.rows);
  require_size("activate", "the number of rows of A", a.rows, z.rows);
  require_size("activate", "the number of columns of A", a.cols, z.cols);
  kernels::activate(phi, bias, z, a, device_.stream());
}

template <class R>
void CudaBackend<R>::multiply_slopes(MatrixView<const R> slopes, MatrixView<R> d) {
  require_size("multiply_slopes", "the number of rows of D", d.rows, slopes.rows);
  const Index r = rows_per_sample("multiply_slopes", d.cols, slopes.cols);
  kernels::multiply_slopes(slopes, d, r, device_.stream());
}

template <class R>
void CudaBackend<R>::loss(Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> y) {
  require_targets("loss", likelihood, z, y);
  kernels::loss(likelihood, z, y, device_.scalar(Slot::loss), device_.reduction());
}

template <class R>
void CudaBackend<R>::divergence(Likelihood likelihood, MatrixView<const R> z_old, MatrixView<const R> z_new,
                                MatrixView<const R> y) {
  require_targets("divergence", likelihood, z_old, y);
  require_size("divergence", "the number of rows of the new z", z_new.rows, z_old.rows);
  require_size("divergence", "the number of columns of the new z", z_new.cols, z_old.cols);
  kernels::divergence(likelihood, z_old, z_new, y, device_.scalar(Slot::kl),
                      device_.scalar(Slot::loss_change), device_.reduction());
}

template <class R>
void CudaBackend<R>::means(Likelihood likelihood, MatrixView<const R> z, MatrixView<R> means) {
  require_size("means", "the number of rows of the means", means.rows, z.rows);
  require_size("means", "the number of columns of the means", means.cols, z.cols);
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
  require_size("squared_error", "the number of rows of y", y.rows, means.rows);
  require_size("squared_error", "the number of columns of y", y.cols, means.cols);
  require_size("squared_error", "the number of weights", weight.size, means.rows);
  kernels::squared_error(means, y, weight, device_.scalar(Slot::squared_error), device_.reduction());
}

template class CudaBackend<float>;
template class CudaBackend<double>;

}  // namespace natgrad
