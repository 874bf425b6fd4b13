/// Launching kernels, and the shared memory of a block: the one header that knows whether nvcc compiles for a
/// GPU or g++ for host CUDA (tests/host_cuda), which executes the same sources on a machine without a GPU.
///
/// What a kernel may use, so that both compile it: threadIdx, blockIdx, blockDim, gridDim, warpSize;
/// __syncthreads, __syncwarp; grid_sync (cooperative.cuh), the tensor cores' products (tensor_core.cuh);
/// __shfl_sync, __shfl_down_sync, __shfl_xor_sync (int, unsigned, 64-bit integers, float, double);
/// __ballot_sync, __any_sync; atomicAdd (int, unsigned, unsigned long long, float, double), atomicMax,
/// atomicMin, atomicCAS (int, unsigned, unsigned long long); __launch_bounds__, __restrict__,
/// __forceinline__; <cmath>. Shared memory comes from block_shared alone, never from __shared__. g++ has no
/// device printf, no rsqrtf, __ldg or __expf, no global min and max, no cooperative groups and no CUB.
///
/// What host CUDA insists on: every thread of the block reaches the same __syncthreads (no thread has
/// returned before it), and the mask of a warp operation equals the lanes that arrive: in a block whose size
/// is no multiple of 32 the last warp must not be given the full mask. A shuffle that reads a lane outside
/// its mask gets NaN.
#pragma once

#include <cuda_runtime.h>
#include <cxxabi.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <type_traits>

#include "natgrad/error.hpp"
#if !defined(__CUDACC__)
#include "host_cuda/simt.hpp"
#endif

namespace natgrad {

/// The kernel's name as it stands in the source, for error messages.
inline std::string kernel_name(const void* kernel) {
  const char* mangled = nullptr;
  if (cudaFuncGetName(&mangled, kernel) != cudaSuccess) {
    cudaGetLastError();  // a name that cannot be had is no error
    return "of unknown name";
  }
  int failed = 0;
  const std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(mangled, nullptr, nullptr, &failed),
                                                    std::free);
  return failed == 0 ? name.get() : mangled;
}

/// Throws DeviceError, naming the kernel and what it was to do, where `status` is not success.
inline void check_kernel(cudaError_t status, const void* kernel, const std::string& what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // reported here: the next launch must not find it
  std::ostringstream text;
  text << "kernel " << kernel_name(kernel) << ": " << what << ": " << cudaGetErrorName(status) << " ("
       << cudaGetErrorString(status) << ")";
  throw DeviceError(text.str());
}

/// The same for a launch.
inline void check_launch(cudaError_t status, const void* kernel, dim3 grid, dim3 block,
                         std::size_t shared_bytes) {
  if (status == cudaSuccess) return;
  std::ostringstream what;
  what << "launch failed with grid (" << grid.x << ", " << grid.y << ", " << grid.z << "), block (" << block.x
       << ", " << block.y << ", " << block.z << "), " << shared_bytes << " bytes of shared memory";
  check_kernel(status, kernel, what.str());
}

/// Launches kernel(args...) on `stream`; the arguments are converted to the kernel's parameters and captured
/// by value. A grid without blocks is not launched. `shared_bytes` is the size of the struct that the kernel
/// asks block_shared for, or 0. Throws DeviceError, naming the kernel, where the launch is refused: more than
/// 1024 threads a block, grid.y or grid.z over 65535, more than 48 KiB of shared memory without allow_shared.
/// What goes wrong inside the kernel shows at the next synchronisation.
template <class... Parameters>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
            cudaStream_t stream, std::type_identity_t<Parameters>... args) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
#if defined(__CUDACC__)
  kernel<<<grid, block, shared_bytes, stream>>>(args...);
#else
  host_cuda::enqueue_kernel(kernel, grid, block, shared_bytes, stream, args...);
#endif
  check_launch(cudaGetLastError(), reinterpret_cast<const void*>(kernel), grid, block, shared_bytes);
}

/// Lets `kernel` be launched with up to `bytes` of shared memory: needed above 48 KiB, possible up to what
/// one block of the device may have (227 KiB on compute capability 9.0). Throws DeviceError where it is more.
template <class... Parameters>
void allow_shared(void (*kernel)(Parameters...), std::size_t bytes) {
  const auto* function = reinterpret_cast<const void*>(kernel);
  check_kernel(
      cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)),
      function, "cannot have " + std::to_string(bytes) + " bytes of shared memory");
}

/// The block's shared memory as one struct, uninitialised: `auto& s = block_shared<Tile<R>>()`, launched with
/// shared_bytes = sizeof(Tile<R>). A kernel has one such struct; every thread of the block gets the same.
template <class T>
#if defined(__CUDACC__)
__device__ __forceinline__ T& block_shared() {
  extern __shared__ __align__(16) unsigned char block_shared_bytes[];
  auto* bytes = block_shared_bytes;
#else
T& block_shared() {
  auto* bytes = host_cuda::shared_memory(sizeof(T));
#endif
  static_assert(
      alignof(T) <= 16 && std::is_trivially_default_constructible_v<T> && std::is_trivially_destructible_v<T>,
      "shared memory is raw memory aligned to 16 bytes");
  return *reinterpret_cast<T*>(bytes);
}

}  // namespace natgrad
