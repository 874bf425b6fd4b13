/// What cuBLAS and cuSOLVER share here: operands checked when a function is called, work queued on the
/// handle's stream.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <limits>
#include <mutex>
#include <string>
#include <utility>

#include "host_cuda/api.hpp"
#include "host_cuda/heap.hpp"
#include "host_cuda/queue.hpp"

namespace host_cuda {

/// Runs the body of a library function; `status_of` turns a Fault's status into the library's.
template <class Status, class Body>
Status library_call(const char* name, Status (*status_of)(cudaError_t), Body body) {
  const std::scoped_lock lock(api_lock());
  try {
    body();
    return status_of(cudaSuccess);
  } catch (const Fault& fault) {
    report(name, fault.what());
    return status_of(fault.status);
  }
}

/// Queues the operation of a library function.
inline void enqueue_operation(cudaStream_t stream, std::function<void()> operation) {
  enqueue(stream, std::move(operation), Kind::library);
  ++mutable_counts().library_calls;
}

/// Throws where `bytes` at `pointer` are not memory that the device reaches: the library would fail in its
/// execution.
inline void require_operand(const void* pointer, std::int64_t bytes, const char* name) {
  try {
    heap().require_device_access(pointer, static_cast<std::size_t>(bytes), name);
  } catch (const Fault& fault) {
    throw Fault(cudaErrorIllegalAddress, fault.what());
  }
}

/// A size or a leading dimension as CBLAS takes it. Throws where it is negative.
inline int size(std::int64_t value, const char* name) {
  require(value >= 0 && value <= std::numeric_limits<int>::max(),
          std::string(name) + " is " + std::to_string(value));
  return static_cast<int>(value);
}

/// Checks a rows × cols column-major operand with leading dimension ld.
template <class T>
void require_matrix(const T* data, std::int64_t rows, std::int64_t cols, std::int64_t ld, const char* name) {
  require(ld >= std::max<std::int64_t>(1, rows), std::string(name) + ": leading dimension " +
                                                     std::to_string(ld) + " with " + std::to_string(rows) +
                                                     " rows");
  size(ld, name);
  if (rows > 0 && cols > 0)
    require_operand(data, ((cols - 1) * ld + rows) * static_cast<std::int64_t>(sizeof(T)), name);
}

/// Checks n elements, `increment` apart.
template <class T>
void require_vector(const T* data, std::int64_t n, std::int64_t increment, const char* name) {
  require(increment != 0 && std::abs(increment) <= std::numeric_limits<int>::max(),
          std::string(name) + ": increment " + std::to_string(increment));
  if (n > 0)
    require_operand(data, ((n - 1) * std::abs(increment) + 1) * static_cast<std::int64_t>(sizeof(T)), name);
}

}  // namespace host_cuda
