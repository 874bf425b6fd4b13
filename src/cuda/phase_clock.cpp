#include "cuda/phase_clock.hpp"

#include <exception>
#include <iterator>
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
  open_.push_back(phase);
  nvtxDomainRangePushEx(nvtx3::domain::get<ProfilerDomain>(), nvtx3::event_attributes(name).get());
  if (timed) mark(stream);
}

void PhaseClock::end(cudaStream_t stream, bool timed) noexcept {
  open_.pop_back();
  if (timed) mark(stream);
  nvtxDomainRangePop(nvtx3::domain::get<ProfilerDomain>());
}

void PhaseClock::mark(cudaStream_t stream) noexcept {
  try {
    if (spare_.empty()) spare_.push_back({make_event(), std::nullopt});
  } catch (const std::exception&) {
    return;
  }
  if (cudaEventRecord(spare_.front().event.get(), stream) != cudaSuccess) return;
  marks_.splice(marks_.end(), spare_, spare_.begin());
  marks_.back().phase = open_.empty() ? std::nullopt : std::optional(open_.back());
}

void PhaseClock::collect() noexcept {
  while (marks_.size() > 1) {  // the last moment begins the next interval
    const Mark &begin = marks_.front(), &end = *std::next(marks_.begin());
    float milliseconds = 0.0F;
    if (begin.phase && cudaEventElapsedTime(&milliseconds, begin.event.get(), end.event.get()) == cudaSuccess)
      seconds_[static_cast<std::size_t>(*begin.phase)] += 1e-3 * static_cast<double>(milliseconds);
    spare_.splice(spare_.end(), marks_, marks_.begin());
  }
}

PhaseSeconds PhaseClock::take() { return std::exchange(seconds_, PhaseSeconds{}); }

}  // namespace natgrad
