#include <thrust/functional.h>
#include <thrust/sort.h>
#include <thrust/transform_reduce.h>

#include <vector>

#include "host_cuda/tests/device.hpp"
#include "launch.cuh"
#include "thrust_policy.cuh"

using host_cuda::DeviceArray;
using natgrad::launch;
using natgrad::thrust_policy;
using HostCudaThrust = host_cuda::HostCuda;

namespace {

__global__ void reverse_indices(int* x, int n) { x[threadIdx.x] = n - static_cast<int>(threadIdx.x); }

struct Square {
  __host__ __device__ double operator()(int i) const { return static_cast<double>(i) * i; }
};

TEST_F(HostCudaThrust, AlgorithmsSeeWhatTheStreamWroteBefore) {
  const host_cuda::TestStream stream;
  DeviceArray<int> x(5);
  launch(reverse_indices, 1, 5, 0, stream, x.data, 5);
  const double squares = thrust::transform_reduce(thrust_policy(stream), x.data, x.data + 5, Square{}, 0.0,
                                                  thrust::plus<double>());
  EXPECT_EQ(squares, 55.0);
  thrust::sort(thrust_policy(stream), x.data, x.data + 5);
  EXPECT_EQ(x.get(), (std::vector<int>{1, 2, 3, 4, 5}));
}

TEST_F(HostCudaThrust, SortByKeyCarriesTheValues) {
  const host_cuda::TestStream stream;
  DeviceArray<unsigned long long> keys(std::vector<unsigned long long>{30, 10, 20});
  DeviceArray<long> values(std::vector<long>{0, 1, 2});
  thrust::stable_sort_by_key(thrust_policy(stream), keys.data, keys.data + 3, values.data);
  EXPECT_EQ(values.get(), (std::vector<long>{1, 2, 0}));
}

}  // namespace
