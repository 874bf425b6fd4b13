#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "host_cuda/tests/device.hpp"
#include "host_cuda/tests/environment.hpp"
#include "host_cuda/tests/errors.hpp"
#include "launch.cuh"
#include "natgrad/error.hpp"

using host_cuda::DeviceArray;
using host_cuda::expect_contains;
using host_cuda::kernel_error;
using host_cuda::KernelError;
using host_cuda::TestStream;
using natgrad::block_shared;
using natgrad::launch;

using HostCudaKernels = host_cuda::HostCuda;

// Kernels outside an unnamed namespace, so that messages can name them.

__global__ void write_indices(int* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned i = block * blockDim.x * blockDim.y * blockDim.z + thread;
  out[i] += static_cast<int>(i);
}

template <class R>
struct Tile {
  R values[32][33];
};

/// b = aᵀ, n × n.
template <class R>
__global__ void __launch_bounds__(1024) transpose(const R* __restrict__ a, R* b, int n) {
  auto& s = block_shared<Tile<R>>();
  const int i = blockIdx.x * 32 + threadIdx.x, j = blockIdx.y * 32 + threadIdx.y;
  if (i < n && j < n) s.values[threadIdx.y][threadIdx.x] = a[i + j * n];
  __syncthreads();
  const int k = blockIdx.y * 32 + threadIdx.x, l = blockIdx.x * 32 + threadIdx.y;
  if (k < n && l < n) b[k + l * n] = s.values[threadIdx.x][threadIdx.y];
}

struct Partials {
  double sums[32];
};

/// Sum of a block's elements by shuffles; blockDim.x a multiple of 32.
__global__ void block_sum(const double* x, double* sum) {
  auto& s = block_shared<Partials>();
  double value = x[blockIdx.x * blockDim.x + threadIdx.x];
  for (int delta = 16; delta > 0; delta /= 2) value += __shfl_down_sync(0xffffffffu, value, delta);
  if (threadIdx.x % 32 == 0) s.sums[threadIdx.x / 32] = value;
  __syncthreads();
  if (threadIdx.x < 32) {
    value = threadIdx.x < blockDim.x / 32 ? s.sums[threadIdx.x] : 0.0;
    for (int bits = 16; bits > 0; bits /= 2) value += __shfl_xor_sync(0xffffffffu, value, bits);
    if (threadIdx.x == 0) sum[blockIdx.x] = value;
  }
}

__global__ void barrier_for_some() {
  if (threadIdx.x < 40) __syncthreads();
}

__global__ void barrier_in_both_branches() {
  if (threadIdx.x % 2 == 0)
    __syncthreads();
  else
    __syncthreads();
}

__global__ void shuffle_in_some_lanes(int* out) {
  if (threadIdx.x < 20) out[threadIdx.x] = __shfl_sync(0xffffffffu, 1, 0);
}

__global__ void shuffle_outside_own_mask(int* out) { out[threadIdx.x] = __shfl_sync(0x1u, 1, 0); }

__global__ void throw_in_thread(unsigned thread) {
  __syncthreads();
  if (threadIdx.x == thread) throw std::out_of_range("index 7 of 5");
  __syncthreads();
}

__global__ void nothing() {}

__global__ void record_order(int* order, int* count) {
  order[atomicAdd(count, 1)] = static_cast<int>(threadIdx.x);
}

struct WarpResults {
  int broadcast, segment, down, down_edge, exchanged;
  unsigned ballot;
  int any, none;
  float inactive;
};

__global__ void use_warp(WarpResults* out) {
  const int lane = static_cast<int>(threadIdx.x);
  WarpResults r{};
  r.broadcast = __shfl_sync(0xffffffffu, lane * 10, 5);
  r.segment = __shfl_sync(0xffffffffu, lane, 3, 8);
  r.down = __shfl_down_sync(0xffffffffu, lane, 1u);
  r.down_edge = __shfl_down_sync(0xffffffffu, lane, 3u, 8);
  r.exchanged = __shfl_xor_sync(0xffffffffu, lane, 9);
  r.ballot = __ballot_sync(0xffffffffu, lane % 3 == 0);
  r.any = __any_sync(0xffffffffu, lane == 31);
  r.none = __any_sync(0xffffffffu, lane == 32);
  __syncwarp();
  // The two halves meet apart, at one place in the source.
  const unsigned half = lane < 16 ? 0xffffu : 0xffff0000u;
  r.inactive = __shfl_down_sync(half, 1.0f, 8u);
  out[lane] = r;
}

