#include "host_cuda/api.hpp"

#include <cstdlib>
#include <iostream>

#include "host_cuda/heap.hpp"

namespace host_cuda {
namespace {

thread_local cudaError_t last_error = cudaSuccess;

}  // namespace

std::recursive_mutex& api_lock() {
  static std::recursive_mutex mutex;
  return mutex;
}

Counts& mutable_counts() {
  static Counts counts;
  return counts;
}

void report(const char* call, const std::string& message) {
  std::cerr << "host CUDA: " + std::string(call) + ": " + message + '\n';
}

cudaError_t set_last_error(cudaError_t status) { return last_error = status; }

unsigned long long environment(const char* name, unsigned long long fallback) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : fallback;
}

Counts counts() {
  const std::scoped_lock lock(api_lock());
  return mutable_counts();
}

void reset_counts() {
  const std::scoped_lock lock(api_lock());
  mutable_counts() = {};
}

std::int64_t live_allocations() {
  const std::scoped_lock lock(api_lock());
  return heap().live();
}

void fail_allocation(std::int64_t i) {
  const std::scoped_lock lock(api_lock());
  heap().fail_allocation(i);
}

}  // namespace host_cuda

cudaError_t cudaPeekAtLastError() { return host_cuda::last_error; }

cudaError_t cudaGetLastError() {
  const cudaError_t status = host_cuda::last_error;
  host_cuda::last_error = cudaSuccess;
  return status;
}
