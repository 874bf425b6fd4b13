/// Memory, vectors, optimisers and data of the CUDA backend.
#include "cuda/cuda_backend.hpp"

#include <cuda_profiler_api.h>

#include <utility>

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
CudaBackend<R>::CudaBackend(int device, cudaStream_t stream, const CudaOptions& options)
    : options_(options), device_(device, stream), replay_(options.graph && stream == nullptr) {
  if (options.graph && stream == nullptr) {
    constexpr Index bytes = Index{32} << 20;  // what cuBLAS takes on its own for compute capability 9.0
    device_.set_blas_workspace(grown(blas_workspace_, bytes), bytes);
  }
  if (options.tf32 && !has_tensor_cores_)
    throw DeviceError(name() + ": no TF32 below compute capability 8.0; leave out --tf32");
}

template <class R>
CudaBackend<R>::~CudaBackend() {
  flush_quietly();
}

template <class R>
void CudaBackend<R>::flush() {
  if (const auto error = std::exchange(flush_error_, nullptr)) std::rethrow_exception(error);
  if (!replay_.is_withholding()) return replay_.end_stretch(device_.stream());
  struct Scope {
    CudaDevice& device;
    explicit Scope(CudaDevice& device) : device(device) { device.begin_phase(Phase::graph); }
    ~Scope() { device.end_phase(); }
  } const phase(device_);
  replay_.end_stretch(device_.stream());
}

// The operations that an error leaves behind may use memory that is freed next, and what was to follow them
// must not be taken for their result.
template <class R>
void CudaBackend<R>::flush_quietly() noexcept {
  try {
    flush();
  } catch (...) {
    replay_.abandon();
    flush_error_ = std::current_exception();
  }
}

template <class R>
void CudaBackend<R>::deallocate_bytes(void* memory) noexcept {
  flush_quietly();  // what is withheld may use it
  device_.deallocate(memory);
}

template <class R>
void CudaBackend<R>::upload(void* device, const void* host, std::size_t bytes) {
  flush();
  device_.upload(device, host, bytes);
}

template <class R>
void CudaBackend<R>::download(void* host, const void* device, std::size_t bytes) {
  flush();
  device_.download(host, device, bytes);
  this->count_synchronization();
}

template <class R>
void CudaBackend<R>::synchronize() {
  flush();
  device_.synchronize();
  this->count_synchronization();
}

template <class R>
Scalars CudaBackend<R>::read_scalars() {
  flush();
  this->count_synchronization();
  return device_.read_scalars();
}

template <class R>
void CudaBackend<R>::begin_profile() {
  synchronize();
  check(cudaProfilerStart(), "cudaProfilerStart");
}

template <class R>
void CudaBackend<R>::end_profile() {
  synchronize();
  check(cudaProfilerStop(), "cudaProfilerStop");
}

// β is set where a try was not acceptable, to another value each time.
template <class R>
void CudaBackend<R>::set_scalar(Slot slot, double value) {
  if (slot == Slot::beta)
    flush();
  else if (is_withheld<&CudaBackend::set_scalar>(slot, value))
    return;
  device_.set_scalar(slot, value);
}

template <class R>
void CudaBackend<R>::copy(MatrixView<const R> from, MatrixView<R> to) {
  shapes::copy(from, to);
  if (is_withheld<&CudaBackend::copy>(from, to)) return;
  if (from.size() == 0) return;
  const bool contiguous = from.cols == 1 || (from.stride == from.rows && to.stride == to.rows);
  if (!contiguous) return kernels::copy(from, to, device_.stream());
  const std::size_t bytes = static_cast<std::size_t>(from.size()) * sizeof(R);
  check(cudaMemcpyAsync(to.data, from.data, bytes, cudaMemcpyDeviceToDevice, device_.stream()),
        "cudaMemcpyAsync");
}

template <class R>
void CudaBackend<R>::fill(MatrixView<R> x, R value) {
  if (is_withheld<&CudaBackend::fill>(x, value)) return;
  kernels::fill(x, value, kernels::Part::all, device_.stream());
}

