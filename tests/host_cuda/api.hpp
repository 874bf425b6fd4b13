/// What every CUDA function defined here shares: one lock, statuses, messages, counters.
#pragma once

#include <cuda_runtime.h>

#include <mutex>
#include <stdexcept>
#include <string>

#include "host_cuda/host_cuda.hpp"

namespace host_cuda {

/// A call that the device refuses with `status`.
struct Fault : std::runtime_error {
  Fault(cudaError_t error, const std::string& message) : std::runtime_error(message), status(error) {}
  cudaError_t status;
};

/// Held while any function of the API runs; kernels run under it.
class ApiLock {
 public:
  void lock();
  void unlock();

 private:
  std::recursive_mutex mutex_;
};
ApiLock& api_lock();

/// Throws cudaErrorMemoryAllocation where what is being made was told to fail (fail_allocation). For all that
/// takes memory, of the device or beside it.
void require_memory();

Counts& mutable_counts();

/// Prints "host CUDA: <call>: <message>" on stderr.
void report(const char* call, const std::string& message);

/// Remembers `status` for cudaGetLastError, and returns it.
cudaError_t set_last_error(cudaError_t status);

/// Runs the body of the CUDA runtime function named `name`: a Fault becomes its status and a message.
template <class Body>
cudaError_t runtime_call(const char* name, Body body) {
  const std::scoped_lock lock(api_lock());
  try {
    body();
    return cudaSuccess;
  } catch (const Fault& fault) {
    report(name, fault.what());
    return set_last_error(fault.status);
  }
}

/// The same for functions that destructors call: a kernel's exception becomes a message and
/// cudaErrorLaunchFailure.
template <class Body>
cudaError_t release_call(const char* name, Body body) {
  return runtime_call(name, [&] {
    try {
      body();
    } catch (const Fault&) {
      throw;
    } catch (const std::exception& error) {
      throw Fault(cudaErrorLaunchFailure, error.what());
    }
  });
}

/// Throws cudaErrorInvalidValue with the message where `condition` does not hold.
inline void require(bool condition, const std::string& message) {
  if (!condition) throw Fault(cudaErrorInvalidValue, message);
}

/// The number in the environment variable, or `fallback` where it is not set.
unsigned long long environment(const char* name, unsigned long long fallback);

}  // namespace host_cuda
