#include "support/faults.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace natgrad::faults {
namespace {

struct Counter {
  std::atomic<std::int64_t> asked_for = 0, live = 0, first = 0;
  std::atomic<bool> all_after = false;

  /// Whether this allocation is to fail.
  bool count() noexcept {
    const std::int64_t number = ++asked_for, failing = first;
    return failing > 0 && (number == failing || (all_after && number > failing));
  }
};

constinit Counter of_host, of_device;  // allocations come before any constructor

Counter& counter(Memory memory) { return memory == Memory::host ? of_host : of_device; }

/// Before the memory that a caller gets: whose it is, and where its block begins.
struct Header {
  Counter* owner;
  void* block;
};
static_assert(sizeof(Header) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);

/// nullptr where it is to fail, or there is no memory. Foreign code's is nobody's.
void* allocate(std::size_t size, std::size_t alignment, Counter& wanted) noexcept {
  Counter* owner = in_foreign_code() ? nullptr : &wanted;
  if (owner != nullptr && owner->count()) return nullptr;
  alignment = std::max<std::size_t>(alignment, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
  const std::size_t whole = (size + alignment - 1) / alignment * alignment + alignment;
  if (whole < size) return nullptr;
  void* block = std::aligned_alloc(alignment, whole);
  if (block == nullptr) return nullptr;
  if (owner != nullptr) ++owner->live;
  std::byte* memory = static_cast<std::byte*>(block) + alignment;
  *reinterpret_cast<Header*>(memory - sizeof(Header)) = {owner, block};
  return memory;
}

void release(void* memory) noexcept {
  if (memory == nullptr) return;
  const Header header = *reinterpret_cast<Header*>(static_cast<std::byte*>(memory) - sizeof(Header));
  if (header.owner != nullptr) --header.owner->live;
  std::free(header.block);
}

void* allocate_or_throw(std::size_t size, std::size_t alignment) {
  void* memory = allocate(size, alignment, of_host);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void fail(Memory memory, std::int64_t i, bool all_after) {
  Counter& c = counter(memory);
  c.asked_for = 0;
  c.all_after = all_after;
  c.first = i;
  if (memory == Memory::device) fail_on_device(i, all_after);
}

void stop_failing() noexcept { of_host.first = 0; }

std::int64_t asked_for(Memory memory) {
  return counter(memory).asked_for + (memory == Memory::device ? asked_for_on_device() : 0);
}

std::int64_t live(Memory memory) {
  return counter(memory).live + (memory == Memory::device ? live_on_device() : 0);
}

}  // namespace natgrad::faults

using natgrad::faults::allocate_or_throw;
using natgrad::faults::release;

// Every form, for a sanitizer has its own of those that are missing.
void* operator new(std::size_t size) { return allocate_or_throw(size, 1); }
void* operator new[](std::size_t size) { return allocate_or_throw(size, 1); }
void* operator new(std::size_t size, std::align_val_t a) { return allocate_or_throw(size, std::size_t(a)); }
void* operator new[](std::size_t size, std::align_val_t a) { return allocate_or_throw(size, std::size_t(a)); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return natgrad::faults::allocate(size, 1, natgrad::faults::of_host);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return natgrad::faults::allocate(size, 1, natgrad::faults::of_host);
}
void* operator new(std::size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
  return natgrad::faults::allocate(size, std::size_t(a), natgrad::faults::of_device);
}
void* operator new[](std::size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
  return natgrad::faults::allocate(size, std::size_t(a), natgrad::faults::of_host);
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { release(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept { release(memory); }
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept { release(memory); }
