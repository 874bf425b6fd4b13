/// Executes the blocks of a launch, each thread of a block on a fibre.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <random>
#include <source_location>
#include <span>
#include <string>
#include <vector>

#include "host_cuda/fibre.hpp"
#include "host_cuda/simt.hpp"

namespace host_cuda {

/// One per host thread. A fibre runs one thread of the block after another for as long as none has to wait,
/// so that a kernel without barriers costs two switches a block.
class Executor {
 public:
  static constexpr std::size_t max_shared_bytes = std::size_t{227} << 10;  // compute capability 9.0

  Executor();
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// Throws what the first thread to fail threw, or KernelError.
  void run(const Launch& launch);

  // Called from inside a thread of the running block.
  void barrier(std::source_location at);
  std::uint64_t shuffle(unsigned mask, std::uint64_t bits, int source, std::source_location at);
  unsigned ballot(unsigned mask, bool predicate, std::source_location at);
  int lane() const { return current_ & 31; }
  std::byte* shared_memory(std::size_t bytes);

 private:
  enum class State { unfinished, at_barrier, at_warp, finished };
  struct Thread {
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

  void index_threads(dim3 block);
  void run_block();
  void begin_block();
  void run_threads();
  void schedule();
  void resume(int thread);
  void run_fibre(Fibre& fibre);
  void switch_to(int thread);
  void wait(State state, std::source_location at);
  void release(std::span<const int> waiting);
  /// True in the lane that arrives last, which then settles the operation for all.
  bool meet(unsigned mask, std::source_location at);
  void finish_meeting(unsigned mask);
  void check_finished() const;
  void check_shared_guard() const;
  void abandon_block();
  std::string block_name() const;

  const Launch* launch_ = nullptr;
  std::vector<Thread> threads_;
  std::vector<int> order_;  // in which the block's threads start
  int next_ = 0;            // in order_
  int current_ = 0;
  int finished_ = 0;
  std::vector<int> at_barrier_, ready_;
  std::vector<std::vector<Meeting>> meetings_;  // by warp
  std::exception_ptr error_;
  std::vector<std::unique_ptr<Fibre>> fibres_;
  std::vector<Fibre*> idle_;
  Fibre* fibre_ = nullptr;  // the running one
  std::byte* shared_;
  bool shuffled_ = false;
  std::mt19937 random_;
};

/// The calling host thread's.
Executor& executor();

}  // namespace host_cuda
