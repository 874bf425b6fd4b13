#include <cuda_profiler_api.h>

#include <memory>
#include <set>
#include <vector>

#include "host_cuda/tests/environment.hpp"
#include "host_cuda/tests/streams.hpp"

using host_cuda::affine;
using host_cuda::DeviceArray;
using host_cuda::EnvironmentVariable;
using host_cuda::Event;
using host_cuda::PinnedArray;
using host_cuda::TestStream;
using natgrad::launch;

namespace {

/// In these tests nothing runs before it must.
struct HostCudaStreams : host_cuda::HostCuda {
  const EnvironmentVariable in_order{"NATGRAD_HOST_CUDA_SHUFFLE", "0"};
};

TEST_F(HostCudaStreams, CopyToPinnedMemoryIsNotThereBeforeTheSynchronisation) {
  const TestStream stream;
  DeviceArray<int> a(std::vector<int>{1});
  PinnedArray<int> result(1);
  *result.data = -7;
  launch(affine, 1, 1, 0, stream, a.data, 3, 4);
  EXPECT_EQ(cudaMemcpyAsync(result.data, a.data, 4, cudaMemcpyDeviceToHost, stream), cudaSuccess);
  EXPECT_EQ(*result.data, -7);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(*result.data, 7);
}

TEST_F(HostCudaStreams, CopyFromPinnedMemoryReadsItsSourceWhenItRuns) {
  const TestStream stream;
  DeviceArray<int> a(std::vector<int>{0});
  PinnedArray<int> source(1);
  *source.data = 1;
  EXPECT_EQ(cudaMemcpyAsync(a.data, source.data, 4, cudaMemcpyHostToDevice, stream), cudaSuccess);
  *source.data = 2;  // too early, as the stream was not synchronised
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(a.get()[0], 2);
}

TEST_F(HostCudaStreams, CopyFromPageableMemoryTakesItsSourceAtOnceAndRunsInOrder) {
  const TestStream stream;
  DeviceArray<int> a(std::vector<int>{1});
  auto source = std::make_unique<int>(10);
  launch(affine, 1, 1, 0, stream, a.data, 0, 99);
  EXPECT_EQ(cudaMemcpyAsync(a.data, source.get(), 4, cudaMemcpyHostToDevice, stream), cudaSuccess);
  source.reset();
  launch(affine, 1, 1, 0, stream, a.data, 2, 1);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(a.get()[0], 21);
}

TEST_F(HostCudaStreams, CopyToPageableMemoryWaitsForItsStream) {
  const TestStream stream;
  DeviceArray<int> a(std::vector<int>{1});
  int result = 0;
  launch(affine, 1, 1, 0, stream, a.data, 3, 4);
  EXPECT_EQ(cudaMemcpyAsync(&result, a.data, 4, cudaMemcpyDeviceToHost, stream), cudaSuccess);
  EXPECT_EQ(result, 7);
}

TEST_F(HostCudaStreams, KernelArgumentsAreCapturedAtTheLaunch) {
  const TestStream stream;
  DeviceArray<int> a(std::vector<int>{1});
  int term = 5;
  launch(affine, 1, 1, 0, stream, a.data, 0, term);
  term = 6;
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(a.get()[0], 5);
}

TEST_F(HostCudaStreams, BlockingCopyDoesNotWaitForNonBlockingStreams) {
  const TestStream non_blocking, blocking(cudaStreamDefault);
  DeviceArray<int> a(std::vector<int>{1}), b(std::vector<int>{1});
  launch(affine, 1, 1, 0, non_blocking, a.data, 0, 2);
  launch(affine, 1, 1, 0, blocking, b.data, 0, 2);
  EXPECT_EQ(a.get()[0], 1);  // a missing synchronisation shows
  EXPECT_EQ(b.get()[0], 2);
}

TEST_F(HostCudaStreams, BlockingStreamWaitsForTheNullStream) {
  const TestStream blocking(cudaStreamDefault);
  DeviceArray<int> a(std::vector<int>{1});
  launch(affine, 1, 1, 0, nullptr, a.data, 0, 2);
  launch(affine, 1, 1, 0, blocking, a.data, 3, 0);
  EXPECT_EQ(cudaStreamSynchronize(blocking), cudaSuccess);
  EXPECT_EQ(a.get()[0], 6);
}

TEST_F(HostCudaStreams, StreamsRunIndependentlyUntilAnEventOrdersThem) {
  const TestStream first, second;
  const Event recorded;
  DeviceArray<int> a(std::vector<int>{1});
  launch(affine, 1, 1, 0, first, a.data, 1, 1);  // 2
  EXPECT_EQ(cudaEventRecord(recorded, first), cudaSuccess);
  launch(affine, 1, 1, 0, first, a.data, 10, 0);  // after the event
  EXPECT_EQ(cudaStreamWaitEvent(second, recorded, 0), cudaSuccess);
  launch(affine, 1, 1, 0, second, a.data, 3, 0);
  EXPECT_EQ(cudaStreamSynchronize(second), cudaSuccess);
  EXPECT_EQ(a.get()[0], 6);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(a.get()[0], 60);
}

TEST_F(HostCudaStreams, EventSynchronisationRunsTheStreamUpToTheEvent) {
  const TestStream stream;
  const Event recorded;
  DeviceArray<int> a(std::vector<int>{1});
  launch(affine, 1, 1, 0, stream, a.data, 1, 1);
  EXPECT_EQ(cudaEventRecord(recorded, stream), cudaSuccess);
  launch(affine, 1, 1, 0, stream, a.data, 10, 0);
  EXPECT_EQ(cudaEventQuery(recorded), cudaErrorNotReady);
  EXPECT_EQ(cudaEventSynchronize(recorded), cudaSuccess);
  EXPECT_EQ(cudaEventQuery(recorded), cudaSuccess);
  EXPECT_EQ(a.get()[0], 2);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
}

TEST_F(HostCudaStreams, PollingAStreamComesToAnEnd) {
  const TestStream stream;
  DeviceArray<int> a(std::vector<int>{1});
  launch(affine, 1, 1, 0, stream, a.data, 0, 2);
  launch(affine, 1, 1, 0, stream, a.data, 3, 0);
  EXPECT_EQ(cudaStreamQuery(stream), cudaErrorNotReady);
  EXPECT_EQ(cudaStreamQuery(stream), cudaErrorNotReady);
  EXPECT_EQ(cudaStreamQuery(stream), cudaSuccess);
  EXPECT_EQ(a.get()[0], 6);
}

TEST_F(HostCudaStreams, ElapsedTimeNeedsTwoReachedEvents) {
  const TestStream stream;
  const Event start, end, untimed(cudaEventDisableTiming);
  float ms = -1;
  EXPECT_EQ(cudaEventElapsedTime(&ms, start, end), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaEventRecord(start, stream), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(end, stream), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(untimed, stream), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&ms, start, end), cudaErrorNotReady);
  EXPECT_EQ(cudaEventSynchronize(untimed), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&ms, start, end), cudaSuccess);
  EXPECT_GE(ms, 0.0f);
  EXPECT_EQ(cudaEventElapsedTime(&ms, start, untimed), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidResourceHandle);
}

