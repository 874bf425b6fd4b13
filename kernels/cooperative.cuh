/// Kernels whose blocks all run at the same time and meet at grid_sync().
#pragma once

#include "launch.cuh"
#if defined(__CUDACC__)
#include <cooperative_groups.h>
#endif

namespace natgrad {

/// How many blocks of `kernel` the current device can run at the same time, at least 1 where it can run any.
/// Throws DeviceError where the device cannot tell.
template <class... Parameters>
int resident_blocks(void (*kernel)(Parameters...), int threads, std::size_t shared_bytes) {
  const auto* function = reinterpret_cast<const void*>(kernel);
  int device = 0, processors = 0, blocks = 0;
  check_kernel(cudaGetDevice(&device), function, "no current device");
  check_kernel(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device), function,
               "the number of multiprocessors is unknown");
  check_kernel(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, threads, shared_bytes),
               function, "its occupancy is unknown");
  return blocks * processors;
}

/// As `launch`, with all blocks at the same time: at most resident_blocks of them. Throws DeviceError where
/// they are more.
template <class... Parameters>
void launch_cooperative(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
                        cudaStream_t stream, std::type_identity_t<Parameters>... args) {
  const auto* function = reinterpret_cast<const void*>(kernel);
#if defined(__CUDACC__)
  void* pointers[] = {&args...};
  const cudaError_t status =
      cudaLaunchCooperativeKernel(function, grid, block, pointers, shared_bytes, stream);
#else
  host_cuda::enqueue_cooperative_kernel(kernel, grid, block, shared_bytes, stream, args...);
  const cudaError_t status = cudaGetLastError();
#endif
  check_launch(status, function, grid, block, shared_bytes);
}

/// All threads of the grid meet; what they wrote to device memory before is seen by all after it.
__device__ __forceinline__ void grid_sync(
#if !defined(__CUDACC__)
    std::source_location at = std::source_location::current()
#endif
) {
#if defined(__CUDACC__)
  cooperative_groups::this_grid().sync();
#else
  host_cuda::grid_barrier(at);
#endif
}

}  // namespace natgrad
