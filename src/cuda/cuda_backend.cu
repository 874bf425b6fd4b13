/// Memory, vectors, optimisers and data of the CUDA backend.
#include "cuda/cuda_backend.hpp"

#include "adam.cuh"
#include "axpy.cuh"
#include "copy.cuh"
#include "dot.cuh"
#include "fill.cuh"
#include "gather_columns.cuh"
#include "hadamard.cuh"
#include "operation_shapes.hpp"
#include "precision.hpp"
#include "quadratic_step.cuh"
#include "scale.cuh"
#include "step_size.cuh"

namespace natgrad {

template <class R>
void CudaBackend<R>::upload(void* device, const void* host, std::size_t bytes) {
  device_.upload(device, host, bytes);
}

template <class R>
void CudaBackend<R>::download(void* host, const void* device, std::size_t bytes) {
  device_.download(host, device, bytes);
  this->count_synchronization();
}

template <class R>
void CudaBackend<R>::synchronize() {
  device_.synchronize();
  this->count_synchronization();
}

template <class R>
Scalars CudaBackend<R>::read_scalars() {
  this->count_synchronization();
  return device_.read_scalars();
}

template <class R>
PhaseSeconds CudaBackend<R>::take_phase_seconds() {
  this->count_synchronization();
  return device_.take_phase_seconds();
}

template <class R>
void CudaBackend<R>::copy(MatrixView<const R> from, MatrixView<R> to) {
  shapes::copy(from, to);
  if (from.size() == 0) return;
  const bool contiguous = from.cols == 1 || (from.stride == from.rows && to.stride == to.rows);
  if (!contiguous) return kernels::copy(from, to, device_.stream());
  const std::size_t bytes = static_cast<std::size_t>(from.size()) * sizeof(R);
  check(cudaMemcpyAsync(to.data, from.data, bytes, cudaMemcpyDeviceToDevice, device_.stream()),
        "cudaMemcpyAsync");
}

template <class R>
void CudaBackend<R>::fill(MatrixView<R> x, R value) {
  kernels::fill(x, value, kernels::Part::all, device_.stream());
}

template <class R>
void CudaBackend<R>::axpy(R alpha, VectorView<const R> x, VectorView<R> y) {
  shapes::same_size("axpy", x, y);
  if (x.size == 0) return;
  check(pick<R>(cublasSaxpy_64, cublasDaxpy_64)(device_.blas(), x.size, &alpha, x.data, 1, y.data, 1),
        "cublas axpy");
}

template <class R>
void CudaBackend<R>::axpy(R alpha, Slot s, VectorView<const R> x, VectorView<R> y) {
  shapes::same_size("axpy", x, y);
  kernels::axpy(alpha, device_.scalar(s), x, y, device_.stream());
}

template <class R>
void CudaBackend<R>::scale(R alpha, VectorView<R> x) {
  kernels::scale(alpha, MatrixView<R>{x.data, x.size, 1}, kernels::Part::all, device_.stream());
}

template <class R>
void CudaBackend<R>::dot(VectorView<const R> x, VectorView<const R> y, Slot slot) {
  shapes::same_size("dot", x, y);
  kernels::dot(x, y, device_.scalar(slot), device_.reduction());
}

template <class R>
void CudaBackend<R>::hadamard(MatrixView<const R> x, MatrixView<const R> y, MatrixView<R> out) {
  shapes::hadamard(x, y, out);
  kernels::hadamard(x, y, out, device_.stream());
}

template <class R>
void CudaBackend<R>::step_size(double kl_budget, double max_beta) {
  kernels::step_size(device_.scalar(Slot::quadratic), kl_budget, max_beta, device_.scalar(Slot::beta),
                     device_.stream());
}

template <class R>
void CudaBackend<R>::quadratic_step(double kappa) {
  kernels::quadratic_step(device_.scalars(), kappa, device_.stream());
}

template <class R>
void CudaBackend<R>::adam(const typename Backend<R>::AdamRates& rates, VectorView<const R> g, VectorView<R> m,
                          VectorView<R> v, VectorView<R> theta) {
  shapes::adam(g, m, v, theta);
  const kernels::AdamRates<R> k = {static_cast<R>(rates.rate),        static_cast<R>(rates.beta1),
                                   static_cast<R>(rates.beta2),       static_cast<R>(rates.epsilon),
                                   static_cast<R>(rates.correction1), static_cast<R>(rates.correction2)};
  kernels::adam(k, g, m, v, theta, device_.stream());
}

template <class R>
void CudaBackend<R>::gather_columns(MatrixView<const R> from, VectorView<const Index> index,
                                    MatrixView<R> to) {
  shapes::gather_columns(from, index, to);
  kernels::gather_columns(from, index, to, device_.stream());
}

template class CudaBackend<float>;
template class CudaBackend<double>;

template <class R>
std::unique_ptr<Backend<R>> make_cuda_backend(int device, CUstream_st* stream) {
  return std::make_unique<CudaBackend<R>>(device, stream);
}
template std::unique_ptr<Backend<float>> make_cuda_backend(int, CUstream_st*);
template std::unique_ptr<Backend<double>> make_cuda_backend(int, CUstream_st*);

}  // namespace natgrad
