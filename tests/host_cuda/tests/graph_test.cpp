#include <cublas_v2.h>

#include <vector>

#include "host_cuda/tests/graphs.hpp"

using host_cuda::affine;
using host_cuda::DeviceArray;
using host_cuda::Executable;
using host_cuda::Graph;
using host_cuda::HostCudaGraphs;
using host_cuda::PinnedArray;
using host_cuda::TestStream;
using natgrad::launch;

namespace {

TEST_F(HostCudaGraphs, CapturedOperationsRunAtEachLaunchAndNotBefore) {
  Graph graph;
  host_cuda::reset_counts();
  capture(graph, [&] {
    EXPECT_EQ(status(stream), cudaStreamCaptureStatusActive);
    launch(affine, 1, 1, 0, stream, a.data, 2, 1);
    launch(affine, 1, 1, 0, stream, a.data, 1, 3);
  });
  EXPECT_EQ(status(stream), cudaStreamCaptureStatusNone);
  EXPECT_EQ(graph.size(), 2u);
  EXPECT_EQ(a.get()[0], 1);
  const Executable executable(graph);
  EXPECT_EQ(cudaGraphUpload(executable.handle, stream), cudaSuccess);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(cudaGraphLaunch(executable.handle, stream), cudaSuccess);
  EXPECT_EQ(a.get()[0], 1);  // queued, like any operation
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(a.get()[0], 36);  // 1 → 6 → 16 → 36
  const auto counts = host_cuda::counts();
  EXPECT_EQ(counts.captures, 1);
  EXPECT_EQ(counts.instantiations, 1);
  EXPECT_EQ(counts.graph_launches, 3);
  EXPECT_EQ(counts.launches, 2 + 3 * 2);
}

TEST_F(HostCudaGraphs, ArgumentsAndScalarsAreThoseOfTheCapture) {
  cublasHandle_t blas = nullptr;
  ASSERT_EQ(cublasCreate(&blas), CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(cublasSetStream(blas, stream), CUBLAS_STATUS_SUCCESS);
  DeviceArray<float> x(std::vector<float>{1});
  float factor = 3;
  int term = 5;
  Graph graph;
  capture(graph, [&] {
    EXPECT_EQ(cublasSscal(blas, 1, &factor, x.data, 1), CUBLAS_STATUS_SUCCESS);
    launch(affine, 1, 1, 0, stream, a.data, 0, term);
  });
  factor = 7;
  term = 8;
  const Executable executable(graph);
  host_cuda::reset_counts();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(cudaGraphLaunch(executable.handle, stream), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(x.get()[0], 9.0f);
  EXPECT_EQ(a.get()[0], 5);
  EXPECT_EQ(host_cuda::counts().library_calls, 2);
  EXPECT_EQ(cublasDestroy(blas), CUBLAS_STATUS_SUCCESS);
}

TEST_F(HostCudaGraphs, CopiesReadAndWriteHostMemoryAtEachReplay) {
  PinnedArray<int> pinned(1);
  int source = 10, target = -1;
  Graph graph;
  capture(graph, [&] {
    EXPECT_EQ(cudaMemcpyAsync(a.data, &source, 4, cudaMemcpyHostToDevice, stream), cudaSuccess);
    launch(affine, 1, 1, 0, stream, a.data, 2, 0);
    EXPECT_EQ(cudaMemcpyAsync(pinned.data, a.data, 4, cudaMemcpyDeviceToHost, stream), cudaSuccess);
    EXPECT_EQ(cudaMemcpyAsync(&target, a.data, 4, cudaMemcpyDeviceToHost, stream), cudaSuccess);
    EXPECT_EQ(cudaMemsetAsync(a.data, 0, 4, stream), cudaSuccess);
  });
  const Executable executable(graph);
  for (const int value : {4, 5}) {
    source = value;
    EXPECT_EQ(cudaGraphLaunch(executable.handle, stream), cudaSuccess);
    EXPECT_NE(target, 2 * value);
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
    EXPECT_EQ(target, 2 * value);
    EXPECT_EQ(*pinned.data, 2 * value);
    EXPECT_EQ(a.get()[0], 0);
  }
}

TEST_F(HostCudaGraphs, ReplaysOfOneGraphFollowEachOtherAcrossStreams) {
  const TestStream other;
  Graph graph;
  capture(graph, [&] { launch(affine, 1, 1, 0, stream, a.data, 2, 1); });
  const Executable executable(graph);
  launch(affine, 1, 1, 0, stream, a.data, 0, 10);
  EXPECT_EQ(cudaGraphLaunch(executable.handle, stream), cudaSuccess);
  EXPECT_EQ(cudaGraphLaunch(executable.handle, other), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(other), cudaSuccess);
  EXPECT_EQ(a.get()[0], 43);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
}

TEST_F(HostCudaGraphs, AQueuedReplayOutlivesItsGraph) {
  {
    Graph graph;
    capture(graph, [&] { launch(affine, 1, 1, 0, stream, a.data, 2, 1); });
    const Executable executable(graph);
    EXPECT_EQ(cudaGraphLaunch(executable.handle, stream), cudaSuccess);
  }
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(a.get()[0], 3);
}

TEST_F(HostCudaGraphs, AnEmptyGraphRuns) {
  Graph graph;
  capture(graph, [] {});
  EXPECT_EQ(graph.size(), 0u);
  const Executable executable(graph);
  EXPECT_EQ(cudaGraphLaunch(executable.handle, stream), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
}

TEST_F(HostCudaGraphs, UpdateTakesNewArgumentsWhereTheNodesAreOfTheSameTypes) {
  Graph first, same, longer, of_another_type;
  capture(first, [&] { launch(affine, 1, 1, 0, stream, a.data, 2, 1); });
  capture(same, [&] { launch(affine, 1, 1, 0, stream, a.data, 0, 9); });
  capture(longer, [&] {
    launch(affine, 1, 1, 0, stream, a.data, 0, 7);
    launch(affine, 1, 1, 0, stream, a.data, 0, 7);
  });
  capture(of_another_type, [&] { EXPECT_EQ(cudaMemsetAsync(a.data, 0, 4, stream), cudaSuccess); });
  const Executable executable(first);
  cudaGraphExecUpdateResultInfo info{};
  EXPECT_EQ(cudaGraphExecUpdate(executable.handle, longer.handle, &info), cudaErrorGraphExecUpdateFailure);
  EXPECT_EQ(info.result, cudaGraphExecUpdateErrorTopologyChanged);
  EXPECT_EQ(cudaGraphExecUpdate(executable.handle, of_another_type.handle, &info),
            cudaErrorGraphExecUpdateFailure);
  EXPECT_EQ(info.result, cudaGraphExecUpdateErrorNodeTypeChanged);
  cudaGraphNode_t node = nullptr;
  std::size_t count = 1;
  EXPECT_EQ(cudaGraphGetNodes(of_another_type.handle, &node, &count), cudaSuccess);
  EXPECT_EQ(info.errorNode, node);
  EXPECT_EQ(cudaGetLastError(), cudaErrorGraphExecUpdateFailure);
  EXPECT_EQ(cudaGraphLaunch(executable.handle, stream), cudaSuccess);  // as it was: 1 → 3
  EXPECT_EQ(cudaGraphExecUpdate(executable.handle, same.handle, &info), cudaSuccess);
  EXPECT_EQ(info.result, cudaGraphExecUpdateSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(a.get()[0], 3);  // what was queued before the update
  EXPECT_EQ(cudaGraphLaunch(executable.handle, stream), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(a.get()[0], 9);
}

TEST_F(HostCudaGraphs, NodesBeyondTheLastAreNull) {
  Graph graph;
  capture(graph, [&] { launch(affine, 1, 1, 0, stream, a.data, 2, 1); });
  const auto poison = reinterpret_cast<cudaGraphNode_t>(this);
  cudaGraphNode_t nodes[] = {poison, poison};
  std::size_t count = 2;
  EXPECT_EQ(cudaGraphGetNodes(graph.handle, nodes, &count), cudaSuccess);
  EXPECT_EQ(count, 1u);
  EXPECT_NE(nodes[0], nullptr);
  EXPECT_NE(nodes[0], poison);
  EXPECT_EQ(nodes[1], nullptr);
}

TEST_F(HostCudaGraphs, CaptureInfoTellsAnIdOfItsOwn) {
  unsigned long long ids[2] = {};
  for (auto& id : ids) {
    Graph graph;
    capture(graph, [&] {
      auto value = cudaStreamCaptureStatusNone;
      EXPECT_EQ(cudaStreamGetCaptureInfo(stream, &value, &id), cudaSuccess);
      EXPECT_EQ(value, cudaStreamCaptureStatusActive);
    });
  }
  EXPECT_NE(ids[0], ids[1]);
}

}  // namespace
