#include <cublas_v2.h>

#include <thread>
#include <vector>

#include <cusolverDn.h>

#include "host_cuda/tests/graphs.hpp"

using host_cuda::affine;
using host_cuda::DeviceArray;
using host_cuda::Event;
using host_cuda::Executable;
using host_cuda::Graph;
using host_cuda::TestStream;
using host_cuda::thread_local_mode;
using HostCudaCapture = host_cuda::HostCudaGraphs;
using natgrad::launch;

namespace {

TEST_F(HostCudaCapture, CallsThatWaitForACapturingStreamAreRefused) {
  for (const auto mode : {thread_local_mode, cudaStreamCaptureModeGlobal, cudaStreamCaptureModeRelaxed}) {
    const auto unsupported = cudaErrorStreamCaptureUnsupported;
    expect_invalidates(
        unsupported, [&] { return cudaStreamSynchronize(stream); }, mode);
    expect_invalidates(
        unsupported, [&] { return cudaStreamQuery(stream); }, mode);
    expect_invalidates(unsupported, cudaDeviceSynchronize, mode);
  }
}

TEST_F(HostCudaCapture, AllocationsAreRefusedInACapturingStream) {
  void* memory = nullptr;
  expect_invalidates(cudaErrorStreamCaptureUnsupported, [&] { return cudaMallocAsync(&memory, 4, stream); });
  EXPECT_EQ(memory, nullptr);
  ASSERT_EQ(cudaMallocAsync(&memory, 4, stream), cudaSuccess);
  expect_invalidates(cudaErrorStreamCaptureUnsupported, [&] { return cudaFreeAsync(memory, stream); });
  EXPECT_EQ(cudaFreeAsync(memory, stream), cudaSuccess);  // it is not freed yet
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
}

TEST_F(HostCudaCapture, CallsThatACaptureDoesNotSeeAreRefusedUnlessItIsRelaxed) {
  const Event idle;
  int value = 0;
  void* memory = nullptr;
  for (const auto mode : {thread_local_mode, cudaStreamCaptureModeGlobal}) {
    const auto unsupported = cudaErrorStreamCaptureUnsupported;
    expect_invalidates(
        unsupported, [&] { return cudaMalloc(&memory, 4); }, mode);
    expect_invalidates(
        unsupported, [&] { return cudaFree(a.data); }, mode);
    expect_invalidates(
        unsupported, [&] { return cudaMallocHost(&memory, 4); }, mode);
    expect_invalidates(
        unsupported, [&] { return cudaMemcpy(&value, a.data, 4, cudaMemcpyDeviceToHost); }, mode);
    expect_invalidates(
        unsupported, [&] { return cudaEventQuery(idle); }, mode);
    EXPECT_EQ(memory, nullptr);
  }
  Graph graph;
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&memory, 4), cudaSuccess);
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
  EXPECT_EQ(a.get()[0], 1);
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph.handle), cudaSuccess);
}

TEST_F(HostCudaCapture, AnotherThreadIsHeldBackByAGlobalCaptureOnly) {
  for (const auto mode : {thread_local_mode, cudaStreamCaptureModeGlobal, cudaStreamCaptureModeRelaxed}) {
    const bool global = mode == cudaStreamCaptureModeGlobal;
    void* memory = nullptr;
    Graph graph;
    ASSERT_EQ(cudaStreamBeginCapture(stream, mode), cudaSuccess);
    std::thread([&] {
      EXPECT_EQ(cudaMalloc(&memory, 4), global ? cudaErrorStreamCaptureUnsupported : cudaSuccess);
    }).join();
    const auto invalidated = cudaErrorStreamCaptureInvalidated;
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph.handle), global ? invalidated : cudaSuccess);
    EXPECT_EQ(cudaGetLastError(), global ? invalidated : cudaSuccess);
    EXPECT_EQ(cudaFree(memory), cudaSuccess);
  }
}

