#include "host_cuda/shared_memory.hpp"

#include <algorithm>
#include <new>

#include "host_cuda/tsan.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace host_cuda {
namespace {

constexpr std::size_t alignment = 256, guard_size = 64;
constexpr std::byte guard_byte{0xA5}, poison{0xFF};

void set_accessible([[maybe_unused]] std::byte* guard, [[maybe_unused]] bool accessible) {
#if defined(__SANITIZE_ADDRESS__)
  if (accessible)
    __asan_unpoison_memory_region(guard, guard_size);
  else
    __asan_poison_memory_region(guard, guard_size);
#endif
}

}  // namespace

SharedMemory::~SharedMemory() { end(); }

void SharedMemory::begin(std::size_t bytes) {
  size_ = bytes;
  if (bytes == 0) return;
  const std::size_t wanted = (bytes + guard_size + alignment - 1) / alignment * alignment;
  // ThreadSanitizer must not take what a former block did at these addresses for this block's: new memory.
  if (wanted > capacity_ || tsan::enabled) {
    memory_.reset();
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, wanted)));
    if (memory_ == nullptr) throw std::bad_alloc();
    capacity_ = wanted;
  }
  std::fill_n(data(), bytes, poison);
  std::fill_n(data() + bytes, guard_size, guard_byte);
  set_accessible(data() + bytes, false);
}

bool SharedMemory::end() {
  if (size_ == 0) return true;
  std::byte* const guard = data() + size_;
  set_accessible(guard, true);
  size_ = 0;
  return std::all_of(guard, guard + guard_size, [](std::byte byte) { return byte == guard_byte; });
}

}  // namespace host_cuda
