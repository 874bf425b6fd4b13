/// Executes launches, each thread of a block on a fibre.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <random>
#include <source_location>
#include <span>
#include <string>
#include <vector>

#include "host_cuda/barrier_places.hpp"
#include "host_cuda/block.hpp"
#include "host_cuda/fibre.hpp"
#include "host_cuda/simt.hpp"

namespace host_cuda {

/// One per host thread. One block of a launch is resident after another, or all at once where the launch is
/// cooperative. A fibre runs one resident thread after another for as long as none has to wait, so that a
/// kernel without barriers costs two switches a block; under ThreadSanitizer every thread has a fibre of its
/// own.
class Executor {
 public:
  static constexpr std::size_t max_shared_bytes = std::size_t{227} << 10;  // compute capability 9.0

  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// Throws what the first thread to fail threw, or KernelError.
  void run(const Launch& launch);

  // Called from inside a thread of the running launch.
  void barrier(std::source_location at);
  void grid_barrier(std::source_location at);
  void warp_barrier(unsigned mask, std::source_location at);
  std::uint64_t shuffle(unsigned mask, std::uint64_t bits, int source, std::source_location at);
  unsigned ballot(unsigned mask, bool predicate, std::source_location at);
  void exchange(unsigned mask, void* mine, void (*settle)(void* const*), std::source_location at);
  int lane() const { return current_->number & 31; }
  std::byte* shared_memory(std::size_t bytes);

 private:
  enum class Order { natural, reversed, random };

  void read_environment();
  std::vector<unsigned> block_numbers();
  void make_blocks(std::size_t resident);
  void run_resident(std::span<const unsigned> numbers);
  uint3 block_index(unsigned number) const;

  void schedule();
  Fibre& idle_fibre();
  void run_threads();
  void run_fibre(Fibre& fibre);
  void switch_to(Thread& thread);
  void wait(State state, std::source_location at);
  void release(std::span<Thread* const> waiting);
  void synchronise(std::span<Thread* const> others);
  void meet_all(std::vector<Thread*>& waiting, std::size_t all, State state, std::source_location at);
  /// True in the lane that arrives last, which then settles the operation for all.
  bool meet(unsigned mask, std::source_location at);
  void finish_meeting(unsigned mask);
  void check_finished() const;
  void abandon();
  void join_fibres();
  std::string kernel_name() const;

  const Launch* launch_ = nullptr;
  std::vector<std::unique_ptr<Block>> blocks_;  // that are resident
  std::vector<Thread*> starting_;               // their threads, in the order in which they start
  std::size_t next_ = 0;                        // in starting_
  std::size_t finished_ = 0;
  Thread* current_ = nullptr;
  std::vector<Thread*> ready_;  // to go on, the next one last
  std::vector<Thread*> at_grid_barrier_;
  std::exception_ptr error_;
  std::vector<std::unique_ptr<Fibre>> fibres_;
  std::deque<Fibre*> idle_;
  Fibre* fibre_ = nullptr;  // the running one
  BarrierPlaces places_;
  Order order_ = Order::natural;
  std::mt19937 random_;
};

/// The calling host thread's.
Executor& executor();

}  // namespace host_cuda
