/// The quadratic-model rule (Martens & Grosse 2015, sections 6.4 and 7), and the products with the Jacobian
/// that it rests on.
#include <gtest/gtest.h>

#include <cmath>

#include "support/backends.hpp"
#include "support/stepping.hpp"

namespace natgrad {
namespace {

using QuadraticRule = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, QuadraticRule, ::testing::ValuesIn(backend_cases()), backend_case_name);

/// Jv of every sample, C × N.
oracle::Matrix jacobian_times(const oracle::Problem& problem, const oracle::Vector& v) {
  oracle::Matrix jv(problem.shape.outputs(), problem.samples());
  for (Index n = 0; n < jv.cols; ++n)
    std::ranges::copy(oracle::multiply(oracle::jacobian(problem, n), v), jv.data.begin() + n * jv.rows);
  return jv;
}

oracle::Matrix outputs_at(oracle::Problem problem, oracle::Real along, const oracle::Vector& v) {
  problem.theta = oracle::plus(problem.theta, along, v);
  return oracle::outputs(problem);
}

TEST_P(QuadraticRule, ProductsWithTheJacobianAreTheOraclesAndCentralDifferences) {
  run([]<class R>(Backend<R>& backend) {
    for (const ProblemShape& shape : problem_shapes()) {
      const oracle::Problem problem = random_problem<R>(shape, 101);
      const HostMatrix<R> v = Random(102).matrix<R>(problem.parameters(), 1);
      const OnDevice<R> device(backend, problem);
      Activations<R> acts;
      forward(device.net, device.batch().x, acts);
      const DeviceVector<R> device_v(backend, v);
      const DeviceMatrix<R> jv(backend, shape.widths.back(), shape.samples);
      Buffer<R> scratch;
      jacobian_product<R>(device.net, acts, device_v, scratch, jv);
      const HostMatrix<R> found = jv.download();
      const oracle::Vector along = to_vector(v.data);
      const oracle::Matrix wanted = jacobian_times(problem, along);
      const double size = oracle::norm(wanted.data);
      EXPECT_TRUE(close(found, wanted, allowed_error<R>(), size)) << shape;

      // Truncation h² and rounding ε/h, in long double, with derivatives of about the outputs' size.
      const oracle::Real h = 1e-6L;
      const double error = static_cast<double>(h * h + std::numeric_limits<oracle::Real>::epsilon() / h);
      oracle::Matrix differences = outputs_at(problem, h, along);
      const oracle::Matrix below = outputs_at(problem, -h, along);
      for (std::size_t k = 0; k < below.data.size(); ++k)
        differences.data[k] = (differences.data[k] - below.data[k]) / (2 * h);
      EXPECT_TRUE(close(found, differences, allowed_error<R>() + 1e2 * error, 1.0 + size)) << shape;
    }
  });
}

/// α, μ and the quadratic form of αd + μs.
struct Model {
  oracle::Real rate = 0, momentum = 0, quadratic = 0;
  double condition = 1.0;  // of the 2 × 2 system, in its scaled form
};

Model textbook_model(const oracle::Matrix& f, const oracle::Vector& g, double kappa, const oracle::Vector& d,
                     const oracle::Vector& s) {
  const auto c = [&](const oracle::Vector& x, const oracle::Vector& y) {
    return oracle::product(x, f, y) + kappa * oracle::dot(x, y);
  };
  const oracle::Real dd = c(d, d), ds = c(d, s), ss = c(s, s), gd = oracle::dot(g, d), gs = oracle::dot(g, s);
  Model model;
  if (ss == 0) {
    model.rate = gd / dd;
  } else {
    const oracle::Real determinant = dd * ss - ds * ds;
    model.rate = (ss * gd - ds * gs) / determinant;
    model.momentum = (dd * gs - ds * gd) / determinant;
    model.condition = static_cast<double>(dd * ss / determinant);
  }
  oracle::Vector step(d.size(), 0);
  step = oracle::plus(oracle::plus(step, model.rate, d), model.momentum, s);
  model.quadratic = oracle::product(step, f, step);
  return model;
}

template <class R>
NaturalGradientOptions options_for(const oracle::Problem& problem, ScoreKind kind, Structure structure) {
  const oracle::Matrix f = oracle::batch_fisher(problem, kind, structure);
  NaturalGradientOptions options{.kind = kind, .fisher = {.structure = structure}};
  options.damping = {.start = static_cast<R>(damping_for(f, tested_condition<R>)),
                     .schedule = DampingSchedule::constant};
  options.rule = StepRule::quadratic;
  options.l2 = static_cast<double>(problem.l2);
  return options;
}

/// Which of the two limits the steps of a test met.
struct Limits {
  int whole = 0, budget = 0;
};

/// A step of the rule, checked against the textbook; the step before becomes it.
template <class R>
void check_step(Stepping<R>& net, const NaturalGradientOptions& options, Index model_begin,
                oracle::Vector& step_before, Limits& limits) {
  const StepReport report = net.step();
  const oracle::Vector g = oracle::gradient(net.problem);
  const oracle::Vector d =
      oracle::solve(oracle::batch_fisher(net.problem, options.kind, options.fisher.structure),
                    options.damping.start + options.l2, g);
  const oracle::Matrix f =
      oracle::exact_fisher(oracle::samples_of(net.problem, model_begin, options.model_batch));
  const Model model =
      textbook_model(f, g, options.model_damping * options.damping.start + options.l2, d, step_before);
  const double allowed = allowed_error<R>(tested_condition<R> * model.condition);
  oracle::Vector wanted(d.size(), 0);
  wanted = oracle::plus(oracle::plus(wanted, model.rate, d), model.momentum, step_before);
  EXPECT_TRUE(close(net.direction(), wanted, allowed));
  const double momentum = static_cast<double>(model.momentum);
  EXPECT_TRUE(near(report.momentum, momentum, allowed * (1.0 + std::abs(momentum))));
  EXPECT_TRUE(close(report.quadratic, model.quadratic, allowed));

  const double cap = std::sqrt(2.0 * options.kl / static_cast<double>(model.quadratic));
  if (report.backtracks == 0) {
    EXPECT_TRUE(close(report.beta, std::min(1.0, cap), allowed));
    (cap < 1.0 ? limits.budget : limits.whole) += 1;
  } else {
    EXPECT_LT(report.beta, std::min(1.0, cap));
  }
  EXPECT_FALSE(report.rejected);
  EXPECT_LE(report.kl_measured, options.kl);
  EXPECT_LE(report.new_loss, report.loss);
  step_before = net.applied(report);
}

TEST_P(QuadraticRule, MinimisesTheModelOfTheExactFisherAlongTheDirectionAndTheStepBefore) {
  run([]<class R>(Backend<R>& backend) {
    Limits limits;
    for (const Likelihood likelihood : all_likelihoods)
      for (const ScoreKind kind : {ScoreKind::exact, ScoreKind::empirical})
        for (const Structure structure : {Structure::dense, Structure::gram, Structure::diagonal})
          for (const bool variant : {false, true}) {
            oracle::Problem problem = random_problem<R>({{3, 4, 3}, {Activation::tanh}, likelihood, 7}, 103);
            problem.l2 = variant ? 0.01 : 0.0;
            NaturalGradientOptions options = options_for<R>(problem, kind, structure);
            options.model_damping = variant ? 1.0 : 0.25;
            options.model_batch = variant ? 7 : 4;  // all samples, or a window that moves on
            options.kl = variant ? 0.02 : 10.0;
            Stepping<R> net(backend, problem, options);
            oracle::Vector step_before(problem.theta.size(), 0);
            for (const Index begin : {0, 3, 1}) {
              SCOPED_TRACE(::testing::Message()
                           << to_string(likelihood) << ", " << to_string(kind) << ", " << to_string(structure)
                           << ", η " << options.l2 << ", from " << begin);
              check_step(net, options, variant ? 0 : begin, step_before, limits);
            }
          }
    EXPECT_GT(limits.budget, 10);
    EXPECT_GT(limits.whole, 10);
  });
}

// Of drawn rows d is not known to the oracle; the rate along it is, from the step.
TEST_P(QuadraticRule, TakesTheExactFisherWhateverTheRowsAre) {
  run([]<class R>(Backend<R>& backend) {
    for (const Structure structure : {Structure::dense, Structure::gram}) {
      const oracle::Problem problem =
          random_problem<R>({{3, 4, 3}, {Activation::tanh}, Likelihood::categorical, 7}, 104);
      NaturalGradientOptions options = options_for<R>(problem, ScoreKind::exact, structure);
      options.kind = ScoreKind::mc;
      options.kl = 100.0;
      Stepping<R> net(backend, problem, options);
      const StepReport report = net.step();
      const oracle::Vector step = to_vector(net.direction().data);
      const double kappa = options.model_damping * options.damping.start;
      const Model model = textbook_model(oracle::exact_fisher(problem), oracle::gradient(problem), kappa,
                                         step, oracle::Vector(step.size(), 0));
      EXPECT_TRUE(close(static_cast<double>(model.rate), 1, allowed_error<R>(tested_condition<R>)))
          << "no multiple of the step does better";
      EXPECT_TRUE(close(report.quadratic, model.quadratic, allowed_error<R>(tested_condition<R>)));
      EXPECT_EQ(report.momentum, 0.0);
    }
  });
}

TEST_P(QuadraticRule, OfALinearNetReachesTheMinimumInOneStep) {
  run([]<class R>(Backend<R>& backend) {
    const oracle::Problem problem = random_problem<R>({{3, 2}, {}, Likelihood::gaussian, 33}, 105);
    NaturalGradientOptions options{.kl = 1e3, .damping = {.start = 1e-4}, .rule = StepRule::quadratic};
    options.model_damping = 0.0;
    Stepping<R> net(backend, problem, options);
    const StepReport report = net.step();
    EXPECT_EQ(report.beta, 1.0);
    EXPECT_TRUE(close(report.rho, 1, allowed_error<R>(10.0))) << "the model is exact";
    const double left = net.step().grad_norm;
    EXPECT_LT(left, 1e-3 * report.grad_norm) << "but for λ";
  });
}

TEST(QuadraticRuleOptions, HaveNoOtherMomentum) {
  NaturalGradientOptions options{.rule = StepRule::quadratic};
  EXPECT_NO_THROW(options.validate());
  options.momentum = 0.9;
  EXPECT_THROW(options.validate(), UsageError);
  options.momentum = 0.0;
  options.model_damping = -1.0;
  EXPECT_THROW(options.validate(), UsageError);
}

}  // namespace
}  // namespace natgrad
