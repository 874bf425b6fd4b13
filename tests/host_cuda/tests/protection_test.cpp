#include <cstdlib>
#include <vector>

#include "host_cuda/tests/device.hpp"
#include "launch.cuh"

using host_cuda::DeviceArray;
using HostCudaProtectionDeathTest = host_cuda::HostCuda;

namespace {

__global__ void read_from(const int* data, int* out) { *out = *data; }

// Each of these ends its process: with status 3 where nothing stops it.

[[noreturn]] void read_on_the_host() {
  setenv("NATGRAD_HOST_CUDA_PROTECT", "1", 1);
  const DeviceArray<int> a(std::vector<int>{3});
  std::_Exit(*static_cast<volatile int*>(a.data));
}

[[noreturn]] void write_on_the_host_before_the_synchronisation() {
  setenv("NATGRAD_HOST_CUDA_PROTECT", "1", 1);
  const DeviceArray<int> a(std::vector<int>{3}), b(1);
  natgrad::launch(read_from, 1, 1, 0, nullptr, a.data, b.data);
  *static_cast<volatile int*>(b.data) = 1;
  std::_Exit(3);
}

[[noreturn]] void read_freed_memory_in_a_kernel() {
  setenv("NATGRAD_HOST_CUDA_PROTECT", "1", 1);
  int* freed = nullptr;
  cudaMalloc(&freed, sizeof(int));
  cudaFree(freed);
  const DeviceArray<int> out(1);
  natgrad::launch(read_from, 1, 1, 0, nullptr, freed, out.data);
  cudaDeviceSynchronize();
  std::_Exit(3);
}

[[noreturn]] void read_in_a_kernel() {
  setenv("NATGRAD_HOST_CUDA_PROTECT", "1", 1);
  const DeviceArray<int> a(std::vector<int>{3}), b(1);
  natgrad::launch(read_from, 1, 1, 0, nullptr, a.data, b.data);
  std::_Exit(b.get()[0]);
}

TEST_F(HostCudaProtectionDeathTest, KernelsReachProtectedMemory) {
  EXPECT_EXIT(read_in_a_kernel(), testing::ExitedWithCode(3), "");
}

bool was_stopped(int status) { return !testing::ExitedWithCode(3)(status); }

TEST_F(HostCudaProtectionDeathTest, HostCodeCannotReadDeviceMemory) {
  EXPECT_EXIT(read_on_the_host(), was_stopped, "");
}

TEST_F(HostCudaProtectionDeathTest, HostCodeCannotWriteDeviceMemoryBeforeTheSynchronisation) {
  EXPECT_EXIT(write_on_the_host_before_the_synchronisation(), was_stopped, "");
}

TEST_F(HostCudaProtectionDeathTest, KernelsCannotReadFreedMemory) {
  EXPECT_EXIT(read_freed_memory_in_a_kernel(), was_stopped, "");
}

}  // namespace
