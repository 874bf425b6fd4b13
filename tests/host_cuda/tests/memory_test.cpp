#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "host_cuda/tests/device.hpp"
#include "launch.cuh"

using host_cuda::DeviceArray;
using host_cuda::PinnedArray;
using host_cuda::TestStream;
using natgrad::launch;

namespace {

struct HostCudaMemory : host_cuda::HostCuda {
  /// The call's status must be `expected`, and be the last error.
  static void expect_refused(cudaError_t status, cudaError_t expected = cudaErrorInvalidValue) {
    EXPECT_EQ(status, expected);
    EXPECT_EQ(cudaGetLastError(), expected);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  }
};

__global__ void write_at(unsigned char* data, int i) { data[i] = 1; }

TEST_F(HostCudaMemory, NewMemoryIsPoisonedWithNaN) {
  const DeviceArray<float> f(3);
  const DeviceArray<double> d(3);
  for (const float x : f.get()) EXPECT_TRUE(std::isnan(x));
  for (const double x : d.get()) EXPECT_TRUE(std::isnan(x));
}

TEST_F(HostCudaMemory, CopiesOutsideTheAllocationAreRefused) {
  DeviceArray<int> a(4);
  std::vector<int> host(8);
  expect_refused(cudaMemcpy(host.data(), a.data, 20, cudaMemcpyDeviceToHost));
  expect_refused(cudaMemcpy(host.data(), a.data + 3, 8, cudaMemcpyDeviceToHost));
  expect_refused(cudaMemcpy(a.data - 1, host.data(), 8, cudaMemcpyHostToDevice));
  expect_refused(cudaMemsetAsync(a.data, 0, 17, nullptr));
  expect_refused(cudaMemcpy2DAsync(a.data, 12, host.data(), 8, 8, 2, cudaMemcpyHostToDevice, nullptr));
  expect_refused(cudaMemcpy2DAsync(a.data, 4, host.data(), 8, 8, 2, cudaMemcpyHostToDevice, nullptr));
  expect_refused(cudaMemset2DAsync(a.data, 12, 0, 8, 2, nullptr));
  EXPECT_EQ(cudaMemcpy2DAsync(a.data, 8, host.data(), 12, 8, 2, cudaMemcpyHostToDevice, nullptr),
            cudaSuccess);
}

TEST_F(HostCudaMemory, CopiesWhoseKindDoesNotFitThePointersAreRefused) {
  DeviceArray<int> a(4);
  PinnedArray<int> pinned(4);
  std::vector<int> host(4);
  expect_refused(cudaMemcpy(host.data(), a.data, 16, cudaMemcpyHostToDevice));
  expect_refused(cudaMemcpy(a.data, host.data(), 16, cudaMemcpyDeviceToHost));
  expect_refused(cudaMemcpy(a.data, host.data(), 16, cudaMemcpyDeviceToDevice));
  expect_refused(cudaMemcpy(pinned.data, a.data, 16, cudaMemcpyDeviceToDevice));
  expect_refused(cudaMemcpy(host.data(), a.data, 16, cudaMemcpyHostToHost));
  expect_refused(cudaMemsetAsync(host.data(), 0, 16, nullptr));
  EXPECT_EQ(cudaMemcpy(a.data, host.data(), 16, cudaMemcpyDefault), cudaSuccess);
}

TEST_F(HostCudaMemory, TwoDimensionalCopiesMoveRowsAndLeaveTheGapsAlone) {
  const std::vector<int> rows{1, 2, -1, 3, 4, -1};  // two rows of two, three apart
  DeviceArray<int> a(std::vector<int>(8, 9));
  EXPECT_EQ(cudaMemcpy2DAsync(a.data, 16, rows.data(), 12, 8, 2, cudaMemcpyHostToDevice, nullptr),
            cudaSuccess);
  EXPECT_EQ(cudaMemset2DAsync(a.data + 3, 16, 0, 4, 2, nullptr), cudaSuccess);
  EXPECT_EQ(a.get(), (std::vector<int>{1, 2, 9, 0, 3, 4, 9, 0}));
}

TEST_F(HostCudaMemory, FreesThatAreNotOneForEachAllocationAreRefused) {
  const TestStream stream;
  int *a = nullptr, *b = nullptr;
  int on_stack = 0;
  ASSERT_EQ(cudaMalloc(&a, 64), cudaSuccess);
  ASSERT_EQ(cudaMallocAsync(&b, 64, stream), cudaSuccess);
  expect_refused(cudaFree(a + 1));
  expect_refused(cudaFree(&on_stack));
  expect_refused(cudaFreeHost(a));
  EXPECT_EQ(cudaFree(a), cudaSuccess);
  expect_refused(cudaFree(a));
  EXPECT_EQ(cudaFreeAsync(b, stream), cudaSuccess);
  expect_refused(cudaFreeAsync(b, stream));
  EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
}

TEST_F(HostCudaMemory, UseAfterFreeIsRefusedFromTheMomentTheFreeIsQueued) {
  const TestStream stream;
  int* a = nullptr;
  ASSERT_EQ(cudaMallocAsync(&a, 64, stream), cudaSuccess);
  EXPECT_EQ(cudaMemsetAsync(a, 0, 64, stream), cudaSuccess);
  EXPECT_EQ(cudaFreeAsync(a, stream), cudaSuccess);
  EXPECT_EQ(host_cuda::live_allocations(), 1);
  expect_refused(cudaMemsetAsync(a, 0, 64, stream));
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(host_cuda::live_allocations(), 0);
  expect_refused(cudaMemsetAsync(a, 0, 64, stream));
}

#if !defined(__SANITIZE_ADDRESS__)  // which ends the program at the write
TEST_F(HostCudaMemory, WritesBesideAnAllocationAreFoundAtTheSynchronisation) {
  for (const int offset : {-1, -200, 10, 100}) {
    DeviceArray<unsigned char> a(10);
    launch(write_at, 1, 1, 0, nullptr, a.data, offset);
    expect_refused(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  }
}

TEST_F(HostCudaMemory, WritesBesideAnAllocationAreFoundAtTheFree) {
  const TestStream stream;
  unsigned char* data = nullptr;
  ASSERT_EQ(cudaMallocAsync(&data, 10, stream), cudaSuccess);
  launch(write_at, 1, 1, 0, stream, data, 10);
  EXPECT_EQ(cudaFreeAsync(data, stream), cudaSuccess);
  expect_refused(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
}

TEST_F(HostCudaMemory, WritesToFreedMemoryAreFoundAtTheSynchronisation) {
  if (std::getenv("NATGRAD_HOST_CUDA_PROTECT") != nullptr) GTEST_SKIP() << "the write itself is caught";
  unsigned char* freed = nullptr;
  ASSERT_EQ(cudaMalloc(&freed, 10), cudaSuccess);
  ASSERT_EQ(cudaFree(freed), cudaSuccess);
  launch(write_at, 1, 1, 0, nullptr, freed, 3);
  expect_refused(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
}
#endif

TEST_F(HostCudaMemory, AllocationFailsWhenToldTo) {
  host_cuda::fail_allocation(2);
  DeviceArray<int> first(4);
  int* second = nullptr;
  expect_refused(cudaMalloc(&second, 4), cudaErrorMemoryAllocation);
  DeviceArray<int> third(4);
  EXPECT_EQ(host_cuda::live_allocations(), 2);
}

TEST_F(HostCudaMemory, AllocationBeyondTheDevicesMemoryFails) {
  setenv("NATGRAD_HOST_CUDA_MEMORY", "1000", 1);
  {
    DeviceArray<char> first(600);
    char* second = nullptr;
    expect_refused(cudaMalloc(&second, 401), cudaErrorMemoryAllocation);
    DeviceArray<char> third(400);
    std::size_t free = 1, total = 0;
    EXPECT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
    EXPECT_EQ(free, 0u);
    EXPECT_EQ(total, 1000u);
  }
  unsetenv("NATGRAD_HOST_CUDA_MEMORY");
}

TEST_F(HostCudaMemory, CountersCountCallsAndLiveAllocations) {
  host_cuda::reset_counts();
  {
    DeviceArray<int> a(4);
    EXPECT_EQ(host_cuda::live_allocations(), 1);
    launch(write_at, 1, 1, 0, nullptr, reinterpret_cast<unsigned char*>(a.data), 3);
    EXPECT_EQ(cudaMemsetAsync(a.data, 0, 16, nullptr), cudaSuccess);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  }
  const auto counts = host_cuda::counts();
  EXPECT_EQ(counts.allocations, 1);
  EXPECT_EQ(counts.frees, 1);
  EXPECT_EQ(counts.launches, 1);
  EXPECT_EQ(counts.copies, 1);
  EXPECT_EQ(counts.synchronisations, 2);  // cudaFree waits, too
  EXPECT_EQ(counts.library_calls, 0);
}

TEST_F(HostCudaMemory, PointerAttributesTellDevicePinnedAndOrdinaryMemory) {
  const DeviceArray<int> device(4);
  const PinnedArray<int> pinned(4);
  const int ordinary = 0;
  const auto type = [](const void* pointer) {
    cudaPointerAttributes attributes{};
    EXPECT_EQ(cudaPointerGetAttributes(&attributes, pointer), cudaSuccess);
    return attributes.type;
  };
  EXPECT_EQ(type(device.data + 1), cudaMemoryTypeDevice);
  EXPECT_EQ(type(pinned.data + 1), cudaMemoryTypeHost);
  EXPECT_EQ(type(&ordinary), cudaMemoryTypeUnregistered);
}

TEST_F(HostCudaMemory, NoBytesAreANullPointer) {
  int* a = reinterpret_cast<int*>(8);
  EXPECT_EQ(cudaMalloc(&a, 0), cudaSuccess);
  EXPECT_EQ(a, nullptr);
  EXPECT_EQ(cudaMemcpy(nullptr, nullptr, 0, cudaMemcpyHostToDevice), cudaSuccess);
}

TEST_F(HostCudaMemory, DeviceSaysThatItIsTheHost) {
  cudaDeviceProp properties{};
  int count = 0, major = 0, value = 0;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT_EQ(count, 1);
  EXPECT_EQ(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  EXPECT_EQ(std::string(properties.name), "host CUDA (executed on the CPU)");
  EXPECT_EQ(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), cudaSuccess);
  EXPECT_EQ(major, 9);
  EXPECT_EQ(properties.major, 9);
  expect_refused(cudaSetDevice(1), cudaErrorInvalidDevice);
  expect_refused(cudaDeviceGetAttribute(&value, cudaDevAttrMaxPitch, 0));
  EXPECT_STREQ(cudaGetErrorName(cudaErrorMemoryAllocation), "cudaErrorMemoryAllocation");
  EXPECT_STREQ(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory");
}

TEST_F(HostCudaMemory, DefaultPoolKeepsItsReleaseThreshold) {
  cudaMemPool_t pool = nullptr;
  std::uint64_t threshold = UINT64_MAX, read = 0;
  EXPECT_EQ(cudaDeviceGetDefaultMemPool(&pool, 0), cudaSuccess);
  EXPECT_EQ(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold), cudaSuccess);
  EXPECT_EQ(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &read), cudaSuccess);
  EXPECT_EQ(read, threshold);
}

}  // namespace
