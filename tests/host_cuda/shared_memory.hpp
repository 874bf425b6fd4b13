/// The shared memory of a block.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace host_cuda {

/// Poisoned when its block begins, and followed by a guard.
class SharedMemory {
 public:
  ~SharedMemory();
  SharedMemory() = default;
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  /// Fills `bytes` bytes with 0xFF. A former block's are gone.
  void begin(std::size_t bytes);
  /// Opens the guard again; false where it was overwritten.
  bool end();

  std::byte* data() { return memory_.get(); }
  std::size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_ = 0, capacity_ = 0;
};

}  // namespace host_cuda
