#include "natgrad/device/math.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "natgrad/device/likelihood.hpp"
#include "natgrad/device/quadratic_model.hpp"

namespace natgrad {
namespace {

constexpr double allowed_ulp = 2.0;  // as natgrad/device/math.hpp promises

/// The four functions, each with its reference in a wider type.
struct Exp {
  template <class R>
  static R value(R x) {
    return math::exp(x);
  }
  template <class W>
  static W reference(W x) {
    return std::exp(x);
  }
};
struct Expm1 {
  template <class R>
  static R value(R x) {
    return math::expm1(x);
  }
  template <class W>
  static W reference(W x) {
    return std::expm1(x);
  }
};
struct Log1p {
  template <class R>
  static R value(R x) {
    return math::log1p(x);
  }
  template <class W>
  static W reference(W x) {
    return std::log1p(x);
  }
};
struct Tanh {
  template <class R>
  static R value(R x) {
    return math::tanh(x);
  }
  template <class W>
  static W reference(W x) {
    return std::tanh(x);
  }
};

/// |got − want| in units of R's last place at `want`; infinite if one is NaN or ±Inf or negative and the
/// other is not. W holds every finite result of R's range with more digits.
template <class R, class W>
double ulp_error(R got, W want) {
  using Limits = std::numeric_limits<R>;
  constexpr double wrong = std::numeric_limits<double>::infinity();
  const R rounded = static_cast<R>(want);
  if (std::isnan(rounded) || std::isnan(got)) return std::isnan(rounded) && std::isnan(got) ? 0.0 : wrong;
  if (std::signbit(rounded) != std::signbit(got)) return wrong;
  if (std::isinf(rounded) || std::isinf(got)) return rounded == got ? 0.0 : wrong;
  const int exponent = want == 0 ? Limits::min_exponent : std::ilogb(want);
  const int last_place = std::max(exponent, Limits::min_exponent - 1) - (Limits::digits - 1);
  return static_cast<double>(std::scalbn(std::fabs(static_cast<W>(got) - want), -last_place));
}

/// The largest error of a function over the arguments shown to it.
template <class Function, class R>
class WorstCase {
  using Wide = std::conditional_t<std::is_same_v<R, float>, double, long double>;

 public:
  /// Applies the function in a loop that the compiler may vectorise.
  void visit(const std::vector<R>& arguments) {
    values_.resize(arguments.size());
    for (std::size_t i = 0; i < arguments.size(); ++i) values_[i] = Function::value(arguments[i]);
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const double error = ulp_error(values_[i], Function::reference(static_cast<Wide>(arguments[i])));
      if (error > error_) error_ = error, argument_ = arguments[i];
    }
  }
  void expect_within_bound() const {
    EXPECT_LE(error_, allowed_ulp) << "at x = " << std::hexfloat << argument_ << ": got "
                                   << Function::value(argument_) << ", exact "
                                   << static_cast<R>(Function::reference(static_cast<Wide>(argument_)));
  }

