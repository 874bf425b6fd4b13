#include <cstdlib>
#include <string>
#include <vector>

#include "cooperative.cuh"
#include "host_cuda/tests/device.hpp"
#include "host_cuda/tests/environment.hpp"
#include "host_cuda/tests/errors.hpp"
#include "natgrad/error.hpp"

using host_cuda::DeviceArray;
using host_cuda::expect_contains;
using host_cuda::kernel_error;
using natgrad::block_shared;
using natgrad::grid_sync;
using natgrad::launch;
using natgrad::launch_cooperative;
using natgrad::resident_blocks;

using HostCudaCooperative = host_cuda::HostCuda;

struct Slot {
  int value[33];
};

/// Every thread passes its number on to the next thread of the grid, `steps` times: a value crosses blocks at
/// every block's end, through device memory. x: 2 × threads of the grid.
__global__ void rotate(int* x, int steps) {
  const int threads = static_cast<int>(gridDim.x * blockDim.x);
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  x[i] = i;
  for (int step = 0; step < steps; ++step) {
    grid_sync();
    const int* from = x + (step % 2) * threads;
    x[(1 - step % 2) * threads + i] = from[(i + 1) % threads];
  }
}

/// Both kinds of barriers, and shared memory that outlives a grid_sync. sums: one a block.
__global__ void add_blocks(int* sums, int* total) {
  auto& s = block_shared<Slot>();
  s.value[threadIdx.x] = static_cast<int>(blockIdx.x + 1);
  __syncthreads();
  if (threadIdx.x == 0) {
    sums[blockIdx.x] = 0;
    for (unsigned t = 0; t < blockDim.x; ++t) sums[blockIdx.x] += s.value[t];
  }
  grid_sync();
  int sum = 0;
  for (unsigned b = 0; b < gridDim.x; ++b) sum += sums[b];
  // The block's own shared memory is as it left it.
  total[blockIdx.x * blockDim.x + threadIdx.x] = sum + 1000 * s.value[blockDim.x - 1 - threadIdx.x];
}

const std::string place_of_some_blocks = "cooperative_test.cpp:" + std::to_string(__LINE__ + 3);

__global__ void grid_sync_for_some_blocks() {
  if (blockIdx.x != 1) grid_sync();
}

__global__ void grid_sync_for_some_threads() {
  if (threadIdx.x < 5) grid_sync();
}

__global__ void grid_sync_against_barrier() {
  if (blockIdx.x == 1 && threadIdx.x == 3)
    grid_sync();
  else
    __syncthreads();
}

__global__ void grid_sync_at_two_places() {
  if (blockIdx.x == 0)
    grid_sync();
  else
    grid_sync();
}

__global__ void write_beyond_shared_of_one_block() {
  grid_sync();
  if (blockIdx.x == 2 && threadIdx.x == 0)
    reinterpret_cast<volatile unsigned char*>(&block_shared<Slot>())[sizeof(Slot) + 1] = 1;
}

namespace {

TEST_F(HostCudaCooperative, BlocksReadWhatOtherBlocksWroteBeforeTheGridMet) {
  for (const int blocks : {1, 2, 4, 7})
    for (const int threads : {1, 31, 33, 64})
      for (const int steps : {0, 1, 5}) {
        const int n = blocks * threads;
        DeviceArray<int> x(static_cast<std::size_t>(2 * n));
        launch_cooperative(rotate, blocks, threads, 0, nullptr, x.data, steps);
        const auto values = x.get();
        for (int i = 0; i < n; ++i)
          ASSERT_EQ(values[(steps % 2) * n + i], (i + steps) % n)
              << i << " of " << blocks << " × " << threads << ", " << steps << " steps";
      }
}

TEST_F(HostCudaCooperative, EveryBlockHasItsOwnSharedMemoryAndBarrier) {
  for (const unsigned threads : {1u, 31u, 33u}) {
    constexpr unsigned blocks = 5;
    DeviceArray<int> sums(blocks), total(blocks * threads);
    launch_cooperative(add_blocks, blocks, threads, sizeof(Slot), nullptr, sums.data, total.data);
    const auto totals = total.get();
    for (unsigned i = 0; i < blocks * threads; ++i)
      ASSERT_EQ(totals[i], static_cast<int>(15 * threads + 1000 * (i / threads + 1))) << i;
  }
}

TEST_F(HostCudaCooperative, AnyOrderOfBlocksAndThreadsGivesTheSame) {
  for (const char* seed : {"1", "2", "3"}) {
    const host_cuda::EnvironmentVariable shuffle("NATGRAD_HOST_CUDA_SHUFFLE", seed);
    DeviceArray<int> x(2 * 66);
    launch_cooperative(rotate, 2, 33, 0, nullptr, x.data, 4);
    const auto values = x.get();
    for (int i = 0; i < 66; ++i) ASSERT_EQ(values[i], (i + 4) % 66) << i << ", seed " << seed;
  }
}

TEST_F(HostCudaCooperative, GridSyncThatABlockMissesIsAnErrorNamingPlaceAndThread) {
  launch_cooperative(grid_sync_for_some_blocks, 3, 8, 0, nullptr);
  const auto message = kernel_error([] { cudaDeviceSynchronize(); });
  expect_contains(message, "grid_sync_for_some_blocks");
  expect_contains(message, place_of_some_blocks);
  expect_contains(message, "reached by 16 of 24 threads");
  expect_contains(message, "of block (1, 0, 0) has returned");
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);  // the executor is whole again
}

