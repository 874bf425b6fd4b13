/// System calls that fail on command. The linker leads the library's calls here (--wrap, see CMakeLists.txt).
#pragma once

#include <string>
#include <vector>

namespace natgrad::testing {

enum class Call { open, read, pread, write, fsync, ftruncate, fstat, flock, close, rename };

const char* to_string(Call call);

/// In place of an error: no more than half of the bytes are transferred.
inline constexpr int half = -1;

/// What a call does in place of its work; a close still closes.
struct Fault {
  Call call;
  int index;  // among the calls of its kind, from 0
  int error;  // an errno, or `half`
};

std::string to_string(const Fault& fault);

/// A call that was made, and the file that it was made on.
struct MadeCall {
  Call call;
  std::string path;
};

/// As long as it lives, the calls of this thread are written down, and those named fail. One at a time.
class FaultyCalls {
 public:
  explicit FaultyCalls(std::vector<Fault> faults);
  ~FaultyCalls();
  FaultyCalls(const FaultyCalls&) = delete;
  FaultyCalls& operator=(const FaultyCalls&) = delete;

  /// Calls that were made, those that failed included.
  const std::vector<MadeCall>& made() const { return made_; }
  /// How many of the faults have happened.
  int met() const { return met_; }

  /// Writes the call down; the error that it is to end with, `half`, or 0.
  int next(Call call, const std::string& path);

 private:
  std::vector<Fault> faults_;
  std::vector<MadeCall> made_;
  int met_ = 0;
};

}  // namespace natgrad::testing
