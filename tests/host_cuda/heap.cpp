#include "host_cuda/heap.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "host_cuda/api.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace host_cuda {
namespace {

constexpr std::size_t guard = 256, page = 4096;  // the guard is also the alignment that cudaMalloc promises
constexpr std::size_t quarantined_bytes = std::size_t{64} << 20, quarantined_blocks = 256;
constexpr std::byte guard_byte{0xA5}, poison{0xFF};

std::size_t round_up(std::size_t size, std::size_t unit) { return (size + unit - 1) / unit * unit; }

void set_accessible([[maybe_unused]] const void* begin, [[maybe_unused]] std::size_t size,
                    [[maybe_unused]] bool accessible) {
#if defined(__SANITIZE_ADDRESS__)
  if (accessible)
    __asan_unpoison_memory_region(begin, size);
  else
    __asan_poison_memory_region(begin, size);
#endif
}

// The guards are out of bounds for AddressSanitizer, whose checks must not see this function read them.
__attribute__((no_sanitize_address)) bool all_equal(const std::byte* begin, const std::byte* end,
                                                    std::byte value) {
  for (; begin != end; ++begin)
    if (*begin != value) return false;
  return true;
}

bool guards_intact(const Allocation& a) {
  return all_equal(a.block, a.data, guard_byte) &&
         all_equal(a.data + a.size, a.block + a.block_size, guard_byte);
}

std::string describe(const Allocation& a) {
  std::ostringstream text;
  text << "the allocation of " << a.size << " bytes at " << static_cast<const void*>(a.data);
  return text.str();
}

void write_guards(const Allocation& a) {
  set_accessible(a.block, a.block_size, true);
  std::fill(a.block, a.data, guard_byte);
  std::fill(a.data + a.size, a.block + a.block_size, guard_byte);
  set_accessible(a.block, guard, false);
  set_accessible(a.data + a.size, static_cast<std::size_t>(a.block + a.block_size - (a.data + a.size)),
                 false);
}

}  // namespace

Heap& heap() {
  static Heap& instance = *new Heap;  // never destroyed: others are freed into it while the program ends
  return instance;
}

std::size_t Heap::capacity() const { return environment("NATGRAD_HOST_CUDA_MEMORY", 8ULL << 30); }

void* Heap::allocate(std::size_t size, Space space) {
  if (size == 0) return nullptr;
  require_memory();
  if (space == Space::device) {
    if (const std::size_t free = capacity() - std::min(capacity(), used_); size > free)
      throw Fault(cudaErrorMemoryAllocation,
                  std::to_string(size) + " bytes wanted, " + std::to_string(free) + " bytes free");
  }
  const bool is_protected = space == Space::device && environment("NATGRAD_HOST_CUDA_PROTECT", 0) != 0;
  const std::size_t alignment = is_protected ? page : guard;
  const std::size_t block_size = round_up(guard + size + guard, alignment);
  auto* block = static_cast<std::byte*>(std::aligned_alloc(alignment, block_size));
  if (block == nullptr) throw Fault(cudaErrorMemoryAllocation, "the host has no memory left");
  const Allocation made{block, block_size, block + guard, size, space, is_protected};
  std::fill_n(made.data, size, poison);
  write_guards(made);
  live_.emplace(block, made);
  if (space == Space::device) {
    used_ += size;
    ++live_count_;
    if (opened_ == 0) close(made);
  }
  return made.data;
}

const Allocation* Heap::find(const void* pointer) const {
  const auto* address = static_cast<const std::byte*>(pointer);
  for (const Map* map : {&live_, &quarantine_}) {
    auto next = map->upper_bound(address);
    if (next == map->begin()) continue;
    const Allocation& candidate = std::prev(next)->second;
    if (address < candidate.block + candidate.block_size) return &candidate;
  }
  return nullptr;
}

void Heap::require_device_access(const void* pointer, std::size_t bytes, const std::string& operand) const {
  if (bytes == 0) return;
  std::ostringstream where;
  where << operand << ": " << bytes << " bytes at " << pointer;
  const Allocation* found = find(pointer);
  require(found != nullptr, where.str() + " are not device memory");
  require(!found->freed, where.str() + " were freed");
  const auto* begin = static_cast<const std::byte*>(pointer);
  const bool inside = begin >= found->data && begin <= found->data + found->size &&
                      bytes <= static_cast<std::size_t>(found->data + found->size - begin);
  require(inside, where.str() + " leave " + describe(*found));
}

void Heap::retire(const void* pointer, Space space) {
  const Allocation* found = find(pointer);
  require(found != nullptr, "the pointer was never allocated, or freed long ago");
  require(!found->freed, describe(*found) + " is freed already");
  require(found->data == pointer, "the pointer is not the beginning of " + describe(*found));
  require(found->space == space, describe(*found) + " is of the other kind of memory");
  live_.at(found->block).freed = true;
}

void Heap::release(const void* pointer) {
  const auto node = live_.find(find(pointer)->block);
  const Allocation freed = node->second;
  live_.erase(node);
  const bool intact = (open(freed), guards_intact(freed));
  std::fill_n(freed.data, freed.size, poison);
  if (freed.space == Space::device) {
    used_ -= freed.size;
    --live_count_;
  }
  close(freed);
  quarantine_.emplace(freed.block, freed);
  oldest_.push_back(freed.block);
  quarantined_ += freed.block_size;
  while (quarantined_ > quarantined_bytes || quarantine_.size() > quarantined_blocks) evict();
  if (!intact) throw Fault(cudaErrorIllegalAddress, "something wrote beside " + describe(freed));
}

void Heap::evict() {
  const auto node = quarantine_.find(oldest_.front());
  const Allocation& oldest = node->second;
  open(oldest);
  set_accessible(oldest.block, oldest.block_size, true);
  std::free(oldest.block);
  quarantined_ -= oldest.block_size;
  quarantine_.erase(node);
  oldest_.pop_front();
}

void Heap::check() {
  constexpr std::ptrdiff_t looked_at = 1024;  // of freed memory: all of it would cost too much
  open();
  std::string damage;
  for (const auto& [block, a] : live_)
    if (!guards_intact(a)) {
      damage = "something wrote beside " + describe(a);
      write_guards(a);
    }
  for (const auto& [block, a] : quarantine_) {
    if (a.is_protected) continue;  // stays without access
    const auto end = a.data + std::min(looked_at, static_cast<std::ptrdiff_t>(a.size));
    if (!all_equal(a.data, end, poison)) {
      damage = "something wrote to " + describe(a) + ", which is freed";
      set_accessible(a.data, a.size, true);
      std::fill_n(a.data, a.size, poison);
      set_accessible(a.data, a.size, false);
    }
  }
  close();
  if (!damage.empty()) throw Fault(cudaErrorIllegalAddress, damage);
}

void Heap::open() {
  if (opened_++ == 0)
    for (const auto& [block, allocation] : live_) open(allocation);
}

void Heap::close() {
  if (--opened_ == 0)
    for (const auto& [block, allocation] : live_)
      if (allocation.space == Space::device) close(allocation);
}

void Heap::open(const Allocation& allocation) {
  if (allocation.is_protected) mprotect(allocation.block, allocation.block_size, PROT_READ | PROT_WRITE);
  set_accessible(allocation.data, allocation.size, true);
}

void Heap::close(const Allocation& allocation) {
  set_accessible(allocation.data, allocation.size, false);
  if (allocation.is_protected) mprotect(allocation.block, allocation.block_size, PROT_NONE);
}

}  // namespace host_cuda
