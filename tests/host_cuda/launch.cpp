/// Launches: what a device refuses, and the device functions that kernels call.
#include <dlfcn.h>

#include <map>
#include <sstream>
#include <string>
#include <utility>

#include "host_cuda/api.hpp"
#include "host_cuda/executor.hpp"
#include "host_cuda/queue.hpp"

namespace host_cuda {
namespace {

constexpr std::size_t shared_without_opt_in = std::size_t{48} << 10;

std::map<const void*, std::size_t>& shared_opt_ins() {
  static std::map<const void*, std::size_t> bytes_by_kernel;
  return bytes_by_kernel;
}

std::string to_text(dim3 d) {
  std::ostringstream text;
  text << "(" << d.x << ", " << d.y << ", " << d.z << ")";
  return text.str();
}

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
  const auto opt_in = shared_opt_ins().find(launch.kernel);
  const auto limit = opt_in != shared_opt_ins().end() ? opt_in->second : shared_without_opt_in;
  require(launch.shared_bytes <= limit, std::to_string(launch.shared_bytes) +
                                            " bytes of shared memory; this kernel may have " +
                                            std::to_string(limit));
}

}  // namespace

void enqueue(Launch launch, cudaStream_t stream) {
  runtime_call("kernel launch", [&] {
    check(launch);
    ++mutable_counts().launches;
    enqueue(stream, [launch = std::move(launch)] { executor().run(launch); });
  });
}

void barrier(std::source_location at) { executor().barrier(at); }
int lane() { return executor().lane(); }
std::byte* shared_memory(std::size_t bytes) { return executor().shared_memory(bytes); }

std::uint64_t shuffle(unsigned mask, std::uint64_t bits, int source, std::source_location at) {
  return executor().shuffle(mask, bits, source, at);
}

unsigned ballot(unsigned mask, bool predicate, std::source_location at) {
  return executor().ballot(mask, predicate, at);
}

}  // namespace host_cuda

cudaError_t cudaFuncSetAttribute(const void* func, cudaFuncAttribute attr, int value) {
  return host_cuda::runtime_call(__func__, [=] {
    if (attr != cudaFuncAttributeMaxDynamicSharedMemorySize)
      throw host_cuda::Fault(cudaErrorNotSupported,
                             "attribute " + std::to_string(attr) + " is not known here");
    host_cuda::require(value >= 0 && std::size_t(value) <= host_cuda::Executor::max_shared_bytes,
                       std::to_string(value) + " bytes of shared memory; a block may have " +
                           std::to_string(host_cuda::Executor::max_shared_bytes));
    host_cuda::shared_opt_ins()[func] = static_cast<std::size_t>(value);
  });
}

// The name is that of the dynamic symbol table: programs are linked with -rdynamic.
cudaError_t cudaFuncGetName(const char** name, const void* func) {
  Dl_info info{};
  if (dladdr(func, &info) == 0 || info.dli_saddr != func)
    return host_cuda::set_last_error(cudaErrorInvalidDeviceFunction);
  *name = info.dli_sname;
  return cudaSuccess;
}
