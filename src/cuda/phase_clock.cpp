#include "cuda/phase_clock.hpp"

#include <nvtx3/nvtx3.hpp>
#include <string>
#include <utility>

namespace natgrad {
namespace {

struct ProfilerDomain {
  static constexpr const char* name = "natgrad";
};

}  // namespace

void PhaseClock::begin(Phase phase, cudaStream_t stream, bool timed) {
  const std::string name(to_string(phase));
  nvtxDomainRangePushEx(nvtx3::domain::get<ProfilerDomain>(), nvtx3::event_attributes(name).get());
  open_.push_back(phase);
  if (timed) mark(stream);
}

void PhaseClock::end(cudaStream_t stream, bool timed) noexcept {
  open_.pop_back();
  if (timed) mark(stream);
  nvtxDomainRangePop(nvtx3::domain::get<ProfilerDomain>());
}

EventHandle PhaseClock::take_event() noexcept {
  if (!spare_.empty()) {
    EventHandle event = std::move(spare_.back());
    spare_.pop_back();
    return event;
  }
  cudaEvent_t event = nullptr;
  return cudaEventCreate(&event) == cudaSuccess ? EventHandle(event) : EventHandle();
}

void PhaseClock::mark(cudaStream_t stream) noexcept {
  EventHandle event = take_event();
  if (event == nullptr || cudaEventRecord(event.get(), stream) != cudaSuccess) return;
  marks_.push_back({std::move(event), open_.empty() ? std::nullopt : std::optional(open_.back())});
}

void PhaseClock::collect() noexcept {
  if (marks_.size() < 2) return;
  for (std::size_t i = 0; i + 1 < marks_.size(); ++i) {
    float milliseconds = 0.0F;
    const auto& [event, phase] = marks_[i];
    if (phase && cudaEventElapsedTime(&milliseconds, event.get(), marks_[i + 1].event.get()) == cudaSuccess)
      seconds_[static_cast<std::size_t>(*phase)] += 1e-3 * static_cast<double>(milliseconds);
    spare_.push_back(std::move(marks_[i].event));
  }
  marks_.erase(marks_.begin(), marks_.end() - 1);  // the last moment begins the next interval
}

PhaseSeconds PhaseClock::take() { return std::exchange(seconds_, PhaseSeconds{}); }

}  // namespace natgrad
