/// CUDA's warp operations for g++. The lanes named in the mask meet at the operation; where the lanes that
/// arrive are others, the synchronising call throws KernelError with the place of the operation.
#pragma once

#include <cstdint>
#include <cstring>
#include <source_location>
#include <type_traits>

namespace host_cuda {

/// The running thread's lane in its warp, 0 … 31.
int lane();

/// Meets the lanes of `mask`, and returns the bits that lane `source` brought: all ones (NaN) where `source`
/// is not in the mask, as a device leaves that value undefined.
std::uint64_t shuffle(unsigned mask, std::uint64_t bits, int source, std::source_location at);

/// Meets the lanes of `mask`, and returns the set of lanes whose predicate holds.
unsigned ballot(unsigned mask, bool predicate, std::source_location at);

/// Meets the lanes of `mask`.
void warp_barrier(unsigned mask, std::source_location at);

/// Meets the lanes of `mask`; the one that arrives last calls settle(lanes) with what each lane brought, null
/// for lanes outside the mask, before any goes on.
void exchange(unsigned mask, void* mine, void (*settle)(void* const* lanes), std::source_location at);

template <class T>
concept Shuffled = std::is_arithmetic_v<T> &&(sizeof(T) == 4 || sizeof(T) == 8);

template <Shuffled T>
T shuffle_value(unsigned mask, T value, int source, std::source_location at) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = shuffle(mask, bits, source, at);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace host_cuda

/// Value of lane `source` of the caller's segment of `width` lanes.
template <host_cuda::Shuffled T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              std::source_location at = std::source_location::current()) {
  const int segment = host_cuda::lane() & ~(width - 1);
  return host_cuda::shuffle_value(mask, value, segment | (source & (width - 1)), at);
}

/// Value of the lane `delta` above; a lane's own value where that lies outside its segment.
template <host_cuda::Shuffled T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   std::source_location at = std::source_location::current()) {
  const int lane = host_cuda::lane(), source = lane + static_cast<int>(delta);
  return host_cuda::shuffle_value(mask, value, source <= (lane | (width - 1)) ? source : lane, at);
}

/// Value of lane (own lane XOR `bits`); a lane's own value where that lies beyond its segment.
template <host_cuda::Shuffled T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32,
                  std::source_location at = std::source_location::current()) {
  const int lane = host_cuda::lane(), source = lane ^ bits;
  return host_cuda::shuffle_value(mask, value, source <= (lane | (width - 1)) ? source : lane, at);
}

inline unsigned __ballot_sync(unsigned mask, int predicate,
                              std::source_location at = std::source_location::current()) {
  return host_cuda::ballot(mask, predicate != 0, at);
}

inline int __any_sync(unsigned mask, int predicate,
                      std::source_location at = std::source_location::current()) {
  return host_cuda::ballot(mask, predicate != 0, at) != 0;
}

inline void __syncwarp(unsigned mask = 0xffffffffu,
                       std::source_location at = std::source_location::current()) {
  host_cuda::warp_barrier(mask, at);
}
