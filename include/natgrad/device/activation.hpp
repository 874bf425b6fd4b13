/// Activation functions and their derivatives, for host and device.
/// To add one: its name in natgrad/activation.hpp, a case here, a line in src/activation.cpp.
#pragma once

#include "natgrad/activation.hpp"
#include "natgrad/device/math.hpp"

namespace natgrad {

/// φ(z) and φ'(z).
template <class R>
struct ValueAndSlope {
  R value, slope;
};

/// 1/(1 + e⁻ᶻ), without overflow at either end.
template <class R>
NATGRAD_HD R sigmoid(R z) {
  const R e = math::exp(-std::abs(z));
  return (z >= R(0) ? R(1) : e) / (R(1) + e);
}

/// log(1 + eᶻ), without overflow.
template <class R>
NATGRAD_HD R softplus(R z) {
  return (z > R(0) ? z : R(0)) + math::log1p(math::exp(-std::abs(z)));
}

/// z − z: 0, or NaN where z is not finite. The limits of a function that saturates would hide an overflow.
template <class R>
NATGRAD_HD R zero_or_nan(R z) {
  return z - z;
}

/// Not finite where z is not.
template <Activation phi, class R>
NATGRAD_HD ValueAndSlope<R> activation(R z) {
  if constexpr (phi == Activation::identity) {
    return {z, R(1)};
  } else if constexpr (phi == Activation::tanh) {
    const R t = math::tanh(z) + zero_or_nan(z);
    return {t, R(1) - t * t};
  } else if constexpr (phi == Activation::sigmoid) {
    const R s = sigmoid(z) + zero_or_nan(z);
    return {s, s * (R(1) - s)};
  } else if constexpr (phi == Activation::relu) {
    return z > R(0) ? ValueAndSlope<R>{z, R(1)} : ValueAndSlope<R>{zero_or_nan(z), R(0)};
  } else if constexpr (phi == Activation::gelu) {
    constexpr R inverse_sqrt_2 = R(0.70710678118654752440), inverse_sqrt_2pi = R(0.39894228040143267794);
    const R cdf = R(0.5) * std::erfc(-z * inverse_sqrt_2);
    return {z * cdf, cdf + z * inverse_sqrt_2pi * math::exp(R(-0.5) * z * z)};
  } else if constexpr (phi == Activation::silu) {
    const R s = sigmoid(z);
    return {z * s, s * (R(1) + z * (R(1) - s))};
  } else if constexpr (phi == Activation::softplus) {
    return {softplus(z) + zero_or_nan(z), sigmoid(z)};
  } else {
    static_assert(phi == Activation::sin);
    return {std::sin(z), std::cos(z)};
  }
}

/// Calls `function` with phi as a compile-time constant: function.template operator()<phi>().
template <class Function>
decltype(auto) with_activation(Activation phi, Function&& function) {
  switch (phi) {
    case Activation::identity:
      return function.template operator()<Activation::identity>();
    case Activation::tanh:
      return function.template operator()<Activation::tanh>();
    case Activation::sigmoid:
      return function.template operator()<Activation::sigmoid>();
    case Activation::relu:
      return function.template operator()<Activation::relu>();
    case Activation::gelu:
      return function.template operator()<Activation::gelu>();
    case Activation::silu:
      return function.template operator()<Activation::silu>();
    case Activation::softplus:
      return function.template operator()<Activation::softplus>();
    case Activation::sin:
      break;
  }
  return function.template operator()<Activation::sin>();
}

}  // namespace natgrad
