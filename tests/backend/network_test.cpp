/// Bias, activation and slopes.
#include <gtest/gtest.h>

#include <limits>
#include <utility>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {
namespace {

using Network = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Network, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr Activation activations[] = {Activation::identity, Activation::tanh, Activation::sigmoid,
                                      Activation::relu,     Activation::gelu, Activation::silu,
                                      Activation::softplus, Activation::sin};
constexpr std::pair<Index, Index> shapes[] = {{0, 2}, {2, 0}, {1, 1}, {2, 31}, {31, 33}, {33, 2}, {43, 97}};
// Roundings in the evaluation of an activation, each function of the library within 4 ulp.
constexpr double roundings = 16.0;

template <class R>
struct Activated {
  HostMatrix<R> values, slopes;
};

template <class R>
Activated<R> activate(Backend<R>& backend, Activation phi, const HostMatrix<R>& bias,
                      const HostMatrix<R>& z) {
  const DeviceVector<R> d_bias(backend, bias);
  const DeviceMatrix<R> d_z(backend, z), d_a(backend, z.rows, z.cols);
  backend.activate(phi, d_bias, d_z, d_a);
  return {d_a.download(), d_z.download()};
}

/// x = z + b carries an error ε|x|, which the value takes as |xφ'|, and the slope, whose own slope is at most
/// 2, as |x|; a slope of 1 − t² is exact to ε·1.
template <class R>
void check_activation(Backend<R>& backend, Activation phi, const HostMatrix<R>& bias,
                      const HostMatrix<R>& z) {
  const auto [found, wanted] = on_both(backend, [&](Backend<R>& b) { return activate(b, phi, bias, z); });
  HostMatrix<R> value_scale = absolute(wanted.values), slope_scale = z;
  for (Index j = 0; j < z.cols; ++j)
    for (Index i = 0; i < z.rows; ++i) {
      const R x = std::abs(z(i, j) + bias(i, 0));
      value_scale(i, j) += x * std::abs(wanted.slopes(i, j));
      slope_scale(i, j) = R(1) + x;
    }
  EXPECT_TRUE(componentwise(found.values, wanted.values, roundings, value_scale))
      << to_string(phi) << ", " << z.rows << " × " << z.cols;
  EXPECT_TRUE(componentwise(found.slopes, wanted.slopes, roundings, slope_scale))
      << "slopes of " << to_string(phi) << ", " << z.rows << " × " << z.cols;
}

TEST_P(Network, ActivateGivesValuesAndSlopes) {
  run([]<class R>(Backend<R>& backend) {
    for (const Activation phi : activations)
      for (const auto& [n, samples] : shapes) {
        Random random(1);
        const HostMatrix<R> bias = random.matrix<R>(n, 1);
        check_activation<R>(backend, phi, bias, random.matrix<R>(n, samples, -6.0, 6.0));
      }
  });
}

TEST_P(Network, SimpleActivationsAreWithinFewUlps) {
  run([]<class R>(Backend<R>& backend) {
    const HostMatrix<R> z = Random(4).matrix<R>(33, 31, -6.0, 6.0);
    for (const auto& [phi, allowed] : {std::pair<Activation, std::uint64_t>{Activation::identity, 0},
                                       {Activation::relu, 0},
                                       {Activation::tanh, 4},
                                       {Activation::sigmoid, 4}}) {
      const auto [found, wanted] = on_both(
          backend, [&, phi = phi](Backend<R>& b) { return activate(b, phi, HostMatrix<R>(33, 1), z); });
      for (Index j = 0; j < z.cols; ++j)
        for (Index i = 0; i < z.rows; ++i)
          EXPECT_LE(ulp_distance(found.values(i, j), wanted.values(i, j)), allowed)
              << to_string(phi) << " of " << z(i, j) << ": found " << found.values(i, j) << ", wanted "
              << wanted.values(i, j);
    }
  });
}

TEST_P(Network, ActivateIsRightFromTheTiniestToTheLargestInputs) {
  run([]<class R>(Backend<R>& backend) {
    HostMatrix<R> z(1, 0);
    for (double size = 0x1p-40; size <= 0x1p14; size *= 2.0)
      for (const double sign : {-1.0, 1.0}) z.data.push_back(static_cast<R>(sign * size));
    z.data.push_back(R(0));
    z.cols = static_cast<Index>(z.data.size());
    for (const Activation phi : activations) {
      // Below the smallest normal number a value may be rounded to a denormal one, or to zero.
      const auto [found, wanted] =
          on_both(backend, [&](Backend<R>& b) { return activate(b, phi, HostMatrix<R>(1, 1), z); });
      const double tiny = static_cast<double>(std::numeric_limits<R>::min());
      EXPECT_TRUE(within(found.values, wanted.values, [&](Index i, Index j) {
        const double value = std::abs(wanted.values(i, j)), slope = std::abs(wanted.slopes(i, j));
        return roundings * epsilon<R> * (value + std::abs(z(i, j)) * slope) + std::abs(z(i, j)) * tiny + tiny;
      })) << to_string(phi);
      EXPECT_TRUE(
          within(found.slopes, wanted.slopes,
                 [&](Index i, Index j) { return roundings * epsilon<R> * (1.0 + std::abs(z(i, j))); }))
          << "slopes of " << to_string(phi);
    }
  });
}

TEST_P(Network, ActivateInPlaceGivesTheSameValues) {
  run([]<class R>(Backend<R>& backend) {
    for (const Activation phi : activations)
      for (const auto& [n, samples] : shapes) {
        Random random(2);
        const HostMatrix<R> bias = random.matrix<R>(n, 1), z = random.matrix<R>(n, samples, -6.0, 6.0);
        const DeviceVector<R> d_bias(backend, bias);
        const DeviceMatrix<R> d_z(backend, z);
        backend.activate(phi, d_bias, d_z, d_z);
        EXPECT_TRUE(identical(d_z.download(), activate(backend, phi, bias, z).values))
            << to_string(phi) << ", " << n << " × " << samples;
      }
  });
}

TEST_P(Network, ANanComesThroughEveryActivation) {
  run([]<class R>(Backend<R>& backend) {
    for (const Activation phi : activations) {
      HostMatrix<R> z(3, 2);
      z(1, 1) = std::numeric_limits<R>::quiet_NaN();
      const HostMatrix<R> values = activate(backend, phi, HostMatrix<R>(3, 1), z).values;
      for (Index j = 0; j < 2; ++j)
        for (Index i = 0; i < 3; ++i)
          EXPECT_EQ(std::isnan(values(i, j)), i == 1 && j == 1)
              << to_string(phi) << " at (" << i << ", " << j << ")";
    }
  });
}

TEST_P(Network, AnInfinityComesThroughNoActivationAsALimit) {
  run([]<class R>(Backend<R>& backend) {
    const R infinity = std::numeric_limits<R>::infinity();
    for (const Activation phi : activations) {
      HostMatrix<R> z(2, 1);
      z(0, 0) = infinity;
      z(1, 0) = -infinity;
      const HostMatrix<R> values = activate(backend, phi, HostMatrix<R>(2, 1), z).values;
      for (const R value : values.data) EXPECT_FALSE(std::isfinite(value)) << to_string(phi);
    }
  });
}

TEST_P(Network, MultiplySlopesTakesEachSampleForAllItsRows) {
  run([]<class R>(Backend<R>& backend) {
    for (const auto& [n, samples] : shapes)
      for (const Index r : {0, 1, 3}) {
        Random random(3);
        const HostMatrix<R> slopes = random.matrix<R>(n, samples), d = random.matrix<R>(n, samples * r);
        const auto multiply = [&](Backend<R>& b) {
          const DeviceMatrix<R> d_slopes(b, slopes), d_d(b, d);
          b.multiply_slopes(d_slopes, d_d);
          return d_d.download();
        };
        const auto [found, wanted] = on_both(backend, multiply);
        EXPECT_TRUE(identical(found, wanted)) << n << " × " << samples << ", r " << r;
      }
  });
}

TEST_P(Network, RejectsShapesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceMatrix<R> m23(backend, 2, 3), m22(backend, 2, 2), m33(backend, 3, 3), m27(backend, 2, 7);
    const DeviceMatrix<R> m20(backend, 2, 0);
    const DeviceVector<R> v2(backend, 2), v3(backend, 3);
    EXPECT_THROW(backend.activate(Activation::tanh, v3, m23, m23), ShapeError);
    EXPECT_THROW(backend.activate(Activation::tanh, v2, m23, m22), ShapeError);
    EXPECT_THROW(backend.activate(Activation::tanh, v2, m23, m33), ShapeError);
    EXPECT_THROW(backend.multiply_slopes(m23, m33), ShapeError);
    EXPECT_THROW(backend.multiply_slopes(m23, m27), ShapeError);
    EXPECT_THROW(backend.multiply_slopes(m20, m23), ShapeError);
  });
}

}  // namespace
}  // namespace natgrad
