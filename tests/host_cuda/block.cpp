#include "host_cuda/block.hpp"

#include <algorithm>
#include <sstream>

namespace host_cuda {

Block::Block(dim3 shape) {
  threads.reserve(std::size_t{shape.x} * shape.y * shape.z);
  for (unsigned z = 0; z < shape.z; ++z)
    for (unsigned y = 0; y < shape.y; ++y)
      for (unsigned x = 0; x < shape.x; ++x)
        threads.push_back({.block = this, .number = static_cast<int>(threads.size()), .index = {x, y, z}});
  meetings.resize((threads.size() + 31) / 32);
}

void Block::begin(uint3 at, std::size_t shared_bytes) {
  index = at;
  for (Thread& thread : threads) thread.state = State::unfinished;
  shared.begin(shared_bytes);
}

void Block::abandon() {
  at_barrier.clear();
  for (auto& of_warp : meetings) of_warp.clear();
}

bool same_place(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() && a.file_name() == b.file_name();
}

std::string to_text(const std::source_location& at) {
  return std::string(at.file_name()) + ":" + std::to_string(at.line());
}

std::string to_text(uint3 index) {
  std::ostringstream text;
  text << '(' << index.x << ", " << index.y << ", " << index.z << ')';
  return text.str();
}

namespace {

/// Names one of the threads that do not wait with the others.
std::string incomplete(const char* barrier, std::span<const Thread* const> waiting,
                       std::span<const Thread* const> all) {
  const Thread& first = *waiting.front();
  const auto with_first = [&first](const Thread* thread) {
    return thread->state == first.state && same_place(thread->at, first.at);
  };
  const Thread& missing = **std::find_if_not(all.begin(), all.end(), with_first);
  std::ostringstream text;
  text << barrier << " at " << to_text(first.at) << " was reached by "
       << std::count_if(waiting.begin(), waiting.end(), with_first) << " of " << all.size()
       << " threads; thread " << to_text(missing.index) << " of block " << to_text(missing.block->index)
       << (missing.state == State::finished ? " has returned" : " waits at " + to_text(missing.at));
  return text.str();
}

std::string incomplete(const Meeting& meeting) {
  std::ostringstream text;
  text << "the warp operation at " << to_text(meeting.at) << " has mask 0x" << std::hex << meeting.mask
       << ", but lanes 0x" << meeting.arrived << " arrived";
  return text.str();
}

}  // namespace

// From the smallest group to the largest: who waits in a large one may wait for somebody stuck in a small
// one.
std::string why_stalled(std::span<const std::unique_ptr<Block>> blocks,
                        std::span<const Thread* const> at_grid_barrier) {
  const auto in_block = [](const Block& block) { return "block " + to_text(block.index) + ": "; };
  std::vector<const Thread*> grid;
  for (const auto& block : blocks)
    for (const auto& of_warp : block->meetings)
      if (!of_warp.empty()) return in_block(*block) + incomplete(of_warp.front());
  for (const auto& block : blocks) {
    std::vector<const Thread*> all;
    for (const Thread& thread : block->threads) all.push_back(&thread);
    if (!block->at_barrier.empty())
      return in_block(*block) + incomplete("__syncthreads", block->at_barrier, all);
    grid.insert(grid.end(), all.begin(), all.end());
  }
  return incomplete("grid_sync", at_grid_barrier, grid);
}

}  // namespace host_cuda
