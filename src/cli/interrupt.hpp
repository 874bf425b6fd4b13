/// Ctrl-C and termination requests.
#pragma once

#include <signal.h>

#include <atomic>

namespace natgrad::cli {

/// While it lives, the first SIGINT or SIGTERM is remembered instead of ending the program; a second one of
/// the same kind ends it at once. At most one at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  /// Becomes true with the first signal.
  const std::atomic<bool>& requested() const;
  /// The signal that came, or 0.
  int signal() const;

 private:
  struct sigaction old_interrupt_ {
  }, old_terminate_{};
};

}  // namespace natgrad::cli
