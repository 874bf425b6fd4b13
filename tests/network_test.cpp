/// Shapes, initial parameters and the forward pass.
#include "natgrad/network.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "support/backends.hpp"
#include "support/problems.hpp"

namespace natgrad {
namespace {

using ForwardPass = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, ForwardPass, ::testing::ValuesIn(backend_cases()), backend_case_name);

template <class R>
HostMatrix<R> download(Backend<R>& backend, MatrixView<const R> m) {
  HostMatrix<R> host = natgrad::download<R>(backend, VectorView<const R>{m.data, m.size()});
  host.rows = m.rows;
  host.cols = m.cols;
  return host;
}

TEST_P(ForwardPass, OutputsAreTheOraclesWithAndWithoutSlopes) {
  run([]<class R>(Backend<R>& backend) {
    for (const ProblemShape& shape : problem_shapes()) {
      const oracle::Problem problem = random_problem<R>(shape, 11);
      const OnDevice<R> device(backend, problem);
      const oracle::Matrix wanted = oracle::outputs(problem);
      Activations<R> acts;
      forward(device.net, device.batch().x, acts);
      EXPECT_TRUE(close(download(backend, acts.output()), wanted, allowed_error<R>())) << shape;
      forward_output(device.net, device.batch().x, acts);
      EXPECT_TRUE(close(download(backend, acts.output()), wanted, allowed_error<R>())) << shape;
    }
  });
}

TEST_P(ForwardPass, BuffersServeBatchesOfAnySizeAfterEachOther) {
  run([]<class R>(Backend<R>& backend) {
    Activations<R> acts;
    for (const Index samples : {7, 33, 1, 2, 33}) {
      const oracle::Problem problem = random_problem<R>(
          {{3, 4, 5, 2}, {Activation::gelu, Activation::sin}, Likelihood::gaussian, samples}, 12);
      const OnDevice<R> device(backend, problem);
      for (const bool slopes : {true, false}) {
        slopes ? forward(device.net, device.batch().x, acts)
               : forward_output(device.net, device.batch().x, acts);
        EXPECT_TRUE(close(download(backend, acts.output()), oracle::outputs(problem), allowed_error<R>()))
            << "N = " << samples;
      }
    }
  });
}

TEST_P(ForwardPass, RejectsABatchOfAnotherWidth) {
  run([]<class R>(Backend<R>& backend) {
    const Network<R> net(backend, {{3, 2}, {}});
    const DeviceMatrix<R> x(backend, 4, 5);
    Activations<R> acts;
    EXPECT_THROW(forward(net, MatrixView<const R>(x), acts), ShapeError);
    EXPECT_THROW(forward_output(net, MatrixView<const R>(x), acts), ShapeError);
  });
}

TEST_P(ForwardPass, ParametersComeBackAsTheyWereSet) {
  run([]<class R>(Backend<R>& backend) {
    Network<R> net(backend, {{2, 3, 1}, {Activation::tanh}});
    EXPECT_EQ(net.parameters(), std::vector<double>(13, 0.0));
    std::vector<double> theta;
    for (int k = 0; k < 13; ++k) theta.push_back(0.25 * k - 1.0);
    net.set_parameters(theta);
    EXPECT_EQ(net.parameters(), theta);
    EXPECT_THROW(net.set_parameters(std::vector<double>(12, 0.0)), ShapeError);
    for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity(),
                             sizeof(R) == 4 ? 1e39 : -std::numeric_limits<double>::infinity()})
      for (const std::size_t at : {0, 6, 12}) {
        std::vector<double> broken = theta;
        broken[at] = bad;
        EXPECT_THROW(net.set_parameters(broken), NumericError) << bad << " at " << at;
      }
    EXPECT_EQ(net.parameters(), theta) << "after the errors";
  });
}

TEST(NetworkShape, CountsParametersLayerByLayer) {
  const NetworkShape shape{{64, 32, 10}, {Activation::tanh}};
  EXPECT_EQ(shape.layers(), 2);
  EXPECT_EQ(shape.layer_parameters(0), 32 * 65);
  EXPECT_EQ(shape.offset(1), 32 * 65);
  EXPECT_EQ(shape.parameters(), 32 * 65 + 10 * 33);
  EXPECT_EQ(shape.description(), "64-32-10 tanh");
  EXPECT_EQ((NetworkShape{{4, 3, 2, 1}, {Activation::sin, Activation::gelu}}).description(),
            "4-3-2-1 sin,gelu");
  EXPECT_EQ((NetworkShape{{4, 1}, {}}).description(), "4-1");
}