 private:
  std::vector<R> values_;
  double error_ = 0.0;
  R argument_ = 0;
};

template <class Function>
class MathOf : public testing::Test {};
using Functions = testing::Types<Exp, Expm1, Log1p, Tanh>;
TYPED_TEST_SUITE(MathOf, Functions);

TYPED_TEST(MathOf, FloatIsWithinTwoUlpOnAStrideThroughAllFloats) {
  constexpr std::uint64_t stride = 499, block = 4096 * stride;  // a prime, so that all low bits occur
  WorstCase<TypeParam, float> worst;
  std::vector<float> arguments;
  for (std::uint64_t first = 0; first < (std::uint64_t(1) << 32); first += block) {
    arguments.clear();
    for (std::uint64_t bits = first; bits < std::min(first + block, std::uint64_t(1) << 32); bits += stride)
      arguments.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    worst.visit(arguments);
  }
  worst.expect_within_bound();
}

TYPED_TEST(MathOf, DoubleIsWithinTwoUlpAtEveryExponent) {
  WorstCase<TypeParam, double> worst;
  std::mt19937_64 random(1);
  std::vector<double> arguments;
  for (std::uint64_t exponent = 0; exponent < 2048; ++exponent) {
    const bool interesting = exponent > 1023 - 60 && exponent < 1023 + 11;  // neither linear nor saturated
    arguments.resize(interesting ? 4000 : 40);
    for (double& x : arguments) x = std::bit_cast<double>((random() & ~(0x7ffull << 52)) | exponent << 52);
    worst.visit(arguments);
  }
  worst.expect_within_bound();
}

TYPED_TEST(MathOf, DoubleIsWithinTwoUlpBesideItsBreaks) {
  WorstCase<TypeParam, double> worst;
  std::vector<double> arguments;
  const auto add_neighbours = [&](double x) {
    for (int sign : {-1, 1}) {
      double below = sign * x, above = sign * x;
      for (int k = 0; k < 4; ++k) {
        arguments.insert(arguments.end(), {below, above});
        below = std::nextafter(below, -std::numeric_limits<double>::infinity());
        above = std::nextafter(above, std::numeric_limits<double>::infinity());
      }
    }
  };
  for (int n = 0; n <= 2150; ++n) add_neighbours(n * 0.5 * 0.69314718055994530942);  // exp's range reduction
  for (int k = -52; k < 1024; ++k) add_neighbours(std::ldexp(std::sqrt(0.5), k) - 1);  // log1p's
  for (double edge : {0.5, 1.0, 22.0, 40.0, 709.782712893384, 710.0, 745.1332191019412, 746.0})
    add_neighbours(edge);
  worst.visit(arguments);
  worst.expect_within_bound();
}

template <class R>
class MathOn : public testing::Test {};
using Precisions = testing::Types<float, double>;
TYPED_TEST_SUITE(MathOn, Precisions);

template <class R>
void expect_same(R got, R want) {
  EXPECT_EQ(got, want);
  EXPECT_EQ(std::signbit(got), std::signbit(want)) << "at " << want;
}

TYPED_TEST(MathOn, KeepsZeroAndItsSign) {
  for (const TypeParam zero : {TypeParam(0), -TypeParam(0)}) {
    expect_same(math::exp(zero), TypeParam(1));
    expect_same(math::expm1(zero), zero);
    expect_same(math::log1p(zero), zero);
    expect_same(math::tanh(zero), zero);
  }
}

TYPED_TEST(MathOn, KeepsTheSmallestArgumentsWhereTheSlopeIsOne) {
  using Limits = std::numeric_limits<TypeParam>;
  for (const TypeParam tiny : {Limits::denorm_min(), 3 * Limits::denorm_min(), Limits::min(), -Limits::min(),
                               -Limits::denorm_min()}) {
    expect_same(math::expm1(tiny), tiny);
    expect_same(math::log1p(tiny), tiny);
    expect_same(math::tanh(tiny), tiny);
  }
}

TYPED_TEST(MathOn, TakesTheLimitsAtTheEndsOfTheRange) {
  using Limits = std::numeric_limits<TypeParam>;
  const TypeParam infinity = Limits::infinity(), zero = 0, one = 1;
  for (const TypeParam large : {Limits::max(), infinity}) {
    expect_same(math::exp(large), infinity);
    expect_same(math::exp(-large), zero);
    expect_same(math::expm1(large), infinity);
    expect_same(math::expm1(-large), -one);
    expect_same(math::tanh(large), one);
    expect_same(math::tanh(-large), -one);
    EXPECT_TRUE(std::isnan(math::log1p(-large)));
  }
  expect_same(math::log1p(infinity), infinity);
  expect_same(math::log1p(-one), -infinity);
  EXPECT_TRUE(std::isnan(math::log1p(std::nextafter(-one, -infinity))));
}

TYPED_TEST(MathOn, ReachesTheLargestFiniteAndTheSmallestDenormalExponential) {
  using Limits = std::numeric_limits<TypeParam>;
  const TypeParam top = std::log(Limits::max());
  EXPECT_GT(math::exp(std::nextafter(top, TypeParam(0))), Limits::max() / 2);
  EXPECT_LT(math::exp(std::nextafter(top, TypeParam(0))), Limits::infinity());
  EXPECT_EQ(math::exp(std::nextafter(top, Limits::infinity())), Limits::infinity());
  EXPECT_EQ(math::exp(std::log(Limits::denorm_min())), Limits::denorm_min());
}

TYPED_TEST(MathOn, PassesNaNOn) {
  const TypeParam nan = std::numeric_limits<TypeParam>::quiet_NaN();
  for (const TypeParam x : {nan, -nan}) {
    EXPECT_TRUE(std::isnan(math::exp(x)));
    EXPECT_TRUE(std::isnan(math::expm1(x)));
    EXPECT_TRUE(std::isnan(math::log1p(x)));
    EXPECT_TRUE(std::isnan(math::tanh(x)));
  }
}

TYPED_TEST(MathOn, KeepsTanhWithinOneSoThatItsSlopeIsNotNegative) {
  for (TypeParam x = 0; x < TypeParam(25); x += TypeParam(1) / 512) EXPECT_LE(math::tanh(x), TypeParam(1));
}

TYPED_TEST(MathOn, BernoulliResidualAndRootOfTheFisherHoldAtEveryLogit) {
  using R = TypeParam;
  const long double epsilon = std::numeric_limits<R>::epsilon();
  for (R z = -160; z <= 160; z += R(0.375))
    for (const R y : {R(0), R(0.25), R(1)}) {
      const long double p = 1 / (1 + std::exp(-static_cast<long double>(z))),
                        q = 1 / (1 + std::exp(static_cast<long double>(z)));
      const long double one = p * (1 - y), zero = q * y, root = std::sqrt(p * q);
      const long double residual = Bernoulli::residual(z, y), root_fisher = Bernoulli::root_fisher(z);
      EXPECT_NEAR(residual, (one - zero) / root, 4 * epsilon * (one + zero) / root)
          << "z " << z << ", y " << y;
      EXPECT_NEAR(root_fisher, root, 8 * epsilon * root) << "z " << z;
    }
}

TYPED_TEST(MathOn, BernoulliResidualVanishesWhereTheSeenIsCertain) {
  const TypeParam large = 4000;
  EXPECT_EQ(Bernoulli::residual(large, TypeParam(1)), 0);
  EXPECT_EQ(Bernoulli::residual(-large, TypeParam(0)), 0);
  EXPECT_FALSE(std::isfinite(Bernoulli::residual(large, TypeParam(0))));
  EXPECT_FALSE(std::isfinite(Bernoulli::residual(-large, TypeParam(1))));
}

// Σ c² = (p − e)ᵀ H⁺ (p − e) = 1/p_label − 1, the odds against the label.
TYPED_TEST(MathOn, CategoricalResidualsHaveTheNormOfThePseudoInverse) {
  using R = TypeParam;
  const std::vector<std::vector<R>> logits{
      {0, 0, 0, 0}, {3, -1, 2, 5}, {0, -30, -60, 5}, {-150, -100, -50, 0}, {0, -50, -100, -150}};
  for (const std::vector<R>& z : logits)
    for (std::size_t label = 0; label < 4; ++label) {
      long double odds = 0.0L;
      for (std::size_t k = 0; k < 4; ++k)
        if (k != label) odds += std::exp(static_cast<long double>(z[k]) - z[label]);
      R c[3];
      Categorical::residuals(z.data(), 4, static_cast<Index>(label), R(1), c);
      double norm2 = 0.0;
      for (const R value : c) norm2 += static_cast<double>(value) * static_cast<double>(value);
      const double range =
          static_cast<double>(std::ranges::max(z) - std::ranges::min(z));  // log p is this wrong
      EXPECT_NEAR(norm2 / static_cast<double>(odds), 1.0, (16.0 + range) * std::numeric_limits<R>::epsilon())
          << "label " << label << ", z_1 " << z[1];
    }
}

TEST(QuadraticModel, HasNoStepWhereItFallsWithoutAnEnd) {
  for (const double curvature : {0.0, -1.0}) {
    const QuadraticStep step = solve_quadratic_model({curvature, 0.5, 3.0, 1.0, 0.0, 4.0, 1.5, -0.75, 0.0});
    EXPECT_TRUE(std::isnan(step.rate) && std::isnan(step.momentum) && std::isnan(step.quadratic))
        << curvature;
  }
}

}  // namespace
}  // namespace natgrad
