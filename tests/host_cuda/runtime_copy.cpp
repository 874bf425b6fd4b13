/// CUDA runtime: copies and fills.
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "host_cuda/api.hpp"
#include "host_cuda/capture.hpp"
#include "host_cuda/heap.hpp"
#include "host_cuda/queue.hpp"

namespace host_cuda {
namespace {

/// `height` rows of `width` bytes, `pitch` bytes apart.
struct Region {
  std::byte* data;
  std::size_t pitch, width, height;

  std::size_t extent() const { return width == 0 || height == 0 ? 0 : (height - 1) * pitch + width; }
};

enum class Side { device, pinned, pageable };

Side side_of(const void* pointer) {
  const Allocation* found = heap().find(pointer);
  if (found == nullptr) return Side::pageable;
  return found->space == Space::device ? Side::device : Side::pinned;
}

// Checks one end of a copy against what the call says of it.
Side checked_side(const Region& region, bool inferred, bool on_device, const std::string& name) {
  require(region.width <= region.pitch || region.height <= 1, name + ": rows of " +
                                                                  std::to_string(region.width) + " bytes, " +
                                                                  std::to_string(region.pitch) + " apart");
  const Side side = side_of(region.data);
  if (region.extent() == 0) return side;
  require(region.data != nullptr, name + " is null");
  require(
      inferred || (side == Side::device) == on_device,
      name + (on_device ? " is not device memory" : " is device memory") + ", against the kind of the copy");
  if (side != Side::pageable) heap().require_device_access(region.data, region.extent(), name);
  return side;
}

void copy_rows(const Region& to, const Region& from) {
  for (std::size_t row = 0; row < to.height; ++row)
    std::memcpy(to.data + row * to.pitch, from.data + row * from.pitch, to.width);
}

/// Queues the copy. Returns whether the host has to wait for it: into pageable memory, as on a device. A
/// captured copy waits for nothing, and each replay reads and writes pageable memory as it is then.
bool queue_copy(const Region& to, const Region& from, cudaMemcpyKind kind, cudaStream_t stream) {
  require(kind >= cudaMemcpyHostToHost && kind <= cudaMemcpyDefault, "no such kind of copy");
  const bool inferred = kind == cudaMemcpyDefault;
  const Side target = checked_side(
      to, inferred, kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice, "the destination");
  const Side source = checked_side(
      from, inferred, kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice, "the source");
  ++mutable_counts().copies;
  if (to.extent() == 0) return false;
  const bool captured = capture_of(stream) != nullptr;
  if (source == Side::pageable && target != Side::pageable && !captured) {
    // A device takes its copy of a pageable source before the call returns.
    std::vector<std::byte> staged(from.width * from.height);
    copy_rows({staged.data(), from.width, from.width, from.height}, from);
    enqueue(
        stream,
        [to, staged = std::move(staged)]() mutable {
          copy_rows(to, {staged.data(), to.width, to.width, to.height});
        },
        Kind::copy);
    return false;
  }
  enqueue(
      stream, [to, from] { copy_rows(to, from); }, Kind::copy);
  return target == Side::pageable && !captured;
}

Region region(const void* data, std::size_t pitch, std::size_t width, std::size_t height) {
  return {static_cast<std::byte*>(const_cast<void*>(data)), pitch, width, height};
}

void synchronise(cudaStream_t stream) {
  ++mutable_counts().synchronisations;
  drain(stream);
}

void queue_fill(const Region& target, int value, cudaStream_t stream) {
  require(target.width <= target.pitch || target.height <= 1, "the rows overlap");
  heap().require_device_access(target.data, target.extent(), "the destination");
  ++mutable_counts().copies;
  enqueue(
      stream,
      [=] {
        for (std::size_t row = 0; row < target.height; ++row)
          std::memset(target.data + row * target.pitch, value, target.width);
      },
      Kind::fill);
}

}  // namespace
}  // namespace host_cuda

using host_cuda::region;
using host_cuda::runtime_call;

cudaError_t cudaMemcpy(void* dst, const void* src, std::size_t count, cudaMemcpyKind kind) {
  return runtime_call(__func__, [=] {
    host_cuda::forbid_unsafe_in_capture();
    host_cuda::queue_copy(region(dst, count, count, 1), region(src, count, count, 1), kind, nullptr);
    host_cuda::synchronise(nullptr);
  });
}

cudaError_t cudaMemcpyAsync(void* dst, const void* src, std::size_t count, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return runtime_call(__func__, [=] {
    if (host_cuda::queue_copy(region(dst, count, count, 1), region(src, count, count, 1), kind, stream))
      host_cuda::synchronise(stream);
  });
}

cudaError_t cudaMemcpy2DAsync(void* dst, std::size_t dpitch, const void* src, std::size_t spitch,
                              std::size_t width, std::size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  return runtime_call(__func__, [=] {
    if (host_cuda::queue_copy(region(dst, dpitch, width, height), region(src, spitch, width, height), kind,
                              stream))
      host_cuda::synchronise(stream);
  });
}

cudaError_t cudaMemsetAsync(void* devPtr, int value, std::size_t count, cudaStream_t stream) {
  return runtime_call(__func__,
                      [=] { host_cuda::queue_fill(region(devPtr, count, count, 1), value, stream); });
}

cudaError_t cudaMemset2DAsync(void* devPtr, std::size_t pitch, int value, std::size_t width,
                              std::size_t height, cudaStream_t stream) {
  return runtime_call(__func__,
                      [=] { host_cuda::queue_fill(region(devPtr, pitch, width, height), value, stream); });
}