TEST_F(HostCudaCapture, AnotherThreadEndsARelaxedCaptureOnly) {
  for (const auto mode : {thread_local_mode, cudaStreamCaptureModeGlobal, cudaStreamCaptureModeRelaxed}) {
    Graph graph;
    auto by_another = cudaSuccess;
    ASSERT_EQ(cudaStreamBeginCapture(stream, mode), cudaSuccess);
    std::thread([&] { by_another = cudaStreamEndCapture(stream, &graph.handle); }).join();
    if (mode == cudaStreamCaptureModeRelaxed) {
      EXPECT_EQ(by_another, cudaSuccess);
    } else {
      EXPECT_EQ(by_another, cudaErrorStreamCaptureWrongThread);
      EXPECT_EQ(cudaStreamEndCapture(stream, &graph.handle), cudaSuccess);
    }
  }
}

TEST_F(HostCudaCapture, EventsOrderAStreamInsideItsCaptureButTheHostCannotWaitForThem) {
  const Event captured, outside;
  const TestStream other;
  float ms = 0;
  EXPECT_EQ(cudaEventRecord(outside, other), cudaSuccess);
  Graph graph;
  capture(graph, [&] {
    EXPECT_EQ(cudaEventRecord(captured, stream), cudaSuccess);
    EXPECT_EQ(cudaStreamWaitEvent(stream, captured, 0), cudaSuccess);
    launch(affine, 1, 1, 0, stream, a.data, 2, 0);
  });
  EXPECT_EQ(graph.size(), 1u);
  EXPECT_EQ(cudaEventQuery(captured), cudaErrorCapturedEvent);
  EXPECT_EQ(cudaEventSynchronize(captured), cudaErrorCapturedEvent);
  EXPECT_EQ(cudaEventElapsedTime(&ms, outside, captured), cudaErrorCapturedEvent);
  EXPECT_EQ(cudaStreamWaitEvent(other, captured, 0), cudaErrorCapturedEvent);
  EXPECT_EQ(cudaGetLastError(), cudaErrorCapturedEvent);
  expect_invalidates(cudaErrorCapturedEvent, [&] {
    EXPECT_EQ(cudaEventRecord(captured, stream), cudaSuccess);
    return cudaEventSynchronize(captured);
  });
  expect_invalidates(cudaErrorStreamCaptureIsolation,
                     [&] { return cudaStreamWaitEvent(stream, outside, 0); });
  expect_invalidates(cudaErrorStreamCaptureMerge, [&] { return cudaStreamWaitEvent(stream, captured, 0); });
  EXPECT_EQ(cudaEventRecord(captured, stream), cudaSuccess);  // an ordinary event again
  EXPECT_EQ(cudaEventSynchronize(captured), cudaSuccess);
}

TEST_F(HostCudaCapture, TheNullStreamCannotCaptureNorRunBesideABlockingStreamThatDoes) {
  EXPECT_EQ(cudaStreamBeginCapture(nullptr, thread_local_mode), cudaErrorStreamCaptureUnsupported);
  const TestStream blocking(cudaStreamDefault);
  auto value = cudaStreamCaptureStatusNone;
  cudaGraph_t none = nullptr;
  Graph graph;
  ASSERT_EQ(cudaStreamBeginCapture(blocking, thread_local_mode), cudaSuccess);
  EXPECT_EQ(cudaStreamIsCapturing(nullptr, &value), cudaErrorStreamCaptureImplicit);
  EXPECT_EQ(cudaStreamEndCapture(blocking, &graph.handle), cudaSuccess);  // asking has not harmed it
  ASSERT_EQ(cudaStreamBeginCapture(blocking, thread_local_mode), cudaSuccess);
  EXPECT_EQ(cudaMemsetAsync(a.data, 0, 4, nullptr), cudaErrorStreamCaptureImplicit);
  EXPECT_EQ(cudaStreamEndCapture(blocking, &none), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(cudaGetLastError(), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(a.get()[0], 1);
}

TEST_F(HostCudaCapture, GraphsInGraphsAndHandlesThatAreNotThereAreRefused) {
  Graph graph;
  capture(graph, [&] { launch(affine, 1, 1, 0, stream, a.data, 2, 1); });
  {
    const Executable executable(graph);
    expect_invalidates(cudaErrorStreamCaptureUnsupported,
                       [&] { return cudaGraphLaunch(executable.handle, stream); });
  }
  cudaGraphExec_t executable = nullptr;
  EXPECT_EQ(cudaGraphInstantiate(&executable, nullptr, 0), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGraphLaunch(nullptr, stream), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGraphDestroy(nullptr), cudaErrorInvalidValue);
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph.handle), cudaErrorIllegalState);
  ASSERT_EQ(cudaStreamBeginCapture(stream, thread_local_mode), cudaSuccess);
  EXPECT_EQ(cudaStreamBeginCapture(stream, thread_local_mode), cudaErrorIllegalState);
  EXPECT_EQ(cudaGetLastError(), cudaErrorIllegalState);
  Graph empty;
  EXPECT_EQ(cudaStreamEndCapture(stream, &empty.handle), cudaSuccess);
}

