/// Launches: what a device refuses, and the device functions that kernels call.
#include <string>
#include <utility>

#include "host_cuda/api.hpp"
#include "host_cuda/executor.hpp"
#include "host_cuda/occupancy.hpp"
#include "host_cuda/queue.hpp"

namespace host_cuda {
namespace {

std::string to_text(dim3 shape) { return host_cuda::to_text(uint3{shape.x, shape.y, shape.z}); }

void check(const Launch& launch) {
  const auto [grid, block] = std::pair(launch.grid, launch.block);
  const auto configured = [](bool condition, const std::string& message) {
    if (!condition) throw Fault(cudaErrorInvalidConfiguration, message);
  };
  const auto threads = std::size_t{block.x} * block.y * block.z;
  configured(threads >= 1 && block.x <= 1024 && block.y <= 1024 && block.z <= 64 && threads <= 1024,
             "block " + to_text(block) + "; allowed are 1 to 1024 threads, z up to 64");
  configured(grid.x >= 1 && grid.y >= 1 && grid.z >= 1 && grid.x <= 0x7fffffffu && grid.y <= 65535 &&
                 grid.z <= 65535,
             "grid " + to_text(grid) + "; allowed are 1 to (2147483647, 65535, 65535)");
  const std::size_t limit = shared_limit(launch.kernel);
  require(launch.shared_bytes <= limit, std::to_string(launch.shared_bytes) +
                                            " bytes of shared memory; this kernel may have " +
                                            std::to_string(limit));
  if (!launch.cooperative) return;
  const auto resident =
      std::size_t(resident_blocks(launch.kernel, static_cast<int>(threads), launch.shared_bytes));
  if (std::size_t{grid.x} * grid.y * grid.z > resident)
    throw Fault(cudaErrorCooperativeLaunchTooLarge, "cooperative grid " + to_text(grid) + " of blocks " +
                                                        to_text(block) + "; at the same time run " +
                                                        std::to_string(resident) + " blocks");
}

}  // namespace

void enqueue(Launch launch, cudaStream_t stream) {
  runtime_call("kernel launch", [&] {
    check(launch);
    ++mutable_counts().launches;
    enqueue(stream, [launch = std::move(launch)] { executor().run(launch); });
  });
}

// What follows is called by kernels. The executor's state is its own: no thread of a kernel races for it.

void barrier(std::source_location at) {
  const tsan::Ignore ignore;
  executor().barrier(at);
}

void grid_barrier(std::source_location at) {
  const tsan::Ignore ignore;
  executor().grid_barrier(at);
}

void warp_barrier(unsigned mask, std::source_location at) {
  const tsan::Ignore ignore;
  executor().warp_barrier(mask, at);
}

int lane() {
  const tsan::Ignore ignore;
  return executor().lane();
}

std::byte* shared_memory(std::size_t bytes) {
  const tsan::Ignore ignore;
  return executor().shared_memory(bytes);
}

std::uint64_t shuffle(unsigned mask, std::uint64_t bits, int source, std::source_location at) {
  const tsan::Ignore ignore;
  return executor().shuffle(mask, bits, source, at);
}

unsigned ballot(unsigned mask, bool predicate, std::source_location at) {
  const tsan::Ignore ignore;
  return executor().ballot(mask, predicate, at);
}

void exchange(unsigned mask, void* mine, void (*settle)(void* const*), std::source_location at) {
  const tsan::Ignore ignore;
  executor().exchange(mask, mine, settle, at);
}

}  // namespace host_cuda