namespace {

TEST_F(HostCudaKernels, EveryThreadOfEveryBlockRunsOnceWithItsOwnIndices) {
  const dim3 grid(3, 2, 2), block(5, 4, 3);
  DeviceArray<int> out(std::vector<int>(12 * 60, 1));
  launch(write_indices, grid, block, 0, nullptr, out.data);
  const auto values = out.get();
  for (int i = 0; i < 720; ++i) ASSERT_EQ(values[i], i + 1) << i;
}

TEST_F(HostCudaKernels, TileTransposeReadsWhatOtherThreadsWroteBeforeTheBarrier) {
  for (const int n : {1, 31, 32, 33, 70}) {
    std::vector<double> a(static_cast<std::size_t>(n * n));
    std::iota(a.begin(), a.end(), 0.0);
    DeviceArray<double> from(a), to(a.size());
    const unsigned blocks = (n + 31) / 32;
    launch(transpose<double>, {blocks, blocks}, {32, 32}, sizeof(Tile<double>), nullptr, from.data, to.data,
           n);
    const auto b = to.get();
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < n; ++i) ASSERT_EQ(b[j + i * n], a[i + j * n]) << i << ", " << j << " of " << n;
  }
}

TEST_F(HostCudaKernels, BlockReductionWithShufflesSumsAllElements) {
  for (const unsigned threads : {32u, 64u, 1024u}) {
    std::vector<double> x(2 * threads);
    std::iota(x.begin(), x.end(), 1.0);
    DeviceArray<double> values(x), sums(2);
    launch(block_sum, 2, threads, sizeof(Partials), nullptr, values.data, sums.data);
    const double first = 0.5 * threads * (threads + 1.0);
    EXPECT_EQ(sums.get(), (std::vector<double>{first, first + double(threads) * threads}));
  }
}

TEST_F(HostCudaKernels, WarpOperationsGiveWhatCudaDefines) {
  DeviceArray<WarpResults> out(32);
  launch(use_warp, 1, 32, 0, nullptr, out.data);
  const auto results = out.get();
  for (int lane = 0; lane < 32; ++lane) {
    const auto& r = results[lane];
    SCOPED_TRACE(lane);
    EXPECT_EQ(r.broadcast, 50);
    EXPECT_EQ(r.segment, lane / 8 * 8 + 3);
    EXPECT_EQ(r.down, lane < 31 ? lane + 1 : 31);
    EXPECT_EQ(r.down_edge, lane % 8 < 5 ? lane + 3 : lane);
    EXPECT_EQ(r.exchanged, lane ^ 9);
    EXPECT_EQ(r.ballot, 0x49249249u);
    EXPECT_NE(r.any, 0);
    EXPECT_EQ(r.none, 0);
    // Lanes 8 … 15 read lanes of the other half, whose values a device leaves undefined.
    EXPECT_EQ(std::isnan(r.inactive), lane >= 8 && lane < 16);
  }
}

TEST_F(HostCudaKernels, BarrierThatSomeThreadsMissIsAnErrorNamingKernelBlockAndLine) {
  launch(barrier_for_some, 2, 64, 0, nullptr);
  const auto message = kernel_error([] { cudaDeviceSynchronize(); });
  expect_contains(message, "barrier_for_some");
  expect_contains(message, "block (");
  expect_contains(message, "kernels_test.cpp:");
  expect_contains(message, "reached by 40 of 64 threads");
  expect_contains(message, "has returned");
}

TEST_F(HostCudaKernels, BarriersAtTwoPlacesDoNotMeet) {
  launch(barrier_in_both_branches, 1, 2, 0, nullptr);
  expect_contains(kernel_error([] { cudaDeviceSynchronize(); }), "reached by 1 of 2 threads");
}

TEST_F(HostCudaKernels, ShuffleMaskMustEqualTheLanesThatArrive) {
  DeviceArray<int> out(32);
  launch(shuffle_in_some_lanes, 1, 32, 0, nullptr, out.data);
  const auto message = kernel_error([] { cudaDeviceSynchronize(); });
  expect_contains(message, "shuffle_in_some_lanes");
  expect_contains(message, "mask 0xffffffff, but lanes 0xfffff arrived");
}