TEST_F(HostCudaCapture, AResultForTheHostCannotBeCaptured) {
  cublasHandle_t blas = nullptr;
  ASSERT_EQ(cublasCreate(&blas), CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(cublasSetStream(blas, stream), CUBLAS_STATUS_SUCCESS);
  DeviceArray<float> x(std::vector<float>{2}), norm(1);
  float on_host = 0;
  cudaGraph_t none = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream, thread_local_mode), cudaSuccess);
  EXPECT_EQ(cublasSnrm2(blas, 1, x.data, 1, &on_host), CUBLAS_STATUS_EXECUTION_FAILED);
  EXPECT_EQ(cudaStreamEndCapture(stream, &none), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(cudaGetLastError(), cudaErrorStreamCaptureInvalidated);
  ASSERT_EQ(cublasSetPointerMode(blas, CUBLAS_POINTER_MODE_DEVICE), CUBLAS_STATUS_SUCCESS);
  Graph graph;
  capture(graph, [&] { EXPECT_EQ(cublasSnrm2(blas, 1, x.data, 1, norm.data), CUBLAS_STATUS_SUCCESS); });
  const Executable executable(graph);
  EXPECT_EQ(cudaGraphLaunch(executable.handle, stream), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(norm.get()[0], 2.0f);
  EXPECT_EQ(cublasDestroy(blas), CUBLAS_STATUS_SUCCESS);
}

TEST_F(HostCudaCapture, AnEigendecompositionCannotBeCaptured) {
  cusolverDnHandle_t solver = nullptr;
  ASSERT_EQ(cusolverDnCreate(&solver), CUSOLVER_STATUS_SUCCESS);
  ASSERT_EQ(cusolverDnSetStream(solver, stream), CUSOLVER_STATUS_SUCCESS);
  DeviceArray<double> matrix(std::vector<double>{4}), values(1), work(64);
  DeviceArray<int> info(1);
  const auto decompose = [&] {
    return cusolverDnDsyevd(solver, CUSOLVER_EIG_MODE_VECTOR, CUBLAS_FILL_MODE_LOWER, 1, matrix.data, 1,
                            values.data, work.data, 64, info.data);
  };
  cudaGraph_t none = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream, host_cuda::thread_local_mode), cudaSuccess);
  EXPECT_EQ(decompose(), CUSOLVER_STATUS_EXECUTION_FAILED);
  EXPECT_EQ(cudaStreamEndCapture(stream, &none), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(cudaGetLastError(), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(decompose(), CUSOLVER_STATUS_SUCCESS);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(values.get()[0], 4.0);
  EXPECT_EQ(cusolverDnDestroy(solver), CUSOLVER_STATUS_SUCCESS);
}

}  // namespace
