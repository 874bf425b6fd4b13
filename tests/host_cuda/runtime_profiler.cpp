/// CUDA runtime: the range that a profiler records.
#include <cuda_profiler_api.h>

#include "host_cuda/api.hpp"

cudaError_t cudaProfilerStart() {
  return host_cuda::runtime_call(__func__, [] { ++host_cuda::mutable_counts().profiler_starts; });
}

cudaError_t cudaProfilerStop() {
  return host_cuda::runtime_call(__func__, [] { ++host_cuda::mutable_counts().profiler_stops; });
}
