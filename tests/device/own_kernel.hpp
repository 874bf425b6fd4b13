/// Tests of the device library run it in kernels of their own, as its users do; on a GPU and over host CUDA.
/// Included before the library's headers, for g++ looks for threadIdx and __shfl_sync where they are used
/// first.
#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include "grid.cuh"
#include "support/backends.hpp"

namespace natgrad {

/// The CUDA backend in both precisions: it gives the tests their memory.
inline std::vector<BackendCase> cuda_cases() { return {{"cuda", false}, {"cuda", true}}; }

/// Runs kernel(args...) after all that was enqueued, and waits for it: a test's matrices belong to the stream
/// of a backend.
template <class... Parameters>
void run_kernel(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
                std::type_identity_t<Parameters>... args) {
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  launch(kernel, grid, block, shared_bytes, nullptr, args...);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

/// body.operator()<N>() for N = 1 … most: orders that are known when a kernel is compiled.
template <int most, class Body>
void for_each_order(Body body) {
  [&]<int... order>(std::integer_sequence<int, order...>) { (body.template operator()<order + 1>(), ...); }
  (std::make_integer_sequence<int, most>());
}

}  // namespace natgrad
