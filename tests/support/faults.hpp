/// Allocations that fail on request, and what is left of those that did not.
///
/// An executable that links faults.cpp has its operators new and delete counted. Those that the CPU device
/// takes its memory with, aligned and without exceptions, are device memory; all others are the host's. On
/// host CUDA device memory is what host_cuda::fail_allocation counts, and what the executor of the CUDA
/// sources allocates for itself does not count at all: a GPU has none of it.
#pragma once

#include <cstdint>

namespace natgrad::faults {

enum class Memory { host, device };

/// The `i`-th allocation from now (1 = the next), and with `all_after` every one behind it, fails; 0: none.
void fail(Memory memory, std::int64_t i, bool all_after = false);
/// No further allocation of the host fails; counting goes on.
void stop_failing() noexcept;
/// Allocations since the last `fail`, failed ones included.
std::int64_t asked_for(Memory memory);
/// Allocations not freed yet.
std::int64_t live(Memory memory);

/// The device under test, for make_backend.
const char* device() noexcept;
/// Whether the calling thread is in code that a machine with the device does not have. These are
/// defined in faults_native.cpp and in faults_host_cuda.cpp.
bool in_foreign_code() noexcept;
/// Device memory that is no C++ allocation: as above; nothing on the CPU.
void fail_on_device(std::int64_t i, bool all_after);
std::int64_t asked_for_on_device();
std::int64_t live_on_device();

/// Lets allocations fail while it lives.
class Scope {
 public:
  Scope(Memory memory, std::int64_t i, bool all_after) : memory_(memory) { fail(memory, i, all_after); }
  ~Scope() { fail(memory_, 0); }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Memory memory_;
};

}  // namespace natgrad::faults
