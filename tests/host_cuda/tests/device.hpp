/// Fixtures of host CUDA's own tests.
#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "host_cuda/host_cuda.hpp"

namespace host_cuda {

/// An owned array in device memory.
template <class T>
struct DeviceArray {
  explicit DeviceArray(std::size_t n) : size(n) { EXPECT_EQ(cudaMalloc(&data, n * sizeof(T)), cudaSuccess); }
  explicit DeviceArray(const std::vector<T>& host) : DeviceArray(host.size()) { set(host); }
  ~DeviceArray() { EXPECT_EQ(cudaFree(data), cudaSuccess); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  void set(const std::vector<T>& host) {
    EXPECT_EQ(cudaMemcpy(data, host.data(), size * sizeof(T), cudaMemcpyHostToDevice), cudaSuccess);
  }
  std::vector<T> get() const {
    std::vector<T> host(size);
    EXPECT_EQ(cudaMemcpy(host.data(), data, size * sizeof(T), cudaMemcpyDeviceToHost), cudaSuccess);
    return host;
  }

  T* data = nullptr;
  std::size_t size;
};

/// An owned array in pinned host memory.
template <class T>
struct PinnedArray {
  explicit PinnedArray(std::size_t n) { EXPECT_EQ(cudaMallocHost(&data, n * sizeof(T)), cudaSuccess); }
  ~PinnedArray() { EXPECT_EQ(cudaFreeHost(data), cudaSuccess); }
  PinnedArray(const PinnedArray&) = delete;
  PinnedArray& operator=(const PinnedArray&) = delete;

  T* data = nullptr;
};

/// An owned non-blocking stream, unless another kind is asked for.
struct TestStream {
  explicit TestStream(unsigned flags = cudaStreamNonBlocking) {
    EXPECT_EQ(cudaStreamCreateWithFlags(&handle, flags), cudaSuccess);
  }
  ~TestStream() { EXPECT_EQ(cudaStreamDestroy(handle), cudaSuccess); }
  TestStream(const TestStream&) = delete;
  TestStream& operator=(const TestStream&) = delete;
  operator cudaStream_t() const { return handle; }

  cudaStream_t handle = nullptr;
};

/// Each test leaves no allocation and no error behind.
struct HostCuda : testing::Test {
  void TearDown() override {
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    EXPECT_EQ(live_allocations(), 0);
  }
};

}  // namespace host_cuda
