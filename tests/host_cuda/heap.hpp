/// Guarded device memory and pinned host memory.
///
/// An allocation lies between two guards whose bytes are checked, and is filled with 0xFF (NaN, and -1) when
/// it is made and when it is freed. Freed memory stays in quarantine for a while, so that its use shows.
/// Device memory can be reached only while it is open: under AddressSanitizer, and with
/// NATGRAD_HOST_CUDA_PROTECT=1, any other access ends the program with the place of the access.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>

namespace host_cuda {

enum class Space { device, pinned };

struct Allocation {
  std::byte* block;  ///< guard, data, guard
  std::size_t block_size;
  std::byte* data;
  std::size_t size;
  Space space;
  bool is_protected;   ///< mapped without access while closed
  bool freed = false;  ///< its free is queued, or done
};

class Heap {
 public:
  /// nullptr for no bytes. Throws Fault: cudaErrorMemoryAllocation where the memory is used up, or by
  /// request.
  void* allocate(std::size_t size, Space space);

  /// Marks the allocation at `pointer` as freed: from now on its use is an error. Throws Fault where there is
  /// none, or it is freed already.
  void retire(const void* pointer, Space space);

  /// Poisons a retired allocation's bytes and ends its life; throws Fault where a guard was overwritten.
  void release(const void* pointer);

  /// Throws Fault, naming the operand, where `bytes` bytes at `pointer` are not inside one live allocation of
  /// device memory, or of pinned memory, which a device reaches too.
  void require_device_access(const void* pointer, std::size_t bytes, const std::string& operand) const;

  /// The allocation whose block contains `pointer`, or nullptr.
  const Allocation* find(const void* pointer) const;

  /// Throws Fault where a guard or freed memory was overwritten.
  void check();

  void open();
  void close();

  std::int64_t live() const { return live_count_; }
  std::size_t used() const { return used_; }
  std::size_t capacity() const;

 private:
  void open(const Allocation& allocation);
  void close(const Allocation& allocation);
  void evict();

  using Map = std::map<const std::byte*, Allocation>;  // by block
  Map live_, quarantine_;
  std::deque<const std::byte*> oldest_;  // of the quarantine
  std::size_t quarantined_ = 0;
  int opened_ = 0;
  std::size_t used_ = 0;
  std::int64_t live_count_ = 0;
};

Heap& heap();

/// Opens device memory while it lives; may be nested and copied.
class DeviceAccess {
 public:
  DeviceAccess() { heap().open(); }
  DeviceAccess(const DeviceAccess&) : DeviceAccess() {}
  DeviceAccess& operator=(const DeviceAccess&) = default;
  ~DeviceAccess() { heap().close(); }
};

}  // namespace host_cuda