TEST(NetworkShape, RejectsWhatIsNoNetwork) {
  EXPECT_NO_THROW((NetworkShape{{1, 1}, {}}).validate());
  EXPECT_THROW((NetworkShape{{}, {}}).validate(), UsageError);
  EXPECT_THROW((NetworkShape{{3}, {}}).validate(), UsageError);
  EXPECT_THROW((NetworkShape{{3, 0, 1}, {Activation::tanh}}).validate(), UsageError);
  EXPECT_THROW((NetworkShape{{3, -1}, {}}).validate(), UsageError);
  EXPECT_THROW((NetworkShape{{3, 2, 1}, {}}).validate(), UsageError);
  EXPECT_THROW((NetworkShape{{3, 1}, {Activation::tanh}}).validate(), UsageError);
}

TEST(InitialParameters, AreAFunctionOfTheSeed) {
  const NetworkShape shape{{20, 7, 3}, {Activation::tanh}};
  for (const Init init : {Init::lecun, Init::xavier, Init::he, Init::sparse}) {
    EXPECT_EQ(initial_parameters(shape, init, 5), initial_parameters(shape, init, 5));
    EXPECT_NE(initial_parameters(shape, init, 5), initial_parameters(shape, init, 6));
  }
}

/// |x̄ − μ| within 5 standard errors for mean and variance of the normal distribution N(0, variance).
void expect_normal(const std::vector<double>& x, double variance) {
  const double count = static_cast<double>(x.size());
  double sum = 0.0, squares = 0.0;
  for (const double value : x) sum += value, squares += value * value;
  EXPECT_TRUE(near(sum / count, 0.0, 5.0 * std::sqrt(variance / count)));
  EXPECT_TRUE(near(squares / count, variance, 5.0 * variance * std::sqrt(2.0 / count)));
}

TEST(InitialParameters, AreNormalWithTheSchemesVarianceAndBiasesAreZero) {
  const NetworkShape shape{{120, 40, 10}, {Activation::tanh}};
  for (const auto& [init, first, second] : {std::tuple{Init::lecun, 1.0 / 120, 1.0 / 40},
                                            {Init::xavier, 2.0 / 160, 2.0 / 50},
                                            {Init::he, 2.0 / 120, 2.0 / 40}}) {
    const std::vector<double> theta = initial_parameters(shape, init, 3);
    ASSERT_EQ(static_cast<Index>(theta.size()), shape.parameters());
    const auto second_layer = theta.begin() + shape.offset(1);
    expect_normal({theta.begin(), theta.begin() + 4800}, first);
    expect_normal({second_layer, second_layer + 400}, second);
    EXPECT_TRUE(std::all_of(theta.begin() + 4800, second_layer, [](double b) { return b == 0.0; }));
    EXPECT_TRUE(std::all_of(second_layer + 400, theta.end(), [](double b) { return b == 0.0; }));
  }
}

TEST(InitialParameters, AreFifteenWeightsAUnitWhereSparse) {
  const NetworkShape shape{{40, 30, 9, 2}, {Activation::tanh, Activation::tanh}};
  const std::vector<double> theta = initial_parameters(shape, Init::sparse, 3);
  std::vector<double> drawn, uses(40);
  for (Index l = 0; l < shape.layers(); ++l)
    for (Index j = 0; j < shape.width(l + 1); ++j) {
      Index nonzero = 0;
      for (Index i = 0; i < shape.width(l); ++i) {
        const double weight = theta[static_cast<std::size_t>(shape.offset(l) + j * shape.width(l) + i)];
        if (weight == 0.0) continue;
        ++nonzero;
        drawn.push_back(weight);
        if (l == 0) uses[static_cast<std::size_t>(i)] += 1.0;
      }
      EXPECT_EQ(nonzero, std::min<Index>(15, shape.width(l))) << "layer " << l << ", unit " << j;
    }
  expect_normal(drawn, 1.0);
  // Each input of the first layer is chosen by a unit with probability 15/40.
  const double expected = 30 * 15.0 / 40, deviation = std::sqrt(expected * (1 - 15.0 / 40));
  for (const double count : uses) EXPECT_TRUE(near(count, expected, 5.0 * deviation));
}

}  // namespace
}  // namespace natgrad
