#include "host_cuda/capture.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "host_cuda/api.hpp"

namespace host_cuda {
namespace {

std::map<cudaStream_t, Capture>& captures() {
  static auto& instance =
      *new std::map<cudaStream_t, Capture>;  // streams are destroyed while the program ends
  return instance;
}

}  // namespace

Capture* capture_of(cudaStream_t stream) {
  const auto found = captures().find(stream);
  return found != captures().end() ? &found->second : nullptr;
}

void begin_capture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  static unsigned long long last_id = 0;
  require(mode == cudaStreamCaptureModeGlobal || mode == cudaStreamCaptureModeThreadLocal ||
              mode == cudaStreamCaptureModeRelaxed,
          "no such capture mode");
  const bool blocking = is_blocking(stream);
  if (stream == nullptr)
    throw Fault(cudaErrorStreamCaptureUnsupported, "the legacy default stream cannot capture");
  if (capture_of(stream) != nullptr) throw Fault(cudaErrorIllegalState, "the stream captures already");
  captures().emplace(stream, Capture{++last_id, mode, std::this_thread::get_id(), blocking});
}

Nodes end_capture(cudaStream_t stream) {
  Capture* const capture = capture_of(stream);
  if (capture == nullptr) throw Fault(cudaErrorIllegalState, "the stream does not capture");
  if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != std::this_thread::get_id())
    throw Fault(cudaErrorStreamCaptureWrongThread, "another thread began this capture");
  const Capture ended = std::move(*capture);
  drop_capture(stream);
  require_valid(ended);
  return ended.nodes;
}

void drop_capture(cudaStream_t stream) { captures().erase(stream); }

void require_valid(const Capture& capture) {
  if (capture.invalidated)
    throw Fault(cudaErrorStreamCaptureInvalidated, "an earlier error has invalidated the capture");
}

void refuse(Capture& capture, cudaError_t status, const std::string& message) {
  capture.invalidated = true;
  throw Fault(status, message);
}

bool a_blocking_stream_captures() {
  return std::ranges::any_of(captures(), [](const auto& each) { return each.second.blocking; });
}

void forbid_in_capture(cudaStream_t stream) {
  if (Capture* capture = capture_of(stream))
    refuse(*capture, cudaErrorStreamCaptureUnsupported, "the stream captures");
  if (stream != nullptr) return;
  for (auto& [other, capture] : captures())
    if (capture.blocking)
      refuse(capture, cudaErrorStreamCaptureImplicit,
             "the legacy default stream would wait for a blocking stream, which captures");
}

void forbid_in_any_capture() {
  for (auto& [stream, capture] : captures()) capture.invalidated = true;
  if (!captures().empty())
    throw Fault(cudaErrorStreamCaptureUnsupported, "the call waits for all streams, and one captures");
}

void forbid_unsafe_in_capture() {
  for (auto& [stream, capture] : captures())
    if (capture.mode == cudaStreamCaptureModeGlobal ||
        (capture.mode == cudaStreamCaptureModeThreadLocal && capture.thread == std::this_thread::get_id()))
      refuse(capture, cudaErrorStreamCaptureUnsupported,
             "a stream captures, which would not see this call; only in relaxed mode is it allowed");
}

void forbid_captured(const Mark& mark) {
  if (mark.capture == 0) return;
  for (auto& [stream, capture] : captures()) capture.invalidated |= capture.id == mark.capture;
  throw Fault(cudaErrorCapturedEvent, "the event was recorded last in a stream that captured");
}

}  // namespace host_cuda
