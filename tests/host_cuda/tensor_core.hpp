/// The tensor cores' operation by its mathematical meaning, for g++: fragments laid out as natgrad's
/// tensor_core.cuh says, TF32 inputs rounded, sums in the order of k.
#pragma once

#include <cstdint>
#include <cstring>
#include <source_location>

#include "host_cuda/warp.hpp"

namespace host_cuda {

inline float to_tf32(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  if ((bits & 0x7f800000u) != 0x7f800000u) bits += 0x1000u;  // half a unit; infinities and NaN stay
  bits &= ~std::uint32_t{0x1fff};
  std::memcpy(&x, &bits, sizeof bits);
  return x;
}

/// What one lane brings to a product.
template <class T>
struct Fragments {
  T* d;
  const T *a, *b;
};

/// Runs in the lane that arrives last, with every lane's fragments.
inline void settle_tf32(void* const* lanes) {
  const auto lane = [lanes](int g, int t) { return static_cast<const Fragments<float>*>(lanes[4 * g + t]); };
  float a[16][8], b[8][8];
  for (int g = 0; g < 8; ++g)
    for (int t = 0; t < 4; ++t) {
      const auto* f = lane(g, t);
      for (int k = 0; k < 4; ++k) a[g + 8 * (k % 2)][t + 4 * (k / 2)] = to_tf32(f->a[k]);
      for (int k = 0; k < 2; ++k) b[t + 4 * k][g] = to_tf32(f->b[k]);
    }
  for (int g = 0; g < 8; ++g)
    for (int t = 0; t < 4; ++t)
      for (int i = 0; i < 4; ++i) {
        float& sum = lane(g, t)->d[i];
        for (int k = 0; k < 8; ++k) sum += a[g + 8 * (i / 2)][k] * b[k][2 * t + i % 2];
      }
}

inline void settle_double(void* const* lanes) {
  const auto lane = [lanes](int g, int t) { return static_cast<const Fragments<double>*>(lanes[4 * g + t]); };
  for (int g = 0; g < 8; ++g)
    for (int t = 0; t < 4; ++t)
      for (int i = 0; i < 2; ++i) {
        double& sum = lane(g, t)->d[i];
        for (int k = 0; k < 4; ++k) sum += *lane(g, k)->a * *lane(2 * t + i, k)->b;
      }
}

inline void tensor_multiply(float (&d)[4], const float (&a)[4], const float (&b)[2],
                            std::source_location at = std::source_location::current()) {
  Fragments<float> mine{d, a, b};
  exchange(0xffffffffu, &mine, settle_tf32, at);
}

inline void tensor_multiply(double (&d)[2], double a, double b,
                            std::source_location at = std::source_location::current()) {
  Fragments<double> mine{d, &a, &b};
  exchange(0xffffffffu, &mine, settle_double, at);
}

}  // namespace host_cuda
