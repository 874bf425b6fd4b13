/// CUDA runtime: streams, events and synchronisation.
#include <chrono>
#include <memory>
#include <set>

#include "host_cuda/api.hpp"
#include "host_cuda/capture.hpp"
#include "host_cuda/queue.hpp"

using host_cuda::Fault;
using host_cuda::mutable_counts;
using host_cuda::runtime_call;

struct CUevent_st {
  bool timed;
  std::shared_ptr<host_cuda::Mark> mark{};  // where it was recorded last
};

namespace {

std::set<cudaEvent_t>& events() {
  static auto& instance = *new std::set<cudaEvent_t>;  // events are destroyed while the program ends
  return instance;
}

CUevent_st& checked(cudaEvent_t event) {
  if (!events().contains(event)) throw Fault(cudaErrorInvalidResourceHandle, "there is no such event");
  return *event;
}

/// Where the host may wait for `event` to be reached: nullptr where it was never recorded.
std::shared_ptr<host_cuda::Mark> checked_for_waiting(cudaEvent_t event) {
  const auto mark = checked(event).mark;
  if (mark != nullptr) host_cuda::forbid_captured(*mark);
  host_cuda::forbid_unsafe_in_capture();
  return mark;
}

}  // namespace

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* pStream, unsigned flags) {
  return runtime_call(__func__, [=] {
    host_cuda::require(flags == cudaStreamDefault || flags == cudaStreamNonBlocking, "no such flags");
    host_cuda::require_memory();
    *pStream = host_cuda::make_stream(flags == cudaStreamDefault);
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return host_cuda::release_call(__func__, [=] { host_cuda::destroy_stream(stream); });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return runtime_call(__func__, [=] {
    ++mutable_counts().synchronisations;
    host_cuda::drain(stream);
  });
}

cudaError_t cudaDeviceSynchronize() {
  return runtime_call(__func__, [] {
    host_cuda::forbid_in_any_capture();
    ++mutable_counts().synchronisations;
    host_cuda::drain_all();
  });
}

// Each query lets one queued operation run, so that polling comes to an end.
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  bool idle = false;
  const cudaError_t status = runtime_call(__func__, [&] {
    host_cuda::forbid_in_capture(stream);
    idle = host_cuda::is_idle(stream);
    if (!idle) host_cuda::step(stream);
  });
  return status == cudaSuccess && !idle ? cudaErrorNotReady : status;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  return runtime_call(__func__, [=] {
    host_cuda::require(flags == cudaEventWaitDefault, "no such flags");
    if (const auto mark = checked(event).mark) host_cuda::wait(stream, mark);
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return runtime_call(__func__, [=] {
    constexpr unsigned known = cudaEventBlockingSync | cudaEventDisableTiming;
    host_cuda::require((flags & ~known) == 0, "no such flags");
    host_cuda::require_memory();
    *event = *events().insert(new CUevent_st{.timed = (flags & cudaEventDisableTiming) == 0}).first;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return runtime_call(__func__, [=] {
    delete &checked(event);
    events().erase(event);
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return runtime_call(__func__, [=] { checked(event).mark = host_cuda::mark(stream); });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return runtime_call(__func__, [=] {
    const auto mark = checked_for_waiting(event);
    ++mutable_counts().synchronisations;
    if (mark != nullptr) host_cuda::drain_to(*mark);
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  bool reached = true;
  const cudaError_t status = runtime_call(__func__, [&] {
    const auto mark = checked_for_waiting(event);
    reached = mark == nullptr || mark->reached;
    if (!reached) host_cuda::step(mark->stream);
  });
  return status == cudaSuccess && !reached ? cudaErrorNotReady : status;
}

cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t start, cudaEvent_t end) {
  bool reached = true;
  const cudaError_t status = runtime_call(__func__, [&] {
    const CUevent_st &first = checked(start), &second = checked(end);
    if (!first.timed || !second.timed || first.mark == nullptr || second.mark == nullptr)
      throw Fault(cudaErrorInvalidResourceHandle, "an event without timing, or never recorded");
    host_cuda::forbid_captured(*first.mark);
    host_cuda::forbid_captured(*second.mark);
    reached = first.mark->reached && second.mark->reached;
    *ms = std::chrono::duration<float, std::milli>(second.mark->time - first.mark->time).count();
  });
  return status == cudaSuccess && !reached ? cudaErrorNotReady : status;
}
