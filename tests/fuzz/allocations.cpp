#include "fuzz/allocations.hpp"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::int64_t> in_use = 0, peak = 0;

void* count(void* memory) {
  if (memory != nullptr) in_use += static_cast<std::int64_t>(malloc_usable_size(memory));
  peak = std::max(peak.load(), in_use.load());
  return memory;
}

void* allocate(std::size_t size) {
  if (void* memory = count(std::malloc(size))) return memory;
  throw std::bad_alloc();
}

void release(void* memory) {
  if (memory != nullptr) in_use -= static_cast<std::int64_t>(malloc_usable_size(memory));
  std::free(memory);
}

}  // namespace

// AddressSanitizer has its own of each form: all must be replaced. Nothing here is aligned beyond malloc.
void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return count(std::malloc(size)); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return count(std::malloc(size)); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { release(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { release(memory); }

namespace natgrad::fuzz {

PeakAllocation::PeakAllocation() {
  in_use = 0;
  peak = 0;
}

std::size_t PeakAllocation::bytes() const { return static_cast<std::size_t>(peak.load()); }

}  // namespace natgrad::fuzz
