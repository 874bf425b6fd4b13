/// Warp operations of the executor: lanes that wait for one another.
#include <algorithm>

#include "host_cuda/executor.hpp"
#include "host_cuda/host_cuda.hpp"

namespace host_cuda {
namespace {

bool contains(unsigned mask, int lane) { return (mask >> lane & 1) != 0; }

}  // namespace

bool Executor::meet(unsigned mask, std::source_location at) {
  const unsigned own = 1u << lane();
  if ((mask & own) == 0)
    throw KernelError(kernel_name() + ", block " + to_text(blockIdx) + ": lane " + std::to_string(lane()) +
                      " is not in the mask of its warp operation at " + to_text(at));
  auto& meetings = current_->block->meetings[current_->number / 32];
  auto meeting = std::find_if(meetings.begin(), meetings.end(), [&](const Meeting& m) {
    return m.mask == mask && same_place(m.at, at) && m.at.column() == at.column();
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
  Thread* const warp = current_ - lane();
  Thread* others[32];
  std::size_t count = 0;
  for (int l = 0; l < 32; ++l)
    if (contains(mask, l) && warp + l != current_) others[count++] = warp + l;
  synchronise({others, count});
  release({others, count});
}

void Executor::warp_barrier(unsigned mask, std::source_location at) {
  if (!places_.dropped(at) && meet(mask, at)) finish_meeting(mask);
}

std::uint64_t Executor::shuffle(unsigned mask, std::uint64_t bits, int source, std::source_location at) {
  Thread &self = *current_, *const warp = current_ - lane();
  self.bits = bits;
  self.source = source;
  if (meet(mask, at)) {
    std::uint64_t brought[32];
    for (int l = 0; l < 32; ++l) brought[l] = contains(mask, l) ? warp[l].bits : ~std::uint64_t{0};
    for (int l = 0; l < 32; ++l)
      if (contains(mask, l)) warp[l].bits = brought[warp[l].source & 31];
    finish_meeting(mask);
  }
  return self.bits;
}

unsigned Executor::ballot(unsigned mask, bool predicate, std::source_location at) {
  Thread &self = *current_, *const warp = current_ - lane();
  self.bits = predicate ? 1 : 0;
  if (meet(mask, at)) {
    std::uint64_t votes = 0;
    for (int l = 0; l < 32; ++l)
      if (contains(mask, l)) votes |= warp[l].bits << l;
    for (int l = 0; l < 32; ++l)
      if (contains(mask, l)) warp[l].bits = votes;
    finish_meeting(mask);
  }
  return static_cast<unsigned>(self.bits);
}

void Executor::exchange(unsigned mask, void* mine, void (*settle)(void* const*), std::source_location at) {
  Thread* const warp = current_ - lane();
  current_->bits = reinterpret_cast<std::uintptr_t>(mine);
  if (!meet(mask, at)) return;
  void* lanes[32] = {};
  for (int l = 0; l < 32; ++l)
    if (contains(mask, l)) lanes[l] = reinterpret_cast<void*>(warp[l].bits);
  settle(lanes);
  finish_meeting(mask);
}

}  // namespace host_cuda
