/// Where Thrust's algorithms run: for those sources that use Thrust.
#pragma once

#include <cuda_runtime.h>

#if defined(__CUDACC__)
#include <thrust/system/cuda/execution_policy.h>
#else
#include "host_cuda/thrust_policy.hpp"
#endif

namespace natgrad {

/// For use as a temporary: thrust::sort(thrust_policy(stream), …). Runs in the stream's order; an algorithm
/// that returns a value waits for it, the others may return before they are done.
inline auto thrust_policy(cudaStream_t stream) {
#if defined(__CUDACC__)
  return thrust::cuda::par_nosync.on(stream);
#else
  host_cuda::drain(stream);
  return host_cuda::ThrustPolicy{};
#endif
}

}  // namespace natgrad
