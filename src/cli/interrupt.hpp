/// Ctrl-C, termination requests and a terminal that goes away.
#pragma once

#include <signal.h>

#include <array>
#include <atomic>

namespace natgrad::cli {

/// While it lives, the first SIGINT, SIGTERM or SIGHUP is remembered instead of ending the program; a second
/// one of the same kind ends it at once. A SIGHUP that was ignored (nohup) stays so. At most one guard at a
/// time.
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
  struct Handled {
    int signal;
    struct sigaction before;
  };
  std::array<Handled, 3> handled_{{{SIGINT, {}}, {SIGTERM, {}}, {SIGHUP, {}}}};
};

}  // namespace natgrad::cli
