/// CUDA's atomic functions for g++, with the types that CUDA has them for.
#pragma once

#include <algorithm>
#include <atomic>
#include <concepts>
#include <type_traits>

namespace host_cuda {

template <class T, class... Allowed>
concept OneOf = (std::same_as<T, Allowed> || ...);
template <class T>
concept AtomicInteger = OneOf<T, int, unsigned, unsigned long long>;
template <class T>
concept AtomicNumber = AtomicInteger<T> || OneOf<T, float, double>;

/// Replaces *address by update(*address) in one step; returns what stood there.
template <class T, class Update>
T atomic_update(T* address, Update update) {
  std::atomic_ref<T> cell(*address);
  T old = cell.load(std::memory_order_relaxed);
  while (!cell.compare_exchange_weak(old, update(old), std::memory_order_relaxed)) {
  }
  return old;
}

}  // namespace host_cuda

template <host_cuda::AtomicNumber T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  return host_cuda::atomic_update(address, [value](T old) { return old + value; });
}

template <host_cuda::AtomicInteger T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  return host_cuda::atomic_update(address, [value](T old) { return std::max(old, value); });
}

template <host_cuda::AtomicInteger T>
T atomicMin(T* address, std::type_identity_t<T> value) {
  return host_cuda::atomic_update(address, [value](T old) { return std::min(old, value); });
}

template <host_cuda::AtomicInteger T>
T atomicCAS(T* address, std::type_identity_t<T> compare, std::type_identity_t<T> value) {
  return host_cuda::atomic_update(address, [=](T old) { return old == compare ? value : old; });
}
