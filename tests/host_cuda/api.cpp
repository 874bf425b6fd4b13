#include "host_cuda/api.hpp"

#include <cstdlib>
#include <iostream>

#include "host_cuda/heap.hpp"

namespace host_cuda {
namespace {

thread_local cudaError_t last_error = cudaSuccess;
thread_local int calls = 0;  // of the API that this thread is in

struct Faults {
  std::int64_t made = 0, first = 0;  // since, and of, the last fail_allocation
  bool all_after = false;
};

Faults& faults() {
  static Faults instance;
  return instance;
}

}  // namespace

void ApiLock::lock() {
  mutex_.lock();
  ++calls;
}

void ApiLock::unlock() {
  --calls;
  mutex_.unlock();
}

bool inside_call() { return calls > 0; }

ApiLock& api_lock() {
  static ApiLock lock;
  return lock;
}

void require_memory() {
  Faults& f = faults();
  ++f.made;
  if (f.first > 0 && (f.made == f.first || (f.all_after && f.made > f.first)))
    throw Fault(cudaErrorMemoryAllocation, "this allocation was told to fail");
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

void fail_allocation(std::int64_t i, bool all_after) {
  const std::scoped_lock lock(api_lock());
  faults() = {.made = 0, .first = i, .all_after = all_after};
}

std::int64_t allocations_asked_for() {
  const std::scoped_lock lock(api_lock());
  return faults().made;
}

}  // namespace host_cuda

cudaError_t cudaPeekAtLastError() { return host_cuda::last_error; }

cudaError_t cudaGetLastError() {
  const cudaError_t status = host_cuda::last_error;
  host_cuda::last_error = cudaSuccess;
  return status;
}
