/// Gradient descent and Adam against the textbook recursions.
#include "natgrad/optimizer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "support/backends.hpp"
#include "support/problems.hpp"

namespace natgrad {
namespace {

using Optimizers = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Optimizers, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr int steps = 5;

/// Makes `steps` steps on every problem and follows them with θ ← next(t, g, θ), t from 1.
template <class R, class Make, class Recursion>
void follow(Backend<R>& backend, double l2, double learning_rate, Make make, Recursion recursion) {
  for (const ProblemShape& shape : problem_shapes()) {
    SCOPED_TRACE(::testing::Message() << shape);
    oracle::Problem problem = random_problem<R>(shape, 81);
    problem.l2 = l2;
    OnDevice<R> device(backend, problem);
    const std::unique_ptr<Optimizer<R>> optimizer = make(device.net, shape.likelihood);
    auto next = recursion(problem.theta.size());
    for (int t = 1; t <= steps; ++t) {
      const oracle::Vector g = oracle::gradient(problem);
      const StepReport report = optimizer->step(device.batch());
      const double allowed = allowed_error<R>(steps);
      EXPECT_TRUE(near(report.loss, static_cast<double>(oracle::loss(problem)),
                       allowed * (1.0 + static_cast<double>(oracle::loss(problem)))));
      const double size = static_cast<double>(std::sqrt(oracle::dot(g, g)));
      EXPECT_TRUE(near(report.grad_norm, size, allowed * (1.0 + size)));
      EXPECT_EQ(report.beta, learning_rate);
      EXPECT_FALSE(report.rejected);
      EXPECT_TRUE(std::isnan(report.kl_measured) && std::isnan(report.kl_budget) && std::isnan(report.rho));
      next(t, g, problem.theta);
      EXPECT_TRUE(close(rounded<double>(device.theta()), problem.theta, allowed)) << "step " << t;
    }
  }
}

TEST_P(Optimizers, SgdFollowsHeavyBall) {
  run([]<class R>(Backend<R>& backend) {
    for (const SgdOptions& options :
         {SgdOptions{.learning_rate = 0.1}, SgdOptions{.learning_rate = 0.05, .momentum = 0.9, .l2 = 0.01}})
      follow(
          backend, options.l2, options.learning_rate,
          [&](Network<R>& net, Likelihood likelihood) { return make_sgd(net, likelihood, options); },
          [&](std::size_t parameters) {
            return [&, v = oracle::Vector(parameters)](int, const oracle::Vector& g,
                                                       oracle::Vector& theta) mutable {
              for (std::size_t k = 0; k < v.size(); ++k) {
                v[k] = options.momentum * v[k] + g[k];
                theta[k] -= options.learning_rate * v[k];
              }
            };
          });
  });
}

TEST_P(Optimizers, AdamFollowsKingmaAndBa) {
  run([]<class R>(Backend<R>& backend) {
    // An ϵ well above rounding: else the sign of a gradient that vanishes decides the step.
    for (const AdamOptions& options :
         {AdamOptions{.learning_rate = 0.01, .epsilon = 1e-2},
          AdamOptions{.learning_rate = 0.1, .beta1 = 0.5, .beta2 = 0.8, .epsilon = 1e-1, .l2 = 0.01}})
      follow(
          backend, options.l2, options.learning_rate,
          [&](Network<R>& net, Likelihood likelihood) { return make_adam(net, likelihood, options); },
          [&](std::size_t parameters) {
            return [&, m = oracle::Vector(parameters), v = oracle::Vector(parameters)](
                       int t, const oracle::Vector& g, oracle::Vector& theta) mutable {
              for (std::size_t k = 0; k < m.size(); ++k) {
                m[k] = options.beta1 * m[k] + (1 - options.beta1) * g[k];
                v[k] = options.beta2 * v[k] + (1 - options.beta2) * g[k] * g[k];
                const oracle::Real first = m[k] / (1 - std::pow<oracle::Real>(options.beta1, t));
                const oracle::Real second = v[k] / (1 - std::pow<oracle::Real>(options.beta2, t));
                theta[k] -= options.learning_rate * first / (std::sqrt(second) + options.epsilon);
              }
            };
          });
  });
}

/// Calls body(optimiser) for gradient descent and Adam on the device's network.
template <class R>
void for_each_optimizer(Network<R>& net, Likelihood likelihood,
                        const std::function<void(Optimizer<R>&)>& body) {
  body(*make_sgd(net, likelihood, {.momentum = 0.9}));
  body(*make_adam(net, likelihood, {}));
}

TEST_P(Optimizers, LeaveTheParametersWhereTheLossIsNotFinite) {
  run([]<class R>(Backend<R>& backend) {
    const oracle::Problem problem =
        random_problem<R>({{3, 4, 2}, {Activation::tanh}, Likelihood::bernoulli, 7}, 82);
    for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()})
      for (const Index sample : {0, 3, 6}) {
        oracle::Problem broken = problem;
        broken.x(1, sample) = bad;
        OnDevice<R> device(backend, problem), source(backend, broken);
        for_each_optimizer<R>(device.net, problem.likelihood, [&](Optimizer<R>& optimizer) {
          EXPECT_THROW(optimizer.step(source.batch()), NumericError) << bad << " in sample " << sample;
          EXPECT_EQ(device.theta(), problem.theta);
        });
      }
  });
}

