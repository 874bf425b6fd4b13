/// Under ThreadSanitizer the executor finds races between a kernel's threads, and no others.
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "cooperative.cuh"
#include "host_cuda/tests/device.hpp"
#include "host_cuda/tsan.hpp"

using host_cuda::DeviceArray;
using natgrad::block_shared;
using natgrad::grid_sync;
using natgrad::launch;
using natgrad::launch_cooperative;

constexpr int block_size = 70, blocks = 3;

struct Values {
  int value[block_size];
};

/// Every thread reads what its neighbour wrote: in shared memory, in device memory of the block, in that of
/// the grid. Correct only with the barrier.
template <bool Barrier>
__global__ void read_shared(int* out) {
  auto& s = block_shared<Values>();
  s.value[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (Barrier) __syncthreads();
  out[blockIdx.x * blockDim.x + threadIdx.x] = s.value[(threadIdx.x + 1) % blockDim.x];
}

template <bool Barrier>
__global__ void read_device(int* x, int* out) {
  int* own = x + blockIdx.x * blockDim.x;
  own[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (Barrier) __syncthreads();
  out[blockIdx.x * blockDim.x + threadIdx.x] = own[(threadIdx.x + 1) % blockDim.x];
}

template <bool Barrier>
__global__ void read_grid(int* x, int* out) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  x[i] = i;
  if (Barrier)
    grid_sync();
  else
    __syncthreads();
  out[i] = x[(i + block_size) % (blocks * block_size)];
}

/// The next write overtakes the last read.
template <bool Barrier>
__global__ void write_after_read(int* out) {
  auto& s = block_shared<Values>();
  int sum = 0;
  for (int step = 0; step < 3; ++step) {
    if (threadIdx.x == 0) s.value[0] = step;
    __syncthreads();
    sum += s.value[0];
    if (Barrier) __syncthreads();
  }
  out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

/// Lanes meet their own warp, and not the other warps.
template <bool Barrier>
__global__ void read_warp(int* out) {
  auto& s = block_shared<Values>();
  const unsigned base = threadIdx.x / 32 * 32;
  const unsigned count = blockDim.x - base < 32 ? blockDim.x - base : 32;
  s.value[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (Barrier) __syncwarp(count == 32 ? 0xffffffffu : (1u << count) - 1);
  out[blockIdx.x * blockDim.x + threadIdx.x] = s.value[base + (threadIdx.x - base + 1) % count];
}

/// A shuffle orders its lanes.
__global__ void read_after_shuffle(int* out) {
  auto& s = block_shared<Values>();
  s.value[threadIdx.x] = static_cast<int>(threadIdx.x);
  const int one = __shfl_xor_sync(0xffffffffu, 1, 1);
  out[threadIdx.x] = s.value[threadIdx.x ^ one];
}

__global__ void warp_barrier_between_warps(int* out) {
  auto& s = block_shared<Values>();
  s.value[threadIdx.x] = static_cast<int>(threadIdx.x);
  __syncwarp();
  out[threadIdx.x] = s.value[threadIdx.x ^ 32];
}

__global__ void every_block_writes(int* out) { *out = static_cast<int>(blockIdx.x); }

__global__ void every_thread_adds(int* out) { atomicAdd(out, 1); }

__global__ void stop_in_thread(int* out, unsigned thread) {
  auto& s = block_shared<Values>();
  s.value[threadIdx.x] = 1;
  out[threadIdx.x] = 1;
  if (threadIdx.x == thread) throw std::out_of_range("stop");
  __syncthreads();
}

namespace {

/// The program ends with 66 where ThreadSanitizer has something to report, whatever else it does.
struct HostCudaRaces : testing::Test {
  void SetUp() override {
    if (!host_cuda::tsan::enabled) GTEST_SKIP() << "built without -fsanitize=thread";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
};

template <class Work>
void run_and_exit(Work work) {
  int status = 0;
  {
    DeviceArray<int> x(blocks * block_size), out(blocks * block_size);
    work(x.data, out.data);
    status = cudaDeviceSynchronize() == cudaSuccess ? 0 : 1;
  }
  std::exit(status);
}

template <class Work>
void expect_race(Work work, const char* where) {
  EXPECT_EXIT(run_and_exit(work), testing::ExitedWithCode(66),
              std::string("data race.*") + where + ".*race_test.cpp.*thread .* of block .*" + where);
}

template <class Work>
void expect_no_race(Work work) {
  EXPECT_EXIT(run_and_exit(work), testing::ExitedWithCode(0), "^$");
}

constexpr std::size_t shared = sizeof(Values);

TEST_F(HostCudaRaces, AMissingBarrierIsARaceInSharedMemory) {
  expect_race([](int*, int* out) { launch(read_shared<false>, blocks, block_size, shared, nullptr, out); },
              "read_shared");
  expect_no_race([](int*, int* out) { launch(read_shared<true>, blocks, block_size, shared, nullptr, out); });
}

TEST_F(HostCudaRaces, AMissingBarrierIsARaceInDeviceMemory) {
  expect_race([](int* x, int* out) { launch(read_device<false>, blocks, block_size, 0, nullptr, x, out); },
              "read_device");
  expect_no_race([](int* x, int* out) { launch(read_device<true>, blocks, block_size, 0, nullptr, x, out); });
}

TEST_F(HostCudaRaces, ABarrierOfTheBlockIsNoneOfTheGrid) {
  expect_race(
      [](int* x, int* out) { launch_cooperative(read_grid<false>, blocks, block_size, 0, nullptr, x, out); },
      "read_grid");
  expect_no_race(
      [](int* x, int* out) { launch_cooperative(read_grid<true>, blocks, block_size, 0, nullptr, x, out); });
}

TEST_F(HostCudaRaces, AWriteThatOvertakesAReadIsARace) {
  expect_race([](int*, int* out) { launch(write_after_read<false>, 1, block_size, shared, nullptr, out); },
              "write_after_read");
  expect_no_race(
      [](int*, int* out) { launch(write_after_read<true>, blocks, block_size, shared, nullptr, out); });
}

TEST_F(HostCudaRaces, LanesWithoutABarrierRace) {
  expect_race([](int*, int* out) { launch(read_warp<false>, 1, block_size, shared, nullptr, out); },
              "read_warp");
  expect_no_race([](int*, int* out) { launch(read_warp<true>, blocks, block_size, shared, nullptr, out); });
}

TEST_F(HostCudaRaces, WarpOperationsOrderTheirOwnLanesOnly) {
  expect_no_race([](int*, int* out) { launch(read_after_shuffle, 1, 64, shared, nullptr, out); });
  expect_race([](int*, int* out) { launch(warp_barrier_between_warps, 1, 64, shared, nullptr, out); },
              "warp_barrier_between_warps");
}

TEST_F(HostCudaRaces, BlocksOfOneLaunchRaceAndLaunchesDoNot) {
  expect_race([](int*, int* out) { launch(every_block_writes, blocks, 1, 0, nullptr, out); },
              "every_block_writes");
  expect_no_race([](int*, int* out) {
    for (int i = 0; i < 3; ++i) launch(every_block_writes, 1, 1, 0, nullptr, out);
  });
}

TEST_F(HostCudaRaces, AtomicsDoNotRace) {
  expect_no_race([](int*, int* out) { launch(every_thread_adds, blocks, block_size, 0, nullptr, out); });
}

TEST_F(HostCudaRaces, BlocksOfTheLargestSizeAndALaunchAfterAFailedOneAreClean) {
  expect_no_race([](int*, int* out) {
    for (int i = 0; i < 3; ++i) launch(every_thread_adds, 2, 1024, 0, nullptr, out);
    launch(stop_in_thread, 1, block_size, shared, nullptr, out, 40u);
    try {
      cudaDeviceSynchronize();
      std::exit(1);
    } catch (const std::out_of_range&) {
    }
    launch(read_shared<true>, blocks, block_size, shared, nullptr, out);
  });
}

}  // namespace
