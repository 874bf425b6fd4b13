/// The options of natural-gradient descent: what they allow, and how the damping follows the steps.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "natgrad/natural_gradient.hpp"
#include "support/backends.hpp"
#include "support/problems.hpp"

namespace natgrad {
namespace {

using StepDamping = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, StepDamping, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr double infinity = std::numeric_limits<double>::infinity();

TEST_P(StepDamping, AdaptsTheDampingToTheReductionRatio) {
  run([]<class R>(Backend<R>& backend) {
    int far_below = 0, below = 0, above = 0, far_above = 0;  // ρ on both sides of ¼, and of ¾
    for (const std::uint64_t seed : {4, 5})                  // whose ρ falls through both as β grows
      for (double max_beta = 0.25; max_beta <= 6.0; max_beta += 0.25) {
        const oracle::Problem problem =
            random_problem<R>({{3, 4, 2}, {Activation::sin}, Likelihood::gaussian, 7}, seed);
        for (const bool adapt : {true, false}) {
          OnDevice<R> device(backend, problem);
          NaturalGradient<R> optimizer(
              device.net, problem.likelihood,
              {.kl = 1e3,
               .damping = {.start = 0.25,
                           .schedule = adapt ? DampingSchedule::adaptive : DampingSchedule::constant},
               .max_beta = max_beta});
          const double rho = optimizer.step(device.batch()).rho;
          const double wanted = rho < 0.25 ? 0.5 : rho > 0.75 ? 0.125 : 0.25;
          EXPECT_EQ(optimizer.damping(), adapt ? wanted : 0.25) << "ρ " << rho;
          far_below += rho > 0.1 && rho < 0.25;
          below += rho > 0.25 && rho < 0.35;
          above += rho > 0.65 && rho < 0.75;
          far_above += rho > 0.75 && rho < 0.8;
        }
      }
    for (const int count : {far_below, below, above, far_above}) EXPECT_GT(count, 0);
  });
}

TEST_P(StepDamping, KeepsTheDampingWithinItsBounds) {
  run([]<class R>(Backend<R>& backend) {
    const oracle::Problem problem = random_problem<R>({{3, 2}, {}, Likelihood::gaussian, 7}, 54);
    OnDevice<R> device(backend, problem);
    NaturalGradient<R> falling(device.net, Likelihood::gaussian,
                               {.kl = 1e-3, .damping = {.start = 0.5, .least = 0.1}});
    for (const double wanted : {0.25, 0.125, 0.1, 0.1}) {
      EXPECT_GT(falling.step(device.batch()).rho, 0.75) << "the loss is quadratic";
      EXPECT_EQ(falling.damping(), wanted);
    }
    NaturalGradient<R> rising(device.net, Likelihood::gaussian,
                              {.kl = 1e300, .damping = {.start = 0.5, .most = 0.75}, .max_beta = 1e25});
    for (int step = 0; step < 2; ++step) {
      EXPECT_TRUE(rising.step(device.batch()).rejected);
      EXPECT_EQ(rising.damping(), 0.75);
    }
  });
}

TEST(NaturalGradientOptions, RejectsValuesThatCannotBeUsed) {
  const auto message = [](const NaturalGradientOptions& options) -> std::string {
    try {
      options.validate();
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message({}), "");
  EXPECT_EQ(message({.damping = {.start = 0.0}}), "");
  const double nan = std::nan("");
  for (const double bad : {0.0, -1.0, nan, infinity})
    EXPECT_NE(message({.kl = bad}).find("kl is "), std::string::npos) << bad;
  for (const double bad : {-1.0, nan, infinity}) {
    EXPECT_NE(message({.kl_tolerance = bad}).find("kl-tolerance is "), std::string::npos) << bad;
    EXPECT_NE(message({.damping = {.start = bad}}).find("damping is "), std::string::npos) << bad;
    EXPECT_NE(message({.l2 = bad}).find("l2 is "), std::string::npos) << bad;
  }
  for (const double bad : {0.0, -1.0, nan})
    EXPECT_NE(message({.max_beta = bad}).find("max-beta is "), std::string::npos) << bad;
  for (const Index bad : {0, -1})
    EXPECT_NE(message({.draws = bad}).find("fisher-samples is "), std::string::npos) << bad;
}

TEST(NaturalGradientOptions, AreCheckedByTheOptimiser) {
  const auto backend = make_reference_backend<double>();
  Network<double> net(*backend, {{1, 1}, {}});
  EXPECT_THROW(NaturalGradient<double>(net, Likelihood::gaussian, {.kl = -1.0}), UsageError);
}

}  // namespace
}  // namespace natgrad