TEST_F(HostCudaKernels, FullMaskInAnIncompleteWarpIsAnError) {
  DeviceArray<int> out(32);
  launch(shuffle_in_some_lanes, 1, 8, 0, nullptr, out.data);
  expect_contains(kernel_error([] { cudaDeviceSynchronize(); }), "but lanes 0xff arrived");
}

TEST_F(HostCudaKernels, LaneOutsideItsOwnMaskIsAnError) {
  DeviceArray<int> out(2);
  launch(shuffle_outside_own_mask, 1, 2, 0, nullptr, out.data);
  expect_contains(kernel_error([] { cudaDeviceSynchronize(); }), "lane 1 is not in the mask");
}

TEST_F(HostCudaKernels, ExceptionInAThreadIsRethrownByTheSynchronisingCall) {
  launch(throw_in_thread, 4, 96, 0, nullptr, 40u);
  EXPECT_THROW(cudaDeviceSynchronize(), std::out_of_range);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);  // the executor is whole again
  launch(throw_in_thread, 4, 96, 0, nullptr, 96u);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST_F(HostCudaKernels, DestroyingAStreamReportsAKernelsErrorInsteadOfThrowing) {
  cudaStream_t stream = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  launch(barrier_for_some, 1, 64, 0, stream);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
}

TEST_F(HostCudaKernels, OperationsBehindAFailedKernelAreDroppedButFreesAreNot) {
  const TestStream stream;
  DeviceArray<int> untouched(std::vector<int>{5});
  int* data = nullptr;
  ASSERT_EQ(cudaMallocAsync(&data, 4, stream), cudaSuccess);
  launch(barrier_for_some, 1, 64, 0, stream);
  EXPECT_EQ(cudaMemsetAsync(untouched.data, 0, 4, stream), cudaSuccess);
  EXPECT_EQ(cudaFreeAsync(data, stream), cudaSuccess);
  EXPECT_THROW(cudaStreamSynchronize(stream), KernelError);
  EXPECT_EQ(untouched.get(), std::vector<int>{5});
}

TEST_F(HostCudaKernels, LaunchesThatADeviceRefusesThrowNamingTheKernel) {
  EXPECT_THROW(launch(nothing, 1, 1025, 0, nullptr), natgrad::DeviceError);
  EXPECT_THROW(launch(nothing, 1, {64, 32}, 0, nullptr), natgrad::DeviceError);
  EXPECT_THROW(launch(nothing, 1, {1, 1, 65}, 0, nullptr), natgrad::DeviceError);
  EXPECT_THROW(launch(nothing, 1, 0, 0, nullptr), natgrad::DeviceError);
  EXPECT_THROW(launch(nothing, {1, 1, 65536}, 1, 0, nullptr), natgrad::DeviceError);
  try {
    launch(nothing, {1, 65536}, 1, 0, nullptr);
    FAIL() << "grid.y of 65536 was accepted";
  } catch (const natgrad::DeviceError& error) {
    expect_contains(error.what(), "nothing()");
    expect_contains(error.what(), "(1, 65536, 1)");
    expect_contains(error.what(), "cudaErrorInvalidConfiguration");
  }
}

TEST_F(HostCudaKernels, GridWithoutBlocksIsNotLaunched) {
  host_cuda::reset_counts();
  launch(nothing, {4, 0}, 32, 0, nullptr);
  launch(nothing, 4, 32, 0, nullptr);
  EXPECT_EQ(host_cuda::counts().launches, 1);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST_F(HostCudaKernels, SeedShufflesTheOrderOfThreadsReproducibly) {
  const auto order = [](const char* seed) {
    const host_cuda::EnvironmentVariable shuffle("NATGRAD_HOST_CUDA_SHUFFLE", seed);
    DeviceArray<int> threads(64), count(std::vector<int>{0});
    launch(record_order, 1, 64, 0, nullptr, threads.data, count.data);
    return threads.get();
  };
  auto in_order = order("0"), reversed = order("1"), third = order("3");
  EXPECT_TRUE(std::is_sorted(in_order.begin(), in_order.end()));
  EXPECT_TRUE(std::is_sorted(reversed.rbegin(), reversed.rend()));
  EXPECT_EQ(third, order("3"));
  EXPECT_NE(third, order("4"));
  EXPECT_FALSE(std::is_sorted(third.begin(), third.end()));
  std::sort(third.begin(), third.end());
  EXPECT_EQ(third, in_order);
}

}  // namespace
