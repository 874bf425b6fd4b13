/// Elementary functions for the shared point-wise functors: exp, expm1, log1p, tanh of float and double.
///
/// On a device they are CUDA's own. On the host they are free of branches, calls and tables, so that the
/// compiler vectorises a loop around them. Host error, rounding to nearest: ≤ 2 ulp over the whole range,
/// denormal results included; exact at ±0, whose sign is kept; the limits of C at ±Inf and outside the
/// domain; NaN gives NaN. errno and the floating-point exceptions are left undefined.
///
/// Series are Taylor's, whose coefficients explain themselves: minimax ones would save one or two terms of
/// each.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "natgrad/device/macros.hpp"

namespace natgrad::math {
namespace host {

/// Layout and constants of a binary floating-point type. ln 2 is split so that n·ln2_high is exact for every
/// exponent n (Cody & Waite 1980).
template <std::floating_point R>
struct Format {
  static constexpr bool is_float = std::same_as<R, float>;
  static_assert(is_float || std::same_as<R, double>);
  using Bits = std::conditional_t<is_float, std::uint32_t, std::uint64_t>;
  static constexpr int fraction_bits = std::numeric_limits<R>::digits - 1;
  static constexpr Bits bias = std::numeric_limits<R>::max_exponent - 1;
  static constexpr R ln2_high = is_float ? R(0x1.62e4p-1) : R(0x1.62e42feep-1);
  static constexpr R ln2_low = is_float ? R(0x1.7f7d1cf79abcap-20) : R(0x1.a39ef35793c76p-33);
};

/// c_0 + c_1 x + c_2 x² + …
template <class R>
[[gnu::always_inline]] inline R polynomial(R, R c0) {
  return c0;
}
template <class R, class... Rest>
[[gnu::always_inline]] inline R polynomial(R x, R c0, Rest... rest) {
  return c0 + x * polynomial(x, rest...);
}

/// 2⁻ⁿ for −bias < n ≤ bias + 1, n in two's complement; 0 for n = bias + 1.
template <class R>
[[gnu::always_inline]] inline R inverse_power_of_two(typename Format<R>::Bits n) {
  using F = Format<R>;
  return R(0.5) * std::bit_cast<R>((F::bias + 1 - n) << F::fraction_bits);
}

/// v·2ⁿ in two factors, as 2ⁿ may leave the range where the product does not; n in two's complement.
template <class R>
[[gnu::always_inline]] inline R scale(R v, typename Format<R>::Bits n) {
  using F = Format<R>;
  const auto both = n + 2 * F::bias, half = both >> 1;  // biased once per factor, hence not negative
  return v * std::bit_cast<R>(half << F::fraction_bits) * std::bit_cast<R>((both - half) << F::fraction_bits);
}

/// eˣ = 2ⁿ(1 + r + tail), |r| ≤ ½ ln 2 and tail = eʳ − 1 − r, to more digits than R holds of their sum.
template <class R>
struct ReducedExponential {
  typename Format<R>::Bits n;  // two's complement
  R r, tail;
};

/// |x| < 2¹⁰ (float: 2⁷); NaN makes r NaN.
template <class R>
[[gnu::always_inline]] inline ReducedExponential<R> reduce_exponential(R x) {
  using F = Format<R>;
  using Bits = typename F::Bits;
  // Adding 1.5·2^fraction_bits rounds to an integer and leaves it in the low bits of the sum.
  constexpr R rounder = R(Bits(3) << (F::fraction_bits - 1)), log2_e = R(1.44269504088896340736);
  const R shifted = x * log2_e + rounder, n = shifted - rounder;
  const R exact = x - n * F::ln2_high, low = n * F::ln2_low;
  const R r = exact - low, lost = (exact - r) - low;
  R series;  // (eʳ − 1 − r)/r², the first omitted term below 2⁻³ ulp of r
  if constexpr (F::is_float) {
    series = polynomial(r, R(1) / 2, R(1) / 6, R(1) / 24, R(1) / 120, R(1) / 720, R(1) / 5040, R(1) / 40320);
  } else {
    series = polynomial(r, R(1) / 2, R(1) / 6, R(1) / 24, R(1) / 120, R(1) / 720, R(1) / 5040, R(1) / 40320,
                        R(1) / 362880, R(1) / 3628800, R(1) / 39916800, R(1) / 479001600, R(1) / 6227020800);
  }
  return {std::bit_cast<Bits>(shifted) - std::bit_cast<Bits>(rounder), r, lost + r * r * series};
}

/// x held to [low, high]; NaN stays NaN.
template <class R>
[[gnu::always_inline]] inline R clamp(R x, R low, R high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

template <class R>
[[gnu::always_inline]] inline R exp(R x) {
  constexpr bool is_float = Format<R>::is_float;
  const auto e = reduce_exponential(clamp(x, R(is_float ? -104 : -746), R(is_float ? 89 : 710)));
  return scale(R(1) + (e.r + e.tail), e.n);
}

/// eˣ − 1 = 2ⁿ((1 − 2⁻ⁿ) + r + tail).
template <class R>
[[gnu::always_inline]] inline R expm1(R x) {
  constexpr bool is_float = Format<R>::is_float;
  const auto e = reduce_exponential(clamp(x, R(is_float ? -20 : -40), R(is_float ? 89 : 710)));
  const R difference = ((R(1) - inverse_power_of_two<R>(e.n)) + e.r) + e.tail;
  return std::copysign(scale(difference, e.n), x);
}

/// tanh a = (e²ᵃ − 1)/(e²ᵃ + 1) = d/(d + 2p), a = |x|, p = 2⁻ⁿ, d = p(e²ᵃ − 1). Its three roundings would
/// show where n < 2 (a < 0.52): there it is a + (d − a(d + 2p))/(d + 2p), whose fraction is small.
/// Elsewhere base = 0 and the numerator is d bit for bit, so that the quotient cannot exceed 1.
template <class R>
[[gnu::always_inline]] inline R tanh(R x) {
  using Bits = typename Format<R>::Bits;
  constexpr R limit = R(Format<R>::is_float ? 10 : 22);  // where tanh is 1
  const R a = std::abs(x) > limit ? limit : std::abs(x);
  const auto e = reduce_exponential(R(2) * a);
  const R p = inverse_power_of_two<R>(e.n), head = (R(1) - p) + e.r, d = head + e.tail;
  // a for n < 2, else 0: by the sign bit of n − 2, as GCC would carry both sides of a ?: through the
  // division.
  const Bits below = Bits(0) - ((e.n - 2) >> (std::numeric_limits<Bits>::digits - 1));
  const R base = std::bit_cast<R>(std::bit_cast<Bits>(a) & below);
  const R quotient = ((head - R(2) * p * base) + (e.tail - base * d)) / (d + R(2) * p);
  return std::copysign(base + quotient, x);
}

/// 1 + x = 2ᵏ(1 + f) with 1 + f in [√½, √2), f carrying what the sum 1 + x lost; log(1 + f) = 2 artanh(s),
/// s = f/(2 + f), written as f − s(f − …) because 2s = f − sf (as in fdlibm, Sun Microsystems 1993).
template <class R>
[[gnu::always_inline]] inline R log1p(R x) {
  using F = Format<R>;
  using Bits = typename F::Bits;
  constexpr R sqrt_half = R(0.70710678118654752440);
  const R u = R(1) + x, back = u - R(1), lost = (x - back) + (R(1) - (u - back));  // Knuth's two-sum

  const Bits from_sqrt_half = std::bit_cast<Bits>(u) - std::bit_cast<Bits>(sqrt_half);
  const Bits biased_k = (from_sqrt_half + (F::bias << F::fraction_bits)) >> F::fraction_bits;
  const Bits fraction = from_sqrt_half & ((Bits(1) << F::fraction_bits) - 1);
  const R m = std::bit_cast<R>(fraction + std::bit_cast<Bits>(sqrt_half));
  // An integer in the low bits of 2^fraction_bits is that number plus 2^fraction_bits.
  constexpr R base = R(Bits(1) << F::fraction_bits);
  const R k = std::bit_cast<R>(std::bit_cast<Bits>(base) + biased_k) - (base + R(F::bias));

  const R f = (m - R(1)) + lost * inverse_power_of_two<R>(biased_k - F::bias);
  const R s = f / (R(2) + f), z = s * s;
  R series;  // 2(artanh(s) − s)/s³, the first omitted term below 2⁻³ ulp of f
  if constexpr (F::is_float) {
    series = polynomial(z, R(2) / 3, R(2) / 5, R(2) / 7, R(2) / 9);
  } else {
    series = polynomial(z, R(2) / 3, R(2) / 5, R(2) / 7, R(2) / 9, R(2) / 11, R(2) / 13, R(2) / 15, R(2) / 17,
                        R(2) / 19, R(2) / 21);
  }
  const R value = k * F::ln2_high + (f - (s * (f - z * series) - k * F::ln2_low));
  R result = std::copysign(value, x);
  result = x > std::numeric_limits<R>::max() ? x : result;
  result = x == R(-1) ? -std::numeric_limits<R>::infinity() : result;
  return x < R(-1) ? std::numeric_limits<R>::quiet_NaN() : result;
}

}  // namespace host

#ifdef __CUDA_ARCH__
namespace chosen = std;  // CUDA's own overloads
#else
namespace chosen = host;
#endif

template <std::floating_point R>
NATGRAD_HD R exp(R x) {
  return chosen::exp(x);
}
template <std::floating_point R>
NATGRAD_HD R expm1(R x) {
  return chosen::expm1(x);
}
template <std::floating_point R>
NATGRAD_HD R log1p(R x) {
  return chosen::log1p(x);
}
template <std::floating_point R>
NATGRAD_HD R tanh(R x) {
  return chosen::tanh(x);
}

}  // namespace natgrad::math
