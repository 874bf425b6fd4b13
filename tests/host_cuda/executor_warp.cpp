/// Warp operations of the executor: lanes that wait for one another.
#include <algorithm>

#include "host_cuda/executor.hpp"
#include "host_cuda/host_cuda.hpp"

namespace host_cuda {

bool Executor::meet(unsigned mask, std::source_location at) {
  const unsigned own = 1u << lane();
  if ((mask & own) == 0)
    throw KernelError(block_name() + ": lane " + std::to_string(lane()) +
                      " is not in the mask of its warp operation");
  auto& meetings = meetings_[current_ / 32];
  auto meeting = std::find_if(meetings.begin(), meetings.end(), [&](const Meeting& m) {
    return m.mask == mask && m.at.line() == at.line() && m.at.column() == at.column() &&
           m.at.file_name() == at.file_name();
  });
  if (meeting == meetings.end()) meeting = meetings.insert(meetings.end(), {mask, 0, at});
  meeting->arrived |= own;
  if (meeting->arrived == mask) {
    meetings.erase(meeting);
    return true;
  }
  wait(State::at_warp, at);
  return false;
}

// Lets the other lanes of a meeting go on.
void Executor::finish_meeting(unsigned mask) {
  const int warp = current_ & ~31;
  int others[32], count = 0;
  for (int lane = 0; lane < 32; ++lane)
    if ((mask >> lane & 1) != 0 && warp + lane != current_) others[count++] = warp + lane;
  release({others, others + count});
}

std::uint64_t Executor::shuffle(unsigned mask, std::uint64_t bits, int source, std::source_location at) {
  const int self = current_, warp = self & ~31;
  threads_[self].bits = bits;
  threads_[self].source = source;
  if (meet(mask, at)) {
    std::uint64_t brought[32];
    for (int lane = 0; lane < 32; ++lane)
      brought[lane] = (mask >> lane & 1) != 0 ? threads_[warp + lane].bits : ~std::uint64_t{0};
    for (int lane = 0; lane < 32; ++lane)
      if ((mask >> lane & 1) != 0) threads_[warp + lane].bits = brought[threads_[warp + lane].source & 31];
    finish_meeting(mask);
  }
  return threads_[self].bits;
}

unsigned Executor::ballot(unsigned mask, bool predicate, std::source_location at) {
  const int self = current_, warp = self & ~31;
  threads_[self].bits = predicate ? 1 : 0;
  if (meet(mask, at)) {
    std::uint64_t votes = 0;
    for (int lane = 0; lane < 32; ++lane)
      if ((mask >> lane & 1) != 0) votes |= threads_[warp + lane].bits << lane;
    for (int lane = 0; lane < 32; ++lane)
      if ((mask >> lane & 1) != 0) threads_[warp + lane].bits = votes;
    finish_meeting(mask);
  }
  return static_cast<unsigned>(threads_[self].bits);
}

}  // namespace host_cuda
