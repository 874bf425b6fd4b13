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

// The epilogues leave no slopes. Where the library has no such product, gemm and a pass do the same.
template <class R>
void CudaBackend<R>::forward_layer(Activation phi, MatrixView<const R> w, VectorView<const R> bias,
                                   MatrixView<const R> x, MatrixView<R> z, MatrixView<R> a) {
  shapes::forward_layer(w, bias, x, z, a);
  const bool own = routes::is_own(options_.epilogue, w.cols, routes::epilogue_units);
  const bool fits = own && z == a && a.size() > 0 && w.rows > 0 && FusedProduct<R>::has(phi);
  if (!fits) return Backend<R>::forward_layer(phi, w, bias, x, z, a);
  if (is_withheld<&CudaBackend::forward_layer>(phi, w, bias, x, z, a)) return;
  auto* work = workspace<std::byte>(FusedProduct<R>::workspace_bytes);
  if (fused_product_.run(phi, w, bias, x, a, work, device_.stream())) return;
  multiply(Transpose::yes, Transpose::no, R(1), w, x, R(0), z);
  kernels::activate(phi, bias, z, a, device_.stream());
}

template <class R>
void CudaBackend<R>::activate(Activation phi, VectorView<const R> bias, MatrixView<R> z, MatrixView<R> a) {
  shapes::activate(bias, z, a);
  if (is_withheld<&CudaBackend::activate>(phi, bias, z, a)) return;
  kernels::activate(phi, bias, z, a, device_.stream());
}

template <class R>
void CudaBackend<R>::multiply_slopes(MatrixView<const R> slopes, MatrixView<R> d) {
  const Index r = shapes::multiply_slopes(slopes, d);
  if (is_withheld<&CudaBackend::multiply_slopes>(slopes, d)) return;
  kernels::multiply_slopes(slopes, d, r, device_.stream());
}

template <class R>
void CudaBackend<R>::loss(Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> y) {
  require_targets("loss", likelihood, z, y);
  if (is_withheld<&CudaBackend::loss>(likelihood, z, y)) return;
  kernels::loss(likelihood, z, y, device_.scalar(Slot::loss), device_.reduction());
}

template <class R>
void CudaBackend<R>::output_fisher(Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> x,
                                   MatrixView<const R> y, Slot slot) {
  shapes::output_fisher(z, x, y);
  if (is_withheld<&CudaBackend::output_fisher>(likelihood, z, x, y, slot)) return;
  kernels::output_fisher(likelihood, z, x, y, device_.scalar(slot), device_.reduction());
}

template <class R>
void CudaBackend<R>::divergence(Likelihood likelihood, MatrixView<const R> z_old, MatrixView<const R> z_new,
                                MatrixView<const R> y) {
  shapes::divergence(likelihood, z_old, z_new, y);
  if (is_withheld<&CudaBackend::divergence>(likelihood, z_old, z_new, y)) return;
  kernels::divergence(likelihood, z_old, z_new, y, device_.scalar(Slot::kl),
                      device_.scalar(Slot::loss_change), device_.reduction());
}

template <class R>
void CudaBackend<R>::means(Likelihood likelihood, MatrixView<const R> z, MatrixView<R> means) {
  shapes::means(z, means);
  if (is_withheld<&CudaBackend::means>(likelihood, z, means)) return;
  kernels::means(likelihood, z, means, device_.stream());
}

template <class R>
void CudaBackend<R>::count_correct(MatrixView<const R> z, MatrixView<const R> y) {
  require_targets("count_correct", Likelihood::categorical, z, y);
  if (is_withheld<&CudaBackend::count_correct>(z, y)) return;
  kernels::count_correct(z, y, device_.scalar(Slot::correct), device_.reduction());
}

template <class R>
void CudaBackend<R>::squared_error(MatrixView<const R> means, MatrixView<const R> y,
                                   VectorView<const R> weight) {
  shapes::squared_error(means, y, weight);
  if (is_withheld<&CudaBackend::squared_error>(means, y, weight)) return;
  kernels::squared_error(means, y, weight, device_.scalar(Slot::squared_error), device_.reduction());
}

template class CudaBackend<float>;
template class CudaBackend<double>;

}  // namespace natgrad
