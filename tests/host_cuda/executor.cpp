#include "host_cuda/executor.hpp"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <sstream>
#include <utility>

#include "host_cuda/api.hpp"
#include "launch.cuh"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace host_cuda {
namespace {

constexpr std::size_t shared_guard = 64;
constexpr std::byte guard_byte{0xA5}, poison{0xFF};

void set_accessible([[maybe_unused]] std::byte* begin, [[maybe_unused]] bool accessible) {
#if defined(__SANITIZE_ADDRESS__)
  if (accessible)
    __asan_unpoison_memory_region(begin, shared_guard);
  else
    __asan_poison_memory_region(begin, shared_guard);
#endif
}

bool same_place(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() && a.file_name() == b.file_name();
}

std::string place(const std::source_location& at) {
  return std::string(at.file_name()) + ":" + std::to_string(at.line());
}

}  // namespace

Executor& executor() {
  static thread_local Executor instance;
  return instance;
}

Executor::Executor() : shared_(static_cast<std::byte*>(std::aligned_alloc(256, max_shared_bytes + 256))) {}

Executor::~Executor() { std::free(shared_); }

void Executor::run(const Launch& launch) {
  launch_ = &launch;
  blockDim = launch.block;
  gridDim = launch.grid;
  index_threads(launch.block);
  const auto seed = environment("NATGRAD_HOST_CUDA_SHUFFLE", 0);
  shuffled_ = seed != 0;
  const std::size_t blocks = std::size_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  std::vector<std::size_t> block_order;
  if (shuffled_) {
    random_.seed(static_cast<std::mt19937::result_type>(seed));
    block_order.resize(blocks);
    std::iota(block_order.begin(), block_order.end(), std::size_t{0});
    std::shuffle(block_order.begin(), block_order.end(), random_);
  }
  for (std::size_t i = 0; i < blocks; ++i) {
    const std::size_t b = shuffled_ ? block_order[i] : i, plane = b / launch.grid.x;
    blockIdx = {static_cast<unsigned>(b % launch.grid.x), static_cast<unsigned>(plane % launch.grid.y),
                static_cast<unsigned>(plane / launch.grid.y)};
    run_block();
  }
}

void Executor::index_threads(dim3 block) {
  threads_.clear();
  for (unsigned z = 0; z < block.z; ++z)
    for (unsigned y = 0; y < block.y; ++y)
      for (unsigned x = 0; x < block.x; ++x) threads_.push_back({.index = {x, y, z}});
  order_.resize(threads_.size());
  std::iota(order_.begin(), order_.end(), 0);
  meetings_.resize((threads_.size() + 31) / 32);
}

void Executor::begin_block() {
  for (Thread& thread : threads_) thread.state = State::unfinished;
  next_ = finished_ = 0;
  if (shuffled_) std::shuffle(order_.begin(), order_.end(), random_);
  if (const std::size_t bytes = launch_->shared_bytes; bytes > 0) {
    std::fill_n(shared_, bytes, poison);
    std::fill_n(shared_ + bytes, shared_guard, guard_byte);
    set_accessible(shared_ + bytes, false);
  }
}

void Executor::run_block() {
  begin_block();
  schedule();
  if (launch_->shared_bytes > 0) set_accessible(shared_ + launch_->shared_bytes, true);
  try {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    check_finished();
    check_shared_guard();
  } catch (...) {
    abandon_block();
    throw;
  }
}

void Executor::schedule() {
  const int count = static_cast<int>(threads_.size());
  while (!error_) {
    if (!ready_.empty()) {
      const int thread = ready_.back();
      ready_.pop_back();
      switch_to(thread);
      run_fibre(*threads_[thread].fibre);
    } else if (next_ < count) {
      if (idle_.empty()) {
        fibres_.push_back(std::make_unique<Fibre>([this] { run_threads(); }));
        idle_.push_back(fibres_.back().get());
      }
      Fibre& fibre = *idle_.back();
      idle_.pop_back();
      run_fibre(fibre);
    } else {
      return;
    }
  }
}

void Executor::run_fibre(Fibre& fibre) {
  fibre_ = &fibre;
  fibre.resume();
  if (fibre.idle()) idle_.push_back(&fibre);
}

