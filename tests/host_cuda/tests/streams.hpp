/// What the tests of streams and graphs share.
#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include "host_cuda/tests/device.hpp"
#include "launch.cuh"

namespace host_cuda {

struct Event {
  explicit Event(unsigned flags = cudaEventDefault) {
    EXPECT_EQ(cudaEventCreateWithFlags(&handle, flags), cudaSuccess);
  }
  ~Event() { EXPECT_EQ(cudaEventDestroy(handle), cudaSuccess); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  operator cudaEvent_t() const { return handle; }

  cudaEvent_t handle = nullptr;
};

/// x ← factor·x + term, which does not commute.
__global__ inline void affine(int* x, int factor, int term) { *x = factor * *x + term; }

}  // namespace host_cuda
