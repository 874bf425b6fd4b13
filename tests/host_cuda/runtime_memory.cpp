/// CUDA runtime: memory.
#include <algorithm>
#include <cstddef>
#include <string>

#include "host_cuda/api.hpp"
#include "host_cuda/capture.hpp"
#include "host_cuda/heap.hpp"
#include "host_cuda/queue.hpp"

using host_cuda::heap;
using host_cuda::mutable_counts;
using host_cuda::require;
using host_cuda::runtime_call;
using host_cuda::Space;

cudaError_t cudaMalloc(void** devPtr, std::size_t size) {
  return runtime_call(__func__, [=] {
    host_cuda::forbid_unsafe_in_capture();
    *devPtr = heap().allocate(size, Space::device);
    ++mutable_counts().allocations;
  });
}

cudaError_t cudaMallocAsync(void** devPtr, std::size_t size, cudaStream_t hStream) {
  return runtime_call(__func__, [=] {
    host_cuda::is_idle(hStream);            // refuses a stream that is not there
    host_cuda::forbid_in_capture(hStream);  // a device makes it a node; natgrad's graphs allocate nothing
    *devPtr = heap().allocate(size, Space::device);
    ++mutable_counts().allocations;
  });
}

namespace {

// As on a device, the free waits for everything that is queued.
void free_after_all(void* pointer, Space space) {
  host_cuda::forbid_unsafe_in_capture();
  heap().retire(pointer, space);
  ++mutable_counts().synchronisations;
  try {
    host_cuda::drain_all();
  } catch (...) {
    heap().release(pointer);
    throw;
  }
  heap().release(pointer);
}

}  // namespace

cudaError_t cudaFree(void* devPtr) {
  return host_cuda::release_call(__func__, [=] {
    if (devPtr == nullptr) return;
    free_after_all(devPtr, Space::device);
    ++mutable_counts().frees;
  });
}

cudaError_t cudaFreeAsync(void* devPtr, cudaStream_t hStream) {
  return runtime_call(__func__, [=] {
    require(devPtr != nullptr, "the pointer is null");
    host_cuda::forbid_in_capture(hStream);
    heap().retire(devPtr, Space::device);
    ++mutable_counts().frees;
    host_cuda::enqueue(
        hStream, [=] { heap().release(devPtr); }, host_cuda::Kind::free);
  });
}

// What cudaMallocHost(T**, size) comes down to.
cudaError_t cudaHostAlloc(void** pHost, std::size_t size, unsigned flags) {
  return runtime_call(__func__, [=] {
    require(flags == cudaHostAllocDefault, "no flags are known here");
    host_cuda::forbid_unsafe_in_capture();
    *pHost = heap().allocate(size, Space::pinned);
  });
}

cudaError_t cudaMallocHost(void** ptr, std::size_t size) {
  return cudaHostAlloc(ptr, size, cudaHostAllocDefault);
}

cudaError_t cudaFreeHost(void* ptr) {
  return host_cuda::release_call(__func__, [=] {
    if (ptr != nullptr) free_after_all(ptr, Space::pinned);
  });
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  return runtime_call(__func__, [=] {
    *total = heap().capacity();
    *free = *total - std::min(*total, heap().used());
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* ptr) {
  return runtime_call(__func__, [=] {
    const host_cuda::Allocation* found = heap().find(ptr);
    *attributes = {};
    if (found == nullptr || found->freed) {
      attributes->type = cudaMemoryTypeUnregistered;
      attributes->device = -2;
      attributes->hostPointer = const_cast<void*>(ptr);
      return;
    }
    const bool pinned = found->space == Space::pinned;
    attributes->type = pinned ? cudaMemoryTypeHost : cudaMemoryTypeDevice;
    attributes->devicePointer = const_cast<void*>(ptr);
    attributes->hostPointer = pinned ? const_cast<void*>(ptr) : nullptr;
  });
}

// The pool is only a name: memory goes back to the heap when it is freed.
struct CUmemPoolHandle_st {
  unsigned long long release_threshold = 0;
};

namespace {

CUmemPoolHandle_st& default_pool() {
  static CUmemPoolHandle_st pool;
  return pool;
}

}  // namespace

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* memPool, int device) {
  return runtime_call(__func__, [=] {
    if (device != 0) throw host_cuda::Fault(cudaErrorInvalidDevice, "there is one device, 0");
    *memPool = &default_pool();
  });
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t memPool, cudaMemPoolAttr attr, void* value) {
  return runtime_call(__func__, [=] {
    require(memPool == &default_pool(), "there is one pool, the default one");
    require(attr == cudaMemPoolAttrReleaseThreshold,
            "attribute " + std::to_string(attr) + " cannot be set here");
    memPool->release_threshold = *static_cast<unsigned long long*>(value);
  });
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t memPool, cudaMemPoolAttr attr, void* value) {
  return runtime_call(__func__, [=] {
    require(memPool == &default_pool(), "there is one pool, the default one");
    auto& result = *static_cast<unsigned long long*>(value);
    switch (attr) {
      case cudaMemPoolAttrReleaseThreshold:
        result = memPool->release_threshold;
        return;
      case cudaMemPoolAttrReservedMemCurrent:
      case cudaMemPoolAttrUsedMemCurrent:
        result = heap().used();
        return;
      default:
        require(false, "attribute " + std::to_string(attr) + " is not known here");
    }
  });
}
