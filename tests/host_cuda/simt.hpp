/// The SIMT executor's face towards device code: what CUDA C++ has and g++ lacks.
///
/// A launch is queued on its stream and executed by the call that synchronises, one block after another or,
/// where it is cooperative, all blocks at once. Threads run one at a time on the calling thread, each until
/// it has to wait for others.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <functional>
#include <source_location>

#include "host_cuda/atomics.hpp"
#include "host_cuda/warp.hpp"

#define __launch_bounds__(...)
// Per thread instead of per block, the name would silently mean another thing.
#undef __shared__
#define __shared__ _Pragma("GCC error \"shared memory comes from block_shared<T>(), not from __shared__\"")

/// Coordinates of the running thread; the executor sets them.
inline thread_local constinit uint3 threadIdx{}, blockIdx{};
inline thread_local constinit dim3 blockDim{}, gridDim{};
inline constexpr int warpSize = 32;

namespace host_cuda {

/// One launch: `thread` executes the kernel, its arguments captured, for the thread that threadIdx and
/// blockIdx name.
struct Launch {
  const void* kernel;
  dim3 grid, block;
  std::size_t shared_bytes;
  bool cooperative;  // all blocks are resident at the same time and may meet
  std::function<void()> thread;
};

/// Queues the launch; one that a device would refuse sets the error that cudaGetLastError returns.
void enqueue(Launch launch, cudaStream_t stream);

template <class... Parameters>
void enqueue_kernel(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
                    cudaStream_t stream, Parameters... args) {
  enqueue({reinterpret_cast<const void*>(kernel), grid, block, shared_bytes, false, [=] { kernel(args...); }},
          stream);
}

/// A grid larger than what is resident at the same time sets cudaErrorCooperativeLaunchTooLarge.
template <class... Parameters>
void enqueue_cooperative_kernel(void (*kernel)(Parameters...), dim3 grid, dim3 block,
                                std::size_t shared_bytes, cudaStream_t stream, Parameters... args) {
  enqueue({reinterpret_cast<const void*>(kernel), grid, block, shared_bytes, true, [=] { kernel(args...); }},
          stream);
}

/// The block's shared memory, filled with 0xFF (NaN) when the block starts. Throws KernelError where the
/// launch gave fewer than `bytes`.
std::byte* shared_memory(std::size_t bytes);

/// Meets all threads of the block.
void barrier(std::source_location at);

/// Meets all threads of all blocks of a cooperative launch; in another launch it throws KernelError.
void grid_barrier(std::source_location at);

}  // namespace host_cuda

inline void __syncthreads(std::source_location at = std::source_location::current()) {
  host_cuda::barrier(at);
}
