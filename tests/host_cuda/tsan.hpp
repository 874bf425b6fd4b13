/// What ThreadSanitizer is told of fibres: which thread of a kernel runs, and what happens before what. Empty
/// in other builds.
#pragma once

#include <cstddef>
#include <span>

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>

#include <memory>

extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace host_cuda::tsan {

/// Contexts that are made although older ones are idle. Each costs ThreadSanitizer 0.8 MB, and it knows 8128.
inline constexpr std::size_t ample = 1024;

#if defined(__SANITIZE_THREAD__)

inline constexpr bool enabled = true;

inline void begin_ignoring() {
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
}
inline void end_ignoring() {
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

/// A thread as ThreadSanitizer sees it. It ignores accesses, but for where a Watch lives.
class Context {
 public:
  Context() { run(begin_ignoring); }
  ~Context() {
    run(end_ignoring);
    __tsan_destroy_fiber(handle_);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// From here on this context runs. It is ordered after the caller when it runs for the first time since
  /// join, and not by later switches.
  void enter() {
    caller_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(handle_, joined_ ? 0 : __tsan_switch_to_fiber_no_sync);
    joined_ = false;
  }
  /// From here on the caller of enter runs, without any order.
  void leave() { __tsan_switch_to_fiber(caller_, __tsan_switch_to_fiber_no_sync); }
  /// Orders the calling context after all that this one did.
  void join() {
    if (joined_) return;
    void* const caller = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(handle_, __tsan_switch_to_fiber_no_sync);
    __tsan_switch_to_fiber(caller, 0);
    joined_ = true;
  }
  bool joined() const { return joined_; }
  void name(const char* text) { __tsan_set_fiber_name(handle_, text); }

  /// Orders what each of the contexts did before what each of them does next. The caller's is one of them.
  static void synchronise(std::span<Context* const> contexts) {
    void* const caller = __tsan_get_current_fiber();
    const auto meeting = std::make_unique<char>();  // fresh: an old address would bring old meetings along
    for (Context* context : contexts) {
      __tsan_switch_to_fiber(context->handle_, __tsan_switch_to_fiber_no_sync);
      __tsan_release(meeting.get());
    }
    for (Context* context : contexts) {
      __tsan_switch_to_fiber(context->handle_, __tsan_switch_to_fiber_no_sync);
      __tsan_acquire(meeting.get());
    }
    __tsan_switch_to_fiber(caller, __tsan_switch_to_fiber_no_sync);
  }

 private:
  void run(void (*action)()) {
    void* const caller = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(handle_, __tsan_switch_to_fiber_no_sync);
    action();
    __tsan_switch_to_fiber(caller, __tsan_switch_to_fiber_no_sync);
  }

  void* handle_ = __tsan_create_fiber(0);
  void* caller_ = nullptr;
  bool joined_ = true;
};

#else

inline constexpr bool enabled = false;

inline void begin_ignoring() {}
inline void end_ignoring() {}

struct Context {
  void enter() {}
  void leave() {}
  void join() {}
  bool joined() const { return true; }
  void name(const char*) {}
  static void synchronise(std::span<Context* const>) {}
};

#endif

/// While it lives, the running context's accesses are the executor's own and not checked.
struct Ignore {
  Ignore() { begin_ignoring(); }
  ~Ignore() { end_ignoring(); }
  Ignore(const Ignore&) = delete;
  Ignore& operator=(const Ignore&) = delete;
};

/// While it lives, they are checked again.
struct Watch {
  Watch() { end_ignoring(); }
  ~Watch() { begin_ignoring(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
};

}  // namespace host_cuda::tsan