template <class R>
void CudaBackend<R>::axpy(R alpha, VectorView<const R> x, VectorView<R> y) {
  shapes::same_size("axpy", x, y);
  using Axpy = void (CudaBackend::*)(R, VectorView<const R>, VectorView<R>);
  if (is_withheld<Axpy(&CudaBackend::axpy)>(alpha, x, y)) return;
  if (x.size == 0) return;
  check(pick<R>(cublasSaxpy_64, cublasDaxpy_64)(device_.blas(), x.size, &alpha, x.data, 1, y.data, 1),
        "cublas axpy");
}

template <class R>
void CudaBackend<R>::axpy(R alpha, Slot s, VectorView<const R> x, VectorView<R> y) {
  shapes::same_size("axpy", x, y);
  using Axpy = void (CudaBackend::*)(R, Slot, VectorView<const R>, VectorView<R>);
  if (is_withheld<Axpy(&CudaBackend::axpy)>(alpha, s, x, y)) return;
  kernels::axpy(alpha, device_.scalar(s), x, y, device_.stream());
}

template <class R>
void CudaBackend<R>::scale(R alpha, VectorView<R> x) {
  if (is_withheld<&CudaBackend::scale>(alpha, x)) return;
  kernels::scale(alpha, MatrixView<R>{x.data, x.size, 1}, kernels::Part::all, device_.stream());
}

template <class R>
void CudaBackend<R>::dot(VectorView<const R> x, VectorView<const R> y, Slot slot) {
  shapes::same_size("dot", x, y);
  if (is_withheld<&CudaBackend::dot>(x, y, slot)) return;
  kernels::dot(x, y, device_.scalar(slot), device_.reduction());
}

template <class R>
void CudaBackend<R>::hadamard(MatrixView<const R> x, MatrixView<const R> y, MatrixView<R> out) {
  shapes::hadamard(x, y, out);
  if (is_withheld<&CudaBackend::hadamard>(x, y, out)) return;
  kernels::hadamard(x, y, out, device_.stream());
}

template <class R>
void CudaBackend<R>::step_size(double kl_budget, double max_beta) {
  if (is_withheld<&CudaBackend::step_size>(kl_budget, max_beta)) return;
  kernels::step_size(device_.scalar(Slot::quadratic), kl_budget, max_beta, device_.scalar(Slot::beta),
                     device_.stream());
}

template <class R>
void CudaBackend<R>::quadratic_step(double kappa) {
  if (is_withheld<&CudaBackend::quadratic_step>(kappa)) return;
  kernels::quadratic_step(device_.scalars(), kappa, device_.stream());
}

template <class R>
void CudaBackend<R>::adam(const typename Backend<R>::AdamRates& rates, VectorView<const R> g, VectorView<R> m,
                          VectorView<R> v, VectorView<R> theta) {
  shapes::adam(g, m, v, theta);
  flush();
  const kernels::AdamRates<R> k = {static_cast<R>(rates.rate),        static_cast<R>(rates.beta1),
                                   static_cast<R>(rates.beta2),       static_cast<R>(rates.epsilon),
                                   static_cast<R>(rates.correction1), static_cast<R>(rates.correction2)};
  kernels::adam(k, g, m, v, theta, device_.stream());
}

template <class R>
void CudaBackend<R>::gather_columns(MatrixView<const R> from, VectorView<const Index> index,
                                    MatrixView<R> to) {
  shapes::gather_columns(from, index, to);
  flush();
  kernels::gather_columns(from, index, to, device_.stream());
}

template class CudaBackend<float>;
template class CudaBackend<double>;

template <class R>
std::unique_ptr<Backend<R>> make_cuda_backend(int device, CUstream_st* stream, const CudaOptions& options) {
  return std::make_unique<CudaBackend<R>>(device, stream, options);
}
template std::unique_ptr<Backend<float>> make_cuda_backend(int, CUstream_st*, const CudaOptions&);
template std::unique_ptr<Backend<double>> make_cuda_backend(int, CUstream_st*, const CudaOptions&);

}  // namespace natgrad
