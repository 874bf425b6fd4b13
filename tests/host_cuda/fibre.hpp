/// Fibres: functions that can be suspended and continued, with stacks of their own (Boost.Context).
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <functional>
#include <optional>

#include "host_cuda/tsan.hpp"

namespace host_cuda {

/// Runs `work` once for each time it is resumed while idle. Neither copied nor moved: its stack refers to it.
class Fibre {
 public:
  explicit Fibre(std::function<void()> work);
  ~Fibre();
  Fibre(const Fibre&) = delete;
  Fibre& operator=(const Fibre&) = delete;

  /// Continues the fibre until it suspends itself or `work` returns. Called from outside any fibre.
  void resume();
  /// Returns to the caller of resume. Called from inside this fibre.
  void suspend();
  /// `work` has returned, or was never begun.
  bool idle() const { return idle_; }
  /// Forgets where the fibre stands, without unwinding its stack, and makes it idle.
  void abandon();

  tsan::Context& tsan() { return *tsan_; }

 private:
  static void main(boost::context::detail::transfer_t caller);

  std::function<void()> work_;
  bool idle_ = true;
  std::byte* mapping_;  // guard page, then the stack
  std::size_t colour_;  // left free at its upper end, so that the stacks do not share their cache sets
  boost::context::detail::fcontext_t inside_ = nullptr, outside_ = nullptr;
  // What the sanitizers want to know at a switch.
  std::optional<tsan::Context> tsan_;
  void* fake_stack_ = nullptr;
  const void* outside_stack_ = nullptr;
  std::size_t outside_stack_size_ = 0;
};

}  // namespace host_cuda
