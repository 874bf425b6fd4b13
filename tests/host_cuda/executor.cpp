#include "host_cuda/executor.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "host_cuda/api.hpp"
#include "launch.cuh"

namespace host_cuda {

Executor& executor() {
  static thread_local Executor instance;
  return instance;
}

void Executor::run(const Launch& launch) {
  const tsan::Ignore ignore;
  launch_ = &launch;
  blockDim = launch.block;
  gridDim = launch.grid;
  read_environment();
  const std::vector<unsigned> numbers = block_numbers();
  const std::size_t resident = launch.cooperative ? numbers.size() : 1;
  make_blocks(resident);
  try {
    for (std::size_t first = 0; first < numbers.size(); first += resident)
      run_resident({numbers.data() + first, resident});
  } catch (...) {
    abandon();
    throw;
  }
  join_fibres();
}

void Executor::read_environment() {
  places_.read_environment();
  const auto seed = environment("NATGRAD_HOST_CUDA_SHUFFLE", 0);
  order_ = seed == 0 ? Order::natural : seed == 1 ? Order::reversed : Order::random;
  if (order_ == Order::random) random_.seed(static_cast<std::mt19937::result_type>(seed));
}

// In the order in which the blocks run.
std::vector<unsigned> Executor::block_numbers() {
  std::vector<unsigned> numbers(std::size_t{launch_->grid.x} * launch_->grid.y * launch_->grid.z);
  std::iota(numbers.begin(), numbers.end(), 0u);
  if (order_ == Order::reversed) std::reverse(numbers.begin(), numbers.end());
  if (order_ == Order::random) std::shuffle(numbers.begin(), numbers.end(), random_);
  return numbers;
}

void Executor::make_blocks(std::size_t resident) {
  blocks_.clear();
  starting_.clear();
  for (std::size_t b = 0; b < resident; ++b) {
    blocks_.push_back(std::make_unique<Block>(launch_->block));
    for (Thread& thread : blocks_.back()->threads) starting_.push_back(&thread);
  }
  if (order_ == Order::reversed) std::reverse(starting_.begin(), starting_.end());
}

uint3 Executor::block_index(unsigned number) const {
  const dim3 grid = launch_->grid;
  const unsigned plane = number / grid.x;
  return {number % grid.x, plane % grid.y, plane / grid.y};
}

void Executor::run_resident(std::span<const unsigned> numbers) {
  for (std::size_t b = 0; b < numbers.size(); ++b)
    blocks_[b]->begin(block_index(numbers[b]), launch_->shared_bytes);
  if (order_ == Order::random) std::shuffle(starting_.begin(), starting_.end(), random_);
  next_ = finished_ = 0;
  schedule();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  check_finished();
}

void Executor::schedule() {
  while (!error_) {
    if (!ready_.empty()) {
      if (order_ == Order::random) std::swap(ready_[random_() % ready_.size()], ready_.back());
      Thread& thread = *ready_.back();
      ready_.pop_back();
      switch_to(thread);
      run_fibre(*thread.fibre);
    } else if (next_ < starting_.size()) {
      run_fibre(idle_fibre());
    } else {
      return;
    }
  }
}

// ThreadSanitizer takes what one fibre runs for one thread. While it has room, no fibre runs two threads of a
// launch, and the one that has rested longest comes first.
Fibre& Executor::idle_fibre() {
  const bool repeats = tsan::enabled && !idle_.empty() && !idle_.front()->tsan().joined();
  if (idle_.empty() || (repeats && fibres_.size() < tsan::ample)) {
    fibres_.push_back(std::make_unique<Fibre>([this] { run_threads(); }));
    idle_.push_front(fibres_.back().get());
  }
  Fibre& fibre = *idle_.front();
  idle_.pop_front();
  return fibre;
}

void Executor::run_fibre(Fibre& fibre) {
  fibre_ = &fibre;
  fibre.resume();
  if (!fibre.idle()) return;
  if (tsan::enabled)
    idle_.push_back(&fibre);
  else
    idle_.push_front(&fibre);
}

// The work of a fibre. An exception must have left its handler before the fibre is switched.
void Executor::run_threads() {
  Fibre* const own = fibre_;
  do {
    Thread& thread = *starting_[next_++];
    thread.fibre = own;
    switch_to(thread);
    if (tsan::enabled)
      own->tsan().name(("thread " + to_text(thread.index) + " of block " + to_text(blockIdx)).c_str());
    try {
      const tsan::Watch watch;
      launch_->thread();
    } catch (...) {
      error_ = std::current_exception();
      return;
    }
    thread.state = State::finished;
    ++finished_;
  } while (next_ < starting_.size() && !error_ && !tsan::enabled);
}

void Executor::switch_to(Thread& thread) {
  current_ = &thread;
  threadIdx = thread.index;
  blockIdx = thread.block->index;
}

void Executor::wait(State state, std::source_location at) {
  Thread& thread = *current_;
  thread.state = state;
  thread.at = at;
  thread.fibre->suspend();
  thread.state = State::unfinished;
}

// Taken from the back: first come, first served.
void Executor::release(std::span<Thread* const> waiting) {
  ready_.insert(ready_.end(), waiting.rbegin(), waiting.rend());
}

/// Tells ThreadSanitizer that the running thread and the others have met.
void Executor::synchronise(std::span<Thread* const> others) {
  if constexpr (tsan::enabled) {
    std::vector<tsan::Context*> contexts{&current_->fibre->tsan()};
    for (Thread* thread : others) contexts.push_back(&thread->fibre->tsan());
    tsan::Context::synchronise(contexts);
  }
}

void Executor::barrier(std::source_location at) {
  if (places_.dropped(at)) return;
  Block& block = *current_->block;
  meet_all(block.at_barrier, block.threads.size(), State::at_barrier, at);
}

void Executor::grid_barrier(std::source_location at) {
  if (!launch_->cooperative)
    throw KernelError(kernel_name() + ": grid_sync at " + to_text(at) +
                      " in a launch whose blocks do not run at the same time; use launch_cooperative");
  if (places_.dropped(at)) return;
  meet_all(at_grid_barrier_, starting_.size(), State::at_grid_barrier, at);
}

// Threads at different places stay where they are, until check_finished finds them.
void Executor::meet_all(std::vector<Thread*>& waiting, std::size_t all, State state,
                        std::source_location at) {
  const auto same = [&](const Thread* thread) { return same_place(thread->at, at); };
  if (waiting.size() + 1 < all || !std::all_of(waiting.begin(), waiting.end(), same)) {
    waiting.push_back(current_);
    wait(state, at);
    return;
  }
  synchronise(waiting);
  release(waiting);
  waiting.clear();
}

std::byte* Executor::shared_memory(std::size_t bytes) {
  SharedMemory& shared = current_->block->shared;
  if (bytes > shared.size())
    throw KernelError(kernel_name() + ", block " + to_text(blockIdx) + ": block_shared wants " +
                      std::to_string(bytes) + " bytes, the launch gave " + std::to_string(shared.size()));
  return shared.data();
}

void Executor::check_finished() const {
  if (finished_ < starting_.size())
    throw KernelError(kernel_name() + ", " + why_stalled(blocks_, at_grid_barrier_));
  for (const auto& block : blocks_)
    if (const std::size_t bytes = block->shared.size(); !block->shared.end())
      throw KernelError(kernel_name() + ", block " + to_text(block->index) + ": wrote beyond its " +
                        std::to_string(bytes) + " bytes of shared memory");
}

void Executor::abandon() {
  for (const auto& fibre : fibres_)
    if (!fibre->idle()) {
      fibre->abandon();
      idle_.push_back(fibre.get());
    }
  join_fibres();
  blocks_.clear();
  ready_.clear();
  at_grid_barrier_.clear();
}

// What the launch did comes before all that follows it.
void Executor::join_fibres() {
  if constexpr (tsan::enabled)
    for (const auto& fibre : fibres_) fibre->tsan().join();
}

std::string Executor::kernel_name() const { return "kernel " + natgrad::kernel_name(launch_->kernel); }

}  // namespace host_cuda