// y is so large that the gradient is, but neither it nor the loss overflows; its moments, or θ, would.
TEST_P(Optimizers, RefuseAnUpdateThatThePrecisionDoesNotHold) {
  run([]<class R>(Backend<R>& backend) {
    const bool f64 = sizeof(R) == 8;
    oracle::Problem problem = random_problem<R>({{2, 3, 1}, {Activation::tanh}, Likelihood::gaussian, 1}, 85);
    problem.y(0, 0) = f64 ? 1e150 : 1e25;
    OnDevice<R> device(backend, problem);
    const auto refuses = [&](const std::unique_ptr<Optimizer<R>>& optimizer, const std::string& what) {
      try {
        optimizer->step(device.batch());
        ADD_FAILURE() << "took the step";
      } catch (const NumericError& error) {
        EXPECT_NE(std::string(error.what()).find("layers.1."), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find(what), std::string::npos) << error.what();
      }
      EXPECT_EQ(device.theta(), problem.theta);
      State<R> state;
      auto saving = StateVisitor<R>::saving(backend, state);
      optimizer->visit_state(saving);
      for (const auto& [name, values] : state.arrays)
        EXPECT_TRUE(std::ranges::all_of(values, [](R value) { return value == R(0); })) << name;
    };
    const double rate = f64 ? 1e200 : 1e20;
    refuses(make_sgd<R>(device.net, problem.likelihood, {.learning_rate = rate}), "a parameter may reach");
    const AdamOptions large{.learning_rate = f64 ? 1e160 : 1e10, .beta2 = 0.0};
    if (f64)
      refuses(make_adam<R>(device.net, problem.likelihood, large), "a parameter may reach");
    else
      refuses(make_adam<R>(device.net, problem.likelihood, {}), "the second moment may reach");
  });
}

TEST(OptimizerOptions, OutOfRangeAreRefused) {
  const std::unique_ptr<Backend<float>> backend = make_cpu_backend<float>();
  Network<float> net(*backend, {{2, 1}, {}});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const SgdOptions& options : {SgdOptions{.learning_rate = nan}, SgdOptions{.learning_rate = -1.0},
                                    SgdOptions{.momentum = 1.0}, SgdOptions{.l2 = nan}})
    EXPECT_THROW(make_sgd<float>(net, Likelihood::gaussian, options), UsageError);
  for (const AdamOptions& options :
       {AdamOptions{.learning_rate = nan}, AdamOptions{.beta1 = 1.0}, AdamOptions{.beta2 = -0.1},
        AdamOptions{.epsilon = 0.0}, AdamOptions{.epsilon = 1e-60}, AdamOptions{.l2 = -1.0}})
    EXPECT_THROW(make_adam<float>(net, Likelihood::gaussian, options), UsageError);
}

TEST_P(Optimizers, AllocateNothingOnceTheyHaveRunAndSynchroniseOnceAStep) {
  run([]<class R>(Backend<R>& backend) {
    const oracle::Problem problem =
        random_problem<R>({{3, 4, 2}, {Activation::sin}, Likelihood::gaussian, 33}, 83);
    OnDevice<R> device(backend, problem);
    for_each_optimizer<R>(device.net, problem.likelihood, [&](Optimizer<R>& optimizer) {
      optimizer.step(device.batch());
      const std::size_t allocations = backend.allocations(), synchronizations = backend.synchronizations();
      for (int step = 0; step < steps; ++step) optimizer.step(device.batch());
      EXPECT_EQ(backend.allocations(), allocations);
      EXPECT_EQ(backend.synchronizations() - synchronizations, static_cast<std::size_t>(steps));
    });
  });
}

}  // namespace
}  // namespace natgrad
