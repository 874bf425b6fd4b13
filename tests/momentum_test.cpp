/// Momentum of natural-gradient descent (SPRING): the step last applied, in the part of the direction that
/// the batch says little about.
#include <gtest/gtest.h>

#include "support/backends.hpp"
#include "support/stepping.hpp"

namespace natgrad {
namespace {

using Momentum = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Momentum, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr double mu = 0.9;

/// (F + (λ + η)I)⁻¹(g + (λ + η)μs).
oracle::Vector direction_after(const oracle::Problem& problem, const NaturalGradientOptions& options,
                               double momentum, const oracle::Vector& step_before) {
  const oracle::Real damping = static_cast<oracle::Real>(options.damping.start) + options.l2;
  return oracle::solve(
      oracle::batch_fisher(problem, options.kind, options.fisher.structure), damping,
      oracle::plus(oracle::gradient(problem), damping * static_cast<oracle::Real>(momentum), step_before));
}

template <class R>
NaturalGradientOptions options_for(const oracle::Problem& problem, ScoreKind kind, Structure structure) {
  const oracle::Matrix f = oracle::batch_fisher(problem, kind, structure);
  return {.kind = kind,
          .fisher = {.structure = structure},
          .damping = {.start = static_cast<R>(damping_for(f, tested_condition<R>)),
                      .schedule = DampingSchedule::constant},
          .momentum = mu};
}

// Layers through their own matrices, through their Gram matrices, and one of each.
TEST_P(Momentum, AddsTheStepLastAppliedInEveryStructure) {
  run([]<class R>(Backend<R>& backend) {
    using enum Activation;
    for (const ProblemShape& shape : {ProblemShape{{3, 4, 2}, {tanh}, Likelihood::categorical, 33},
                                      {{3, 4, 3}, {gelu}, Likelihood::categorical, 2},
                                      {{5, 3, 1}, {sin}, Likelihood::gaussian, 7}})
      for (const ScoreKind kind : {ScoreKind::exact, ScoreKind::empirical})
        for (const Structure structure : {Structure::dense, Structure::gram, Structure::layer})
          for (const double l2 : {0.0, 0.01}) {
            oracle::Problem problem = random_problem<R>(shape, 71);
            problem.l2 = l2;
            NaturalGradientOptions options = options_for<R>(problem, kind, structure);
            options.l2 = l2;
            Stepping<R> net(backend, problem, options);
            oracle::Vector step_before(problem.theta.size(), 0);
            for (int step = 0; step < 3; ++step) {
              SCOPED_TRACE(::testing::Message() << shape << ", " << to_string(kind) << ", "
                                                << to_string(structure) << ", η " << l2 << ", step " << step);
              const StepReport report = net.step();
              EXPECT_FALSE(report.rejected);
              EXPECT_EQ(report.momentum, step == 0 ? 0.0 : mu);
              EXPECT_TRUE(close(net.direction(), direction_after(net.problem, options, mu, step_before),
                                allowed_error<R>(tested_condition<R>)));
              step_before = net.applied(report);
            }
          }
  });
}

TEST_P(Momentum, OfDrawnRowsIsTheSameThroughTheGramMatrix) {
  run([]<class R>(Backend<R>& backend) {
    const oracle::Problem problem =
        random_problem<R>({{3, 4, 3}, {Activation::tanh}, Likelihood::categorical, 7}, 72);
    NaturalGradientOptions options = options_for<R>(problem, ScoreKind::exact, Structure::dense);
    options.kind = ScoreKind::mc;
    Stepping<R> dense(backend, problem, options);
    options.fisher.structure = Structure::gram;
    Stepping<R> gram(backend, problem, options);
    for (int step = 0; step < 3; ++step) {
      gram.device.net.set_parameters(dense.device.net.parameters());
      EXPECT_EQ(dense.step().momentum, gram.step().momentum);
      EXPECT_TRUE(
          close(gram.direction(), to_matrix(dense.direction()), 4.0 * allowed_error<R>(tested_condition<R>)));
    }
  });
}

// Of a linear net after a step s: with targets z₁ − δ(z₀ − z₁) the gradient is δFs. Where λ is well above F
// the direction is nearly μs, along which the loss falls for β < 2δ/μ only: less than eleven halvings of 1.
TEST_P(Momentum, IsZeroAfterARejection) {
  run([]<class R>(Backend<R>& backend) {
    const double delta = 1e-4;
    const oracle::Problem problem = random_problem<R>({{3, 2}, {}, Likelihood::gaussian, 7}, 73);
    NaturalGradientOptions options = options_for<R>(problem, ScoreKind::exact, Structure::gram);
    options.kl = 1e3;
    options.damping.start = 8.0;
    Stepping<R> net(backend, problem, options);
    ASSERT_FALSE(net.step().rejected);
    oracle::Problem after = problem;
    after.theta = net.device.theta();
    const oracle::Matrix z0 = oracle::outputs(problem), z1 = oracle::outputs(after);
    HostMatrix<R> y = rounded<R>(z1);
    for (std::size_t k = 0; k < y.data.size(); ++k)
      y.data[k] = static_cast<R>(z1.data[k] - delta * (z0.data[k] - z1.data[k]));
    const DeviceMatrix<R> targets(backend, y);

    const StepReport rejected = net.step({net.device.x, targets});
    EXPECT_TRUE(rejected.rejected);
    EXPECT_EQ(rejected.momentum, mu);
    EXPECT_EQ(net.device.theta(), after.theta);

    const StepReport next = net.step();
    EXPECT_EQ(next.momentum, 0.0);
    EXPECT_TRUE(close(net.direction(),
                      direction_after(net.problem, options, 0.0, oracle::Vector(problem.theta.size(), 0)),
                      allowed_error<R>(tested_condition<R>)));
    EXPECT_EQ(net.step().momentum, mu) << "it begins anew";
  });
}

// A long step across the valley of a quadratic loss turns the gradient round, and the momentum with it.
TEST_P(Momentum, IsLeftOutWhereItLeadsUphill) {
  run([]<class R>(Backend<R>& backend) {
    int uphill = 0, downhill = 0;
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
      const oracle::Problem problem = random_problem<R>({{2, 1}, {}, Likelihood::gaussian, 3}, 74 + seed);
      for (const Structure structure : {Structure::dense, Structure::gram}) {
        const NaturalGradientOptions options{.fisher = {.structure = structure},
                                             .kl = 1e3,
                                             .damping = {.start = 4.0, .schedule = DampingSchedule::constant},
                                             .max_beta = 12.0,
                                             .momentum = 0.99};
        Stepping<R> net(backend, problem, options);
        const oracle::Vector first = net.applied(net.step());
        const StepReport report = net.step();
        const oracle::Vector with = direction_after(net.problem, options, options.momentum, first),
                             g = oracle::gradient(net.problem);
        const double slope = static_cast<double>(oracle::dot(g, with));
        if (std::abs(slope) < allowed_error<R>(100.0) * oracle::norm(g) * oracle::norm(with)) continue;
        SCOPED_TRACE(::testing::Message() << "seed " << seed << ", " << to_string(structure));
        (slope > 0.0 ? downhill : uphill) += 1;
        EXPECT_EQ(report.momentum, slope > 0.0 ? options.momentum : 0.0);
        EXPECT_TRUE(close(net.direction(),
                          slope > 0.0 ? with : direction_after(net.problem, options, 0.0, first),
                          allowed_error<R>(100.0)));
        EXPECT_LE(report.new_loss, report.loss);
      }
    }
    EXPECT_GT(uphill, 5);
    EXPECT_GT(downhill, 5);
  });
}

}  // namespace
}  // namespace natgrad
