/// Device time per phase, from events on the stream, and a profiler's ranges (NVTX, domain "natgrad").
#pragma once

#include <list>
#include <optional>
#include <vector>

#include "cuda/handles.hpp"
#include "natgrad/backend.hpp"

namespace natgrad {

class PhaseClock {
 public:
  /// `timed`: else only the profiler learns of it.
  void begin(Phase phase, cudaStream_t stream, bool timed = true);
  /// Does not throw, for it runs while a scope is left, perhaps by an exception of a device that is lost: an
  /// event that cannot be recorded costs a time, and the next checked call reports the error.
  void end(cudaStream_t stream, bool timed = true) noexcept;

  /// Ends the interval under way, without ending its phase. Without memory for that it costs a time.
  void mark(cudaStream_t stream) noexcept;
  /// Adds up the intervals marked so far, all of which must have run: call it after a synchronisation.
  void collect() noexcept;
  /// Time per phase since the last call.
  PhaseSeconds take();

 private:
  /// A moment, and the innermost phase from then on.
  struct Mark {
    EventHandle event;
    std::optional<Phase> phase;
  };

  // Lists, which marks move between without taking memory.
  std::vector<Phase> open_;  // innermost last
  std::list<Mark> marks_;    // not yet added up
  std::list<Mark> spare_;    // events to use again
  PhaseSeconds seconds_{};
};

}  // namespace natgrad
