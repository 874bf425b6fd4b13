/// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, through Random123).
#pragma once

#include <Random123/philox.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "natgrad/device/macros.hpp"
#include "natgrad/matrix.hpp"
#include "natgrad/random_key.hpp"

namespace natgrad {

/// 128 random bits for number `index` of the stream.
NATGRAD_HD r123::Philox4x32::ctr_type random_bits(RandomKey key, std::uint64_t index) {
  const r123::Philox4x32::ctr_type counter = {{static_cast<std::uint32_t>(index),
                                               static_cast<std::uint32_t>(index >> 32),
                                               static_cast<std::uint32_t>(key.stream), key.round}};
  const r123::Philox4x32::key_type philox_key = {
      {static_cast<std::uint32_t>(key.seed), static_cast<std::uint32_t>(key.seed >> 32)}};
  return r123::Philox4x32()(counter, philox_key);
}

/// Two words as a uniform number in the open interval (0, 1), on a grid of 2⁻⁵³.
NATGRAD_HD double to_uniform(std::uint32_t low, std::uint32_t high) {
  const std::uint64_t bits = (static_cast<std::uint64_t>(high) << 32 | low) >> 12;  // 52 bits
  return (static_cast<double>(bits) + 0.5) * 0x1p-52;
}

/// Uniform in (0, 1).
NATGRAD_HD double random_uniform(RandomKey key, std::uint64_t index) {
  const auto bits = random_bits(key, index);
  return to_uniform(bits[0], bits[1]);
}

/// Standard normal (Box & Muller 1958).
NATGRAD_HD double random_normal(RandomKey key, std::uint64_t index) {
  const auto bits = random_bits(key, index);
  const double radius = std::sqrt(-2.0 * std::log(to_uniform(bits[0], bits[1])));
  return radius * std::cos(6.283185307179586477 * to_uniform(bits[2], bits[3]));
}

/// 64 random bits to sort by: sorting 0 … n−1 by (sort_key, index) gives the stream's permutation.
NATGRAD_HD std::uint64_t random_sort_key(RandomKey key, std::uint64_t index) {
  const auto bits = random_bits(key, index);
  return static_cast<std::uint64_t>(bits[1]) << 32 | bits[0];
}

/// The stream's permutation of 0 … n−1.
std::vector<Index> random_permutation(RandomKey key, Index n);

}  // namespace natgrad
