/// Streams: queues of operations that run when the host synchronises, and the marks that order them.
#pragma once

#include <cuda_runtime.h>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>

namespace host_cuda {

/// A place in a stream's queue.
struct Mark {
  cudaStream_t stream;
  bool reached = false;
  std::chrono::steady_clock::time_point time{};
};

/// Operations that must not be lost when an earlier one fails: frees and marks.
enum class Always { no, yes };

/// Appends an operation. The null stream and the streams made without cudaStreamNonBlocking wait for each
/// other's earlier operations, as CUDA's legacy default stream does. Throws Fault where there is no such
/// stream.
void enqueue(cudaStream_t stream, std::function<void()> operation, Always always = Always::no);

/// Appends a mark, which is reached when everything before it has run.
std::shared_ptr<Mark> mark(cudaStream_t stream);

/// Lets later operations of `stream` wait until `mark` is reached.
void wait(cudaStream_t stream, std::shared_ptr<Mark> mark);

/// Runs queued operations: of one stream, of all, up to a mark, or just one. Rethrows what an operation
/// threw; the rest of its stream is dropped then. Checks the heap afterwards.
void drain(cudaStream_t stream);
void drain_all();
void drain_to(Mark& mark);
void step(cudaStream_t stream);

bool is_idle(cudaStream_t stream);

cudaStream_t make_stream(bool blocking);
void destroy_stream(cudaStream_t stream);

}  // namespace host_cuda
