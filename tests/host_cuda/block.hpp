/// A block whose threads the executor has begun.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <vector>

#include "host_cuda/fibre.hpp"
#include "host_cuda/shared_memory.hpp"

namespace host_cuda {

struct Block;

enum class State { unfinished, at_barrier, at_grid_barrier, at_warp, finished };

struct Thread {
  Block* block = nullptr;
  int number = 0;  // in the block
  uint3 index{};
  State state = State::unfinished;
  Fibre* fibre = nullptr;
  std::source_location at{};  // where it waits
  std::uint64_t bits = 0;     // brought to a warp operation, and taken from it
  int source = 0;
};

/// Lanes that wait at one warp operation.
struct Meeting {
  unsigned mask, arrived;
  std::source_location at;
};

/// Neither copied nor moved: its threads refer to it.
struct Block {
  explicit Block(dim3 shape);
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  void begin(uint3 at, std::size_t shared_bytes);
  /// Its threads will not go on.
  void abandon();

  uint3 index{};
  std::vector<Thread> threads;
  std::vector<Thread*> at_barrier;
  std::vector<std::vector<Meeting>> meetings;  // by warp
  SharedMemory shared;
};

bool same_place(const std::source_location& a, const std::source_location& b);
/// "file:line"
std::string to_text(const std::source_location& at);
/// "(x, y, z)"
std::string to_text(uint3 index);

/// Why threads of the blocks wait and nobody is left to let them go on.
std::string why_stalled(std::span<const std::unique_ptr<Block>> blocks,
                        std::span<const Thread* const> at_grid_barrier);

}  // namespace host_cuda
