/// Streams: queues of operations that run when the host synchronises, and the marks that order them.
#pragma once

#include <cuda_runtime.h>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>

namespace host_cuda {

/// A place in a stream's queue, or in what it captured.
struct Mark {
  cudaStream_t stream;
  unsigned long long capture = 0;  ///< the id of the capture that it was made in, 0 for none
  bool reached = false;
  std::chrono::steady_clock::time_point time{};
};

/// What an operation is. Frees and marks are not lost when an earlier operation fails.
enum class Kind { kernel, library, copy, fill, free, mark };

/// Appends an operation, or records it where the stream captures. The null stream and the streams made
/// without cudaStreamNonBlocking wait for each other's earlier operations, as CUDA's legacy default stream
/// does. Throws Fault where there is no such stream, or its capture forbids the operation.
void enqueue(cudaStream_t stream, std::function<void()> operation, Kind kind = Kind::kernel);

/// Appends a mark, which is reached when everything before it has run. In a stream that captures it is never
/// reached.
std::shared_ptr<Mark> mark(cudaStream_t stream);

/// Lets later operations of `stream` wait until `mark` is reached.
void wait(cudaStream_t stream, std::shared_ptr<Mark> mark);

/// Runs queued operations: of one stream, of all, up to a mark, or just one. Rethrows what an operation
/// threw; the rest of its stream is dropped then. Checks the heap afterwards. With NATGRAD_HOST_CUDA_SHUFFLE
/// other streams advance too, at random, so that a missing order between streams shows.
void drain(cudaStream_t stream);
void drain_all();
void drain_to(Mark& mark);
void step(cudaStream_t stream);

bool is_idle(cudaStream_t stream);

cudaStream_t make_stream(bool blocking);
void destroy_stream(cudaStream_t stream);

/// Whether the stream and the null stream wait for each other.
bool is_blocking(cudaStream_t stream);

}  // namespace host_cuda
