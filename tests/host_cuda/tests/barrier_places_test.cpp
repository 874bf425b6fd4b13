#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "cooperative.cuh"
#include "host_cuda/tests/device.hpp"
#include "host_cuda/tests/environment.hpp"
#include "host_cuda/tests/errors.hpp"
#include "host_cuda/tsan.hpp"

using host_cuda::DeviceArray;
using host_cuda::EnvironmentVariable;
using natgrad::block_shared;
using natgrad::grid_sync;
using natgrad::launch_cooperative;

using HostCudaBarrierPlaces = host_cuda::HostCuda;

constexpr int first_barrier = 31;  // its line; a warp's and the grid's follow

struct Exchange {
  int value[32];
};

/// Three exchanges between threads, each behind a barrier of another kind. out: 3 × threads, x: threads.
__global__ void exchange_thrice(int* x, int* out) {
  auto& s = block_shared<Exchange>();
  const unsigned t = threadIdx.x, i = blockIdx.x * 32 + t, n = gridDim.x * 32;
  s.value[t] = 1;
  __syncthreads();
  out[i] = s.value[31 - t];
  __syncthreads();
  s.value[t] = 2;
  __syncwarp();
  out[n + i] = s.value[31 - t];
  x[i] = 3;
  grid_sync();
  out[2 * n + i] = x[n - 1 - i];
}

namespace {

/// The exchanges whose results are wrong.
std::vector<int> wrong_exchanges() {
  DeviceArray<int> x(64), out(3 * 64);
  launch_cooperative(exchange_thrice, 2, 32, sizeof(Exchange), nullptr, x.data, out.data);
  const auto values = out.get();
  std::vector<int> wrong;
  for (int e = 0; e < 3; ++e)
    for (int i = 0; i < 64; ++i)
      if (values[e * 64 + i] != e + 1) {
        wrong.push_back(e);
        break;
      }
  return wrong;
}

std::string place(int line) { return "barrier_places_test.cpp:" + std::to_string(line); }

TEST_F(HostCudaBarrierPlaces, TheBarrierAtThePlaceIsDroppedAndNoOther) {
  if (host_cuda::tsan::enabled) GTEST_SKIP() << "ThreadSanitizer would report what is dropped";
  EXPECT_EQ(wrong_exchanges(), std::vector<int>{});
  const auto wrong_without = [](const std::string& dropped) {
    const EnvironmentVariable drop("NATGRAD_HOST_CUDA_DROP", dropped);
    return wrong_exchanges();
  };
  EXPECT_EQ(wrong_without(place(first_barrier)), std::vector<int>{0});
  EXPECT_EQ(wrong_without(place(first_barrier + 4)), std::vector<int>{1});
  EXPECT_EQ(wrong_without(place(first_barrier + 7)), std::vector<int>{2});
  EXPECT_EQ(wrong_without(place(first_barrier + 1)), std::vector<int>{});  // no barrier there
  EXPECT_EQ(wrong_without("another.cuh:" + std::to_string(first_barrier)), std::vector<int>{});
}

TEST_F(HostCudaBarrierPlaces, ADropWithoutALineIsAnError) {
  for (const char* text : {"barrier.cuh", "barrier.cuh:", "barrier.cuh:x"}) {
    const EnvironmentVariable drop("NATGRAD_HOST_CUDA_DROP", text);
    host_cuda::expect_contains(host_cuda::kernel_error([] { wrong_exchanges(); }), "must be FILE:LINE");
  }
}

TEST_F(HostCudaBarrierPlaces, EachPlaceIsWrittenOnce) {
  const std::string path = testing::TempDir() + "barrier_places_test.txt";
  std::remove(path.c_str());
  {
    const EnvironmentVariable record("NATGRAD_HOST_CUDA_BARRIERS", path);
    wrong_exchanges();
    wrong_exchanges();
  }
  std::ifstream file(path);
  std::vector<std::string> places;
  for (std::string line; std::getline(file, line);) places.push_back(line);
  EXPECT_EQ(places, (std::vector<std::string>{place(first_barrier), place(first_barrier + 2),
                                              place(first_barrier + 4), place(first_barrier + 7)}));
  std::remove(path.c_str());
}

}  // namespace