TEST_F(HostCudaCooperative, GridSyncThatSomeThreadsMissIsAnError) {
  launch_cooperative(grid_sync_for_some_threads, 2, 8, 0, nullptr);
  const auto message = kernel_error([] { cudaDeviceSynchronize(); });
  expect_contains(message, "reached by 10 of 16 threads");
  expect_contains(message, "thread (5, 0, 0) of block (");
}

TEST_F(HostCudaCooperative, GridSyncAndBarrierDoNotMeet) {
  launch_cooperative(grid_sync_against_barrier, 2, 8, 0, nullptr);
  const auto message = kernel_error([] { cudaDeviceSynchronize(); });
  expect_contains(message, "block (1, 0, 0): __syncthreads");
  expect_contains(message, "reached by 7 of 8 threads; thread (3, 0, 0) of block (1, 0, 0) waits at");
}

TEST_F(HostCudaCooperative, GridSyncsAtTwoPlacesDoNotMeet) {
  launch_cooperative(grid_sync_at_two_places, 2, 4, 0, nullptr);
  expect_contains(kernel_error([] { cudaDeviceSynchronize(); }), "grid_sync at ");
}

TEST_F(HostCudaCooperative, GridSyncInAPlainLaunchIsAnError) {
  launch(grid_sync_for_some_blocks, 1, 8, 0, nullptr);
  const auto message = kernel_error([] { cudaDeviceSynchronize(); });
  expect_contains(message, place_of_some_blocks);
  expect_contains(message, "launch_cooperative");
}

#if !defined(__SANITIZE_ADDRESS__)  // which ends the program at the write
TEST_F(HostCudaCooperative, WriteBeyondTheSharedMemoryOfOneBlockNamesIt) {
  launch_cooperative(write_beyond_shared_of_one_block, 3, 2, sizeof(Slot), nullptr);
  const auto message = kernel_error([] { cudaDeviceSynchronize(); });
  expect_contains(message, "block (2, 0, 0): wrote beyond its 132 bytes");
}
#endif

TEST_F(HostCudaCooperative, AGridLargerThanWhatIsResidentIsRefused) {
  for (const auto& [threads, shared] : {std::pair(1024, 0), std::pair(1024, 40 << 10), std::pair(33, 0)}) {
    const int resident = resident_blocks(rotate, threads, static_cast<std::size_t>(shared));
    EXPECT_GE(resident, 1);
    try {
      launch_cooperative(rotate, resident + 1, threads, static_cast<std::size_t>(shared), nullptr, nullptr,
                         0);
      ADD_FAILURE() << "accepted " << resident + 1 << " blocks of " << threads;
    } catch (const natgrad::DeviceError& error) {
      expect_contains(error.what(), "rotate(");
      expect_contains(error.what(), "grid (" + std::to_string(resident + 1) + ", 1, 1)");
    }
  }
}

TEST_F(HostCudaCooperative, AllResidentBlocksOfTheLargestSizeMeet) {
  const int blocks = resident_blocks(rotate, 1024, 0), n = blocks * 1024;
  DeviceArray<int> x(static_cast<std::size_t>(2 * n));
  launch_cooperative(rotate, blocks, 1024, 0, nullptr, x.data, 1);
  const auto values = x.get();
  for (int i = 0; i < n; ++i) ASSERT_EQ(values[n + i], (i + 1) % n) << i;
}

TEST_F(HostCudaCooperative, OccupancyIsBoundByThreadsBlocksAndSharedMemory) {
  const auto blocks = [](int threads, std::size_t shared) {
    int count = -1;
    const auto* kernel = reinterpret_cast<const void*>(grid_sync_at_two_places);
    EXPECT_EQ(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&count, kernel, threads, shared), cudaSuccess);
    return count;
  };
  EXPECT_EQ(blocks(1, 0), 32);
  EXPECT_EQ(blocks(33, 0), blocks(64, 0));  // whole warps
  EXPECT_EQ(blocks(512, 0), 2 * blocks(1024, 0));
  EXPECT_EQ(blocks(32, 48 << 10), 4);        // 227 KiB hold four
  EXPECT_EQ(blocks(32, (48 << 10) + 1), 0);  // not without the opt-in
  int unused = 0;
  EXPECT_EQ(
      cudaOccupancyMaxActiveBlocksPerMultiprocessor(&unused, static_cast<const void*>(nullptr), 1025, 0),
      cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
}

}  // namespace
