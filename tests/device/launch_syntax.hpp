/// For examples that g++ compiles for host CUDA: included in front of them, as nvcc includes its own headers.
///
/// g++ does not read kernel<<<grid, block, shared_bytes, stream>>>(args...); the build rewrites it, in a copy
/// of the example, to host_cuda::launcher(kernel, grid, block, shared_bytes, stream)(args...).
#pragma once

#include <cstddef>
#include <type_traits>

#include "host_cuda/simt.hpp"

namespace host_cuda {

template <class... Parameters>
auto launcher(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes = 0,
              cudaStream_t stream = nullptr) {
  return [=](std::type_identity_t<Parameters>... args) {
    enqueue_kernel(kernel, grid, block, shared_bytes, stream, args...);
  };
}

}  // namespace host_cuda