// The work of a fibre. An exception must have left its handler before the fibre is switched.
void Executor::run_threads() {
  Fibre* const own = fibre_;
  const int count = static_cast<int>(threads_.size());
  while (next_ < count && !error_) {
    const int thread = order_[next_++];
    threads_[thread].fibre = own;
    switch_to(thread);
    try {
      launch_->thread();
      threads_[current_].state = State::finished;
      ++finished_;
    } catch (...) {
      error_ = std::current_exception();
    }
  }
}

void Executor::switch_to(int thread) {
  current_ = thread;
  threadIdx = threads_[thread].index;
}

void Executor::wait(State state, std::source_location at) {
  Thread& thread = threads_[current_];
  thread.state = state;
  thread.at = at;
  thread.fibre->suspend();
  thread.state = State::unfinished;
}

void Executor::release(std::span<const int> waiting) {
  ready_.insert(ready_.end(), waiting.rbegin(),
                waiting.rend());  // taken from the back: first come, first served
  if (shuffled_) std::shuffle(ready_.begin(), ready_.end(), random_);
}

void Executor::barrier(std::source_location at) {
  const auto same = [&](int thread) { return same_place(threads_[thread].at, at); };
  const bool last = at_barrier_.size() + 1 == threads_.size();
  // Threads at different barriers stay where they are, until check_finished finds them.
  if (last && std::all_of(at_barrier_.begin(), at_barrier_.end(), same)) {
    release(at_barrier_);
    at_barrier_.clear();
    return;
  }
  at_barrier_.push_back(current_);
  wait(State::at_barrier, at);
}

std::byte* Executor::shared_memory(std::size_t bytes) {
  if (bytes > launch_->shared_bytes)
    throw KernelError(block_name() + ": block_shared wants " + std::to_string(bytes) +
                      " bytes, the launch gave " + std::to_string(launch_->shared_bytes));
  return shared_;
}

void Executor::check_finished() const {
  if (finished_ == static_cast<int>(threads_.size())) return;
  std::ostringstream text;
  text << block_name() << ": ";
  for (const auto& meetings : meetings_)
    for (const Meeting& m : meetings) {
      text << "the warp operation at " << place(m.at) << " has mask 0x" << std::hex << m.mask
           << ", but lanes 0x" << m.arrived << " arrived";
      throw KernelError(text.str());
    }
  const std::source_location at = threads_[at_barrier_.front()].at;
  const auto elsewhere = std::find_if(threads_.begin(), threads_.end(), [&](const Thread& thread) {
    return thread.state != State::at_barrier || !same_place(thread.at, at);
  });
  const auto reached = std::count_if(at_barrier_.begin(), at_barrier_.end(),
                                     [&](int thread) { return same_place(threads_[thread].at, at); });
  const uint3 index = elsewhere->index;
  text << "__syncthreads at " << place(at) << " was reached by " << reached << " of " << threads_.size()
       << " threads; thread (" << index.x << ", " << index.y << ", " << index.z << ") "
       << (elsewhere->state == State::finished ? "has returned" : "waits at " + place(elsewhere->at));
  throw KernelError(text.str());
}

void Executor::check_shared_guard() const {
  const std::size_t bytes = launch_->shared_bytes;
  if (bytes > 0 && std::any_of(shared_ + bytes, shared_ + bytes + shared_guard,
                               [](std::byte byte) { return byte != guard_byte; }))
    throw KernelError(block_name() + ": wrote beyond its " + std::to_string(bytes) +
                      " bytes of shared memory");
}

void Executor::abandon_block() {
  for (const auto& fibre : fibres_)
    if (!fibre->idle()) {
      fibre->abandon();
      idle_.push_back(fibre.get());
    }
  ready_.clear();
  at_barrier_.clear();
  for (auto& meetings : meetings_) meetings.clear();
}

std::string Executor::block_name() const {
  std::ostringstream text;
  text << "kernel " << natgrad::kernel_name(launch_->kernel) << ", block (" << blockIdx.x << ", "
       << blockIdx.y << ", " << blockIdx.z << ")";
  return text.str();
}

}  // namespace host_cuda
