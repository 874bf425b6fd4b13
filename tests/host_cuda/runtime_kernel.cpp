/// CUDA runtime: what it knows of a kernel.
#include <dlfcn.h>

#include <algorithm>
#include <map>
#include <string>

#include "host_cuda/api.hpp"
#include "host_cuda/executor.hpp"
#include "host_cuda/occupancy.hpp"

namespace host_cuda {
namespace {

constexpr std::size_t shared_without_opt_in = std::size_t{48} << 10;
constexpr int blocks_per_multiprocessor = 32;  // compute capability 9.0
// ThreadSanitizer has a context for 8128 threads.
constexpr int threads_per_multiprocessor = tsan::enabled ? 1024 : 2048;

std::map<const void*, std::size_t>& shared_opt_ins() {
  static std::map<const void*, std::size_t> bytes_by_kernel;
  return bytes_by_kernel;
}

int blocks_per_processor(const void* kernel, int threads, std::size_t shared_bytes) {
  if (shared_bytes > shared_limit(kernel)) return 0;
  const int by_threads = threads_per_multiprocessor / ((threads + 31) / 32 * 32);
  const int by_shared = shared_bytes == 0 ? blocks_per_multiprocessor
                                          : static_cast<int>(Executor::max_shared_bytes / shared_bytes);
  return std::min({blocks_per_multiprocessor, by_threads, by_shared});
}

}  // namespace

std::size_t shared_limit(const void* kernel) {
  const auto opt_in = shared_opt_ins().find(kernel);
  return opt_in != shared_opt_ins().end() ? opt_in->second : shared_without_opt_in;
}

int resident_blocks(const void* kernel, int threads, std::size_t shared_bytes) {
  int processors = 0;
  cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0);
  return processors * blocks_per_processor(kernel, threads, shared_bytes);
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

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* numBlocks, const void* func, int blockSize,
                                                          size_t dynamicSMemSize) {
  return host_cuda::runtime_call(__func__, [=] {
    host_cuda::require(blockSize >= 1 && blockSize <= 1024,
                       "blocks of " + std::to_string(blockSize) + " threads; allowed are 1 to 1024");
    *numBlocks = host_cuda::blocks_per_processor(func, blockSize, dynamicSMemSize);
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
