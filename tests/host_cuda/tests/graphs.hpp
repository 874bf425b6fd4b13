/// What the tests of capture and of graphs share.
#pragma once

#include <cstddef>
#include <vector>

#include "host_cuda/tests/environment.hpp"
#include "host_cuda/tests/streams.hpp"

namespace host_cuda {

inline constexpr auto thread_local_mode = cudaStreamCaptureModeThreadLocal;

/// Owners; a graph may be empty.
struct Graph {
  Graph() = default;
  ~Graph() {
    if (handle != nullptr) {
      EXPECT_EQ(cudaGraphDestroy(handle), cudaSuccess);
    }
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  std::size_t size() const {
    std::size_t count = 99;
    EXPECT_EQ(cudaGraphGetNodes(handle, nullptr, &count), cudaSuccess);
    return count;
  }

  cudaGraph_t handle = nullptr;
};

struct Executable {
  explicit Executable(const Graph& graph) {
    EXPECT_EQ(cudaGraphInstantiate(&handle, graph.handle, 0), cudaSuccess);
  }
  ~Executable() { EXPECT_EQ(cudaGraphExecDestroy(handle), cudaSuccess); }
  Executable(const Executable&) = delete;
  Executable& operator=(const Executable&) = delete;

  cudaGraphExec_t handle = nullptr;
};

/// A stream to capture, and one number for its kernels.
struct HostCudaGraphs : HostCuda {
  void TearDown() override {
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    EXPECT_EQ(live_allocations(), 1);  // a
  }

  /// Captures what `record` enqueues in `stream`.
  template <class Record>
  void capture(Graph& graph, Record record) {
    ASSERT_EQ(cudaStreamBeginCapture(stream, thread_local_mode), cudaSuccess);
    record();
    ASSERT_EQ(cudaStreamEndCapture(stream, &graph.handle), cudaSuccess);
  }

  cudaStreamCaptureStatus status(cudaStream_t of) {
    auto value = cudaStreamCaptureStatusNone;
    EXPECT_EQ(cudaStreamIsCapturing(of, &value), cudaSuccess);
    return value;
  }

  /// `call` is refused with `error` while the stream captures, and the capture is lost.
  template <class Call>
  void expect_invalidates(cudaError_t error, Call call, cudaStreamCaptureMode mode = thread_local_mode) {
    ASSERT_EQ(cudaStreamBeginCapture(stream, mode), cudaSuccess);
    EXPECT_EQ(call(), error);
    EXPECT_EQ(status(stream), cudaStreamCaptureStatusInvalidated);
    EXPECT_EQ(cudaGetLastError(), error);
    EXPECT_EQ(cudaMemsetAsync(a.data, 0, 4, stream), cudaErrorStreamCaptureInvalidated);
    cudaGraph_t graph = reinterpret_cast<cudaGraph_t>(this);
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(graph, nullptr);
    EXPECT_EQ(cudaGetLastError(), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(status(stream), cudaStreamCaptureStatusNone);
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);  // the stream is usable again
  }

  const EnvironmentVariable in_order{"NATGRAD_HOST_CUDA_SHUFFLE", "0"};  // nothing runs before it must
  const TestStream stream;
  DeviceArray<int> a{std::vector<int>{1}};
};

}  // namespace host_cuda