TEST_F(HostCudaStreams, StreamsAndEventsThatAreNotThereAreRefused) {
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamDefault), cudaSuccess);
  ASSERT_EQ(cudaEventCreate(&event), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaEventSynchronize(event), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidResourceHandle);
}

TEST_F(HostCudaStreams, DestroyingAStreamRunsWhatIsQueued) {
  DeviceArray<int> a(std::vector<int>{1});
  {
    const TestStream stream;
    launch(affine, 1, 1, 0, stream, a.data, 0, 2);
  }
  EXPECT_EQ(a.get()[0], 2);
}

struct HostCudaShuffledStreams : host_cuda::HostCuda {
  /// What two streams make of x = 1 in 64 runs, the second waiting for the first where `ordered`.
  static std::set<int> results(bool ordered) {
    std::set<int> found;
    for (int run = 0; run < 64; ++run) {
      const TestStream first, second;
      const Event done(cudaEventDisableTiming);
      DeviceArray<int> a(std::vector<int>{1});
      launch(affine, 1, 1, 0, first, a.data, 1, 1);
      EXPECT_EQ(cudaEventRecord(done, first), cudaSuccess);
      if (ordered) {
        EXPECT_EQ(cudaStreamWaitEvent(second, done, 0), cudaSuccess);
      }
      launch(affine, 1, 1, 0, second, a.data, 3, 0);
      EXPECT_EQ(cudaEventRecord(done, second), cudaSuccess);
      EXPECT_EQ(run % 2 == 0 ? cudaStreamSynchronize(second) : cudaEventSynchronize(done), cudaSuccess);
      EXPECT_EQ(cudaStreamSynchronize(first), cudaSuccess);
      found.insert(a.get()[0]);
    }
    return found;
  }

  const EnvironmentVariable shuffled{"NATGRAD_HOST_CUDA_SHUFFLE", "5"};
};

TEST_F(HostCudaShuffledStreams, AMissingOrderBetweenStreamsShows) {
  EXPECT_EQ(results(false), (std::set<int>{4, 6}));
}

TEST_F(HostCudaShuffledStreams, AnEventKeepsStreamsInOrder) { EXPECT_EQ(results(true), std::set<int>{6}); }

TEST_F(HostCudaStreams, ProfilerRangesAreCounted) {
  host_cuda::reset_counts();
  EXPECT_EQ(cudaProfilerStart(), cudaSuccess);
  EXPECT_EQ(cudaProfilerStop(), cudaSuccess);
  EXPECT_EQ(cudaProfilerStart(), cudaSuccess);
  EXPECT_EQ(host_cuda::counts().profiler_starts, 2);
  EXPECT_EQ(host_cuda::counts().profiler_stops, 1);
}

TEST_F(HostCudaStreams, TheDeviceAnswersWhatLaunchesAreFittedTo) {
  cudaDeviceProp properties{};
  ASSERT_EQ(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  const auto attribute = [](cudaDeviceAttr which) {
    int value = -1;
    EXPECT_EQ(cudaDeviceGetAttribute(&value, which, 0), cudaSuccess);
    return value;
  };
  EXPECT_EQ(attribute(cudaDevAttrComputeCapabilityMajor), 9);
  EXPECT_EQ(attribute(cudaDevAttrComputeCapabilityMinor), 0);
  EXPECT_EQ(attribute(cudaDevAttrComputeCapabilityMajor), properties.major);
  EXPECT_EQ(attribute(cudaDevAttrComputeCapabilityMinor), properties.minor);
  EXPECT_EQ(attribute(cudaDevAttrMultiProcessorCount), properties.multiProcessorCount);
  EXPECT_GT(properties.multiProcessorCount, 1);  // a grid of one block each is a grid of several
  EXPECT_EQ(attribute(cudaDevAttrCooperativeLaunch), 1);
  EXPECT_EQ(properties.cooperativeLaunch, 1);
  EXPECT_EQ(std::size_t(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin)),
            properties.sharedMemPerBlockOptin);
}

}  // namespace
