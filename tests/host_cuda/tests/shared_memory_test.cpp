#include "host_cuda/tests/device.hpp"
#include "host_cuda/tests/errors.hpp"
#include "launch.cuh"
#include "natgrad/error.hpp"

using host_cuda::DeviceArray;
using host_cuda::expect_contains;
using host_cuda::kernel_error;
using natgrad::allow_shared;
using natgrad::block_shared;
using natgrad::launch;

using HostCudaSharedMemory = host_cuda::HostCuda;

template <int Bytes>
struct Raw {
  unsigned char bytes[Bytes];
};

template <int Bytes>
__global__ void touch_shared(unsigned char* out) {
  auto& s = block_shared<Raw<Bytes>>();
  if (threadIdx.x == 0) *out = s.bytes[Bytes - 1];
}

__global__ void write_beyond_shared(int by) { block_shared<Raw<8>>().bytes[by] = 1; }

namespace {

TEST_F(HostCudaSharedMemory, SharedMemoryIsPoisonedWhenABlockStarts) {
  DeviceArray<unsigned char> out(1);
  launch(touch_shared<16>, 1, 1, 16, nullptr, out.data);
  EXPECT_EQ(out.get()[0], 0xFF);
}

TEST_F(HostCudaSharedMemory, KernelThatWantsMoreSharedMemoryThanTheLaunchGaveIsAnError) {
  DeviceArray<unsigned char> out(1);
  launch(touch_shared<16>, 1, 1, 8, nullptr, out.data);
  expect_contains(kernel_error([] { cudaDeviceSynchronize(); }), "wants 16 bytes, the launch gave 8");
}

#if !defined(__SANITIZE_ADDRESS__)  // which ends the program at the write
TEST_F(HostCudaSharedMemory, WriteBeyondSharedMemoryIsFoundWhenTheBlockEnds) {
  launch(write_beyond_shared, 1, 1, 8, nullptr, 12);
  expect_contains(kernel_error([] { cudaDeviceSynchronize(); }), "beyond its 8 bytes of shared memory");
}
#endif

TEST_F(HostCudaSharedMemory, SharedMemoryOverFortyEightKilobytesNeedsTheOptIn) {
  constexpr int bytes = 100 << 10;
  DeviceArray<unsigned char> out(1);
  EXPECT_THROW(launch(touch_shared<bytes>, 1, 1, bytes, nullptr, out.data), natgrad::DeviceError);
  allow_shared(touch_shared<bytes>, bytes);
  launch(touch_shared<bytes>, 1, 1, bytes, nullptr, out.data);
  EXPECT_EQ(out.get()[0], 0xFF);
  EXPECT_THROW(allow_shared(touch_shared<bytes>, 228 << 10), natgrad::DeviceError);
}

}  // namespace
