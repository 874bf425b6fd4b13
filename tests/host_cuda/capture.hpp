/// Stream capture: what a stream records instead of queueing it, and what CUDA forbids meanwhile.
#pragma once

#include <cuda_runtime.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "host_cuda/queue.hpp"

/// A recorded operation: what cudaGraphNode_t points to.
struct CUgraphNode_st {
  std::function<void()> run;
  host_cuda::Kind kind;
};

namespace host_cuda {

using Nodes = std::vector<CUgraphNode_st>;

struct Capture {
  unsigned long long id;  ///< from 1, unique in the process
  cudaStreamCaptureMode mode;
  std::thread::id thread;  ///< that began it
  bool blocking;           ///< of the stream
  bool invalidated = false;
  Nodes nodes{};
};

/// The capture of `stream`, or nullptr.
Capture* capture_of(cudaStream_t stream);

/// Throws Fault for the null stream, and for a stream that captures already.
void begin_capture(cudaStream_t stream, cudaStreamCaptureMode mode);

/// Ends the capture and returns what was recorded. Throws Fault where it was invalidated (it is ended then,
/// too), where there is none, and in another thread than began it unless its mode is relaxed.
Nodes end_capture(cudaStream_t stream);

/// Ends the capture, if there is one, of a stream that is destroyed.
void drop_capture(cudaStream_t stream);

/// Throws cudaErrorStreamCaptureInvalidated where an earlier error has made the capture useless.
void require_valid(const Capture& capture);

/// Invalidates the capture and throws.
[[noreturn]] void refuse(Capture& capture, cudaError_t status, const std::string& message);

/// Whether the legacy default stream is unusable for it.
bool a_blocking_stream_captures();

/// The rest invalidate the captures that they name, and throw Fault.

/// A call that cannot be recorded: where `stream` captures, or is the null stream and a blocking one does.
void forbid_in_capture(cudaStream_t stream);

/// A call that waits for all streams: where any captures.
void forbid_in_any_capture();

/// A call that no capture sees, like an allocation: where this thread captures, or another one does in global
/// mode; captures in relaxed mode allow it.
void forbid_unsafe_in_capture();

/// A call that needs `mark` to be reached some time: where it was made in a capture.
void forbid_captured(const Mark& mark);

}  // namespace host_cuda
