#include "cuda/cuda_device.hpp"

#include <cstdint>

#include "cuda/gpus.hpp"
#include "fill.cuh"

namespace natgrad {
namespace {

/// `device` made current; throws DeviceError where there is no such GPU.
int choose(int device) {
  int count = 0;
  if (const std::string problem = find_gpus(count); !problem.empty()) throw DeviceError(problem);
  if (device < 0 || device >= count)
    throw DeviceError("cuda:" + std::to_string(device) +
                      " does not exist, the last GPU is cuda:" + std::to_string(count - 1) +
                      "; see what nvidia-smi lists and CUDA_VISIBLE_DEVICES hides");
  check(cudaSetDevice(device), "cudaSetDevice");
  return device;
}

cudaMemPool_t default_pool(int device) {
  cudaMemPool_t pool = nullptr;
  check(cudaDeviceGetDefaultMemPool(&pool, device), "cudaDeviceGetDefaultMemPool");
  return pool;
}

/// The pool returns freed memory to the system only when it must: then a step allocates nothing anew.
void keep_freed_memory(int device) {
  std::uint64_t threshold = UINT64_MAX;
  check(cudaMemPoolSetAttribute(default_pool(device), cudaMemPoolAttrReleaseThreshold, &threshold),
        "cudaMemPoolSetAttribute");
}

/// Bytes that the pool keeps and nobody uses.
std::size_t kept_bytes(int device) {
  std::uint64_t reserved = 0, used = 0;
  const cudaMemPool_t pool = default_pool(device);
  check(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReservedMemCurrent, &reserved),
        "cudaMemPoolGetAttribute");
  check(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used), "cudaMemPoolGetAttribute");
  return reserved - used;
}

}  // namespace

CudaDevice::CudaDevice(int device, cudaStream_t stream)
    : device_(choose(device)),
      own_stream_(stream == nullptr ? make_stream() : nullptr),
      stream_(stream == nullptr ? own_stream_.get() : stream),
      blas_(make_blas(stream_)),
      solver_(make_solver(stream_)),
      mirror_(make_pinned<Scalars>()) {
  keep_freed_memory(device_);
  const std::size_t bytes =
      (static_cast<std::size_t>(Slot::count_) + scratch_doubles + kernels::reduction_doubles) *
      sizeof(double);
  numbers_ = static_cast<double*>(allocate(bytes));
  check(cudaMemsetAsync(numbers_, 0, bytes, stream_), "cudaMemsetAsync");
}

CudaDevice::~CudaDevice() { deallocate(numbers_); }

std::string CudaDevice::description() const {
  int runtime = 0;
  check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  return name() + " (" + describe_gpu(device_) + ", CUDA " + cuda_version(runtime) + ")";
}

std::size_t CudaDevice::available_bytes() const {
  make_current();
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return free + kept_bytes(device_);
}

bool CudaDevice::has_tensor_cores() const {
  int major = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device_), "cudaDeviceGetAttribute");
  return major >= 8;
}

void* CudaDevice::allocate(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  void* memory = nullptr;
  const cudaError_t status = cudaMallocAsync(&memory, bytes, stream());
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // or the next launch would report it again
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    throw OutOfMemory(name() + ": " + std::to_string(bytes) + " bytes wanted, " + std::to_string(free) +
                      " of " + std::to_string(total) +
                      " free; try a smaller --batch, another structure, or --device cpu");
  }
  check(status, "cudaMallocAsync");
  return memory;
}

void CudaDevice::deallocate(void* memory) noexcept {
  if (memory == nullptr) return;
  cudaSetDevice(device_);
  cudaFreeAsync(memory, stream_);
}

void CudaDevice::upload(void* device, const void* host, std::size_t bytes) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream()), "cudaMemcpyAsync");
  // From pageable memory the copy is staged on return; only pinned memory is still being read.
  cudaPointerAttributes attributes;
  check(cudaPointerGetAttributes(&attributes, host), "cudaPointerGetAttributes");
  if (attributes.type != cudaMemoryTypeUnregistered)
    check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
}

void CudaDevice::download(void* host, const void* device, std::size_t bytes) {
  if (bytes > 0)
    check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream()), "cudaMemcpyAsync");
  synchronize();
}

void CudaDevice::synchronize() {
  phases_.mark(stream());  // ends the interval under way
  check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
  phases_.collect();  // here it costs no wait, and the list of moments stays short
}

Scalars CudaDevice::read_scalars() {
  download(mirror_.get(), numbers_, sizeof(Scalars));
  return *mirror_;
}

void CudaDevice::set_scalar(Slot slot, double value) {
  kernels::fill(MatrixView<double>{scalar(slot), 1, 1}, value, kernels::Part::all, stream());
}

}  // namespace natgrad
