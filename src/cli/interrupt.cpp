#include "cli/interrupt.hpp"

namespace natgrad::cli {
namespace {

// A signal handler reaches nothing but statics, and may touch only lock-free ones.
std::atomic<bool> interrupted{false};
std::atomic<int> received{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void remember(int signal) {
  received = signal;
  interrupted = true;
}

}  // namespace

InterruptGuard::InterruptGuard() {
  received = 0;
  interrupted = false;
  struct sigaction action {};
  action.sa_handler = remember;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);  // the second signal finds the default
  for (auto& [signal, before] : handled_) {
    sigaction(signal, &action, &before);
    if (signal == SIGHUP && before.sa_handler == SIG_IGN) sigaction(signal, &before, nullptr);
  }
}

InterruptGuard::~InterruptGuard() {
  for (const auto& [signal, before] : handled_) sigaction(signal, &before, nullptr);
}

const std::atomic<bool>& InterruptGuard::requested() const { return interrupted; }
int InterruptGuard::signal() const { return received; }

}  // namespace natgrad::cli
