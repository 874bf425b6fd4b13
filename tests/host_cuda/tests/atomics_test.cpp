#include <vector>

#include "host_cuda/tests/device.hpp"
#include "launch.cuh"

using host_cuda::DeviceArray;
using natgrad::launch;
using HostCudaAtomics = host_cuda::HostCuda;

namespace {

template <class T>
__global__ void add_one(T* sum) {
  atomicAdd(sum, T(1));
}

struct Extremes {
  int least, greatest;
  unsigned long long claimed, claims;
};

__global__ void compete(Extremes* e) {
  const int value = static_cast<int>(threadIdx.x * 37 % 64) - 20;
  atomicMin(&e->least, value);
  atomicMax(&e->greatest, value);
  if (atomicCAS(&e->claimed, 0ull, 1ull + threadIdx.x) == 0) atomicAdd(&e->claims, 1ull);
}

template <class T>
void expect_sum() {
  DeviceArray<T> sum(std::vector<T>{T(5)});
  launch(add_one<T>, 3, 100, 0, nullptr, sum.data);
  EXPECT_EQ(sum.get()[0], T(305));
}

TEST_F(HostCudaAtomics, AddSumsOverThreadsAndBlocksInEveryType) {
  expect_sum<int>();
  expect_sum<unsigned>();
  expect_sum<unsigned long long>();
  expect_sum<float>();
  expect_sum<double>();
}

TEST_F(HostCudaAtomics, MinimumMaximumAndCompareAndSwapDecideOnce) {
  DeviceArray<Extremes> e(std::vector<Extremes>{{0, 0, 0, 0}});
  launch(compete, 1, 64, 0, nullptr, e.data);
  const auto result = e.get()[0];
  EXPECT_EQ(result.least, -20);
  EXPECT_EQ(result.greatest, 43);
  EXPECT_EQ(result.claims, 1u);
  EXPECT_GE(result.claimed, 1u);
}

}  // namespace
