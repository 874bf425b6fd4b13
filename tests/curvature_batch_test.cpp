/// Curvature that is not, or not only, that of the step's batch: a window of its samples, an average over
/// steps, a matrix kept for some steps.
#include <gtest/gtest.h>

#include <vector>

#include "support/backends.hpp"
#include "support/stepping.hpp"

namespace natgrad {
namespace {

using CurvatureBatch = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, CurvatureBatch, ::testing::ValuesIn(backend_cases()), backend_case_name);

/// λ for an F of this problem's size, of a condition that is tested.
template <class R>
DampingOptions constant_damping(const oracle::Problem& problem) {
  return {.start = static_cast<R>(damping_for(oracle::exact_fisher(problem), tested_condition<R>)),
          .schedule = DampingSchedule::constant};
}

/// The step is that of F, with the gradient of the whole batch.
template <class R>
void check_step(Stepping<R>& net, const StepReport& report, const NaturalGradientOptions& options,
                const oracle::Matrix& f) {
  const double allowed = 4.0 * allowed_error<R>(tested_condition<R>);
  const oracle::Vector g = oracle::gradient(net.problem), d = oracle::solve(f, options.damping.start, g);
  EXPECT_TRUE(close(net.direction(), d, allowed));
  EXPECT_TRUE(close(report.grad_norm, oracle::norm(g), allowed_error<R>()));
  EXPECT_TRUE(close(report.quadratic, oracle::product(d, f, d), allowed));
  EXPECT_FALSE(report.rejected);
  EXPECT_LE(report.kl_measured, options.kl);
}

TEST_P(CurvatureBatch, IsAWindowOfSamplesThatMovesOn) {
  run([]<class R>(Backend<R>& backend) {
    const Index part = 3;
    const oracle::Problem problem =
        random_problem<R>({{3, 4, 3}, {Activation::tanh}, Likelihood::categorical, 7}, 81);
    for (const ScoreKind kind : {ScoreKind::exact, ScoreKind::empirical})
      for (const Structure structure : {Structure::dense, Structure::gram, Structure::layer}) {
        const NaturalGradientOptions options{.kind = kind,
                                             .fisher_batch = part,
                                             .fisher = {.structure = structure},
                                             .kl = 0.01,
                                             .damping = constant_damping<R>(problem)};
        Stepping<R> net(backend, problem, options);
        for (const Index begin : {0, 3, 4, 2}) {  // the third would begin at 6, too late for three samples
          SCOPED_TRACE(::testing::Message()
                       << to_string(kind) << ", " << to_string(structure) << ", from " << begin);
          const StepReport report = net.step();
          check_step(net, report, options,
                     oracle::batch_fisher(oracle::samples_of(net.problem, begin, part), kind, structure));
        }
      }
  });
}

TEST_P(CurvatureBatch, OfAllSamplesOrMoreIsTheBatch) {
  run([]<class R>(Backend<R>& backend) {
    const oracle::Problem problem =
        random_problem<R>({{3, 3, 2}, {Activation::tanh}, Likelihood::gaussian, 5}, 82);
    const auto direction = [&](Index fisher_batch) {
      Stepping<R> net(backend, problem,
                      {.fisher_batch = fisher_batch, .fisher = {.structure = Structure::gram}});
      net.step();
      return net.direction();
    };
    EXPECT_TRUE(identical(direction(5), direction(0)));
    EXPECT_TRUE(identical(direction(9), direction(0)));
    EXPECT_FALSE(identical(direction(4), direction(0)));
  });
}

TEST_P(CurvatureBatch, MayBeDrawnRows) {
  run([]<class R>(Backend<R>& backend) {
    const oracle::Problem problem =
        random_problem<R>({{3, 4, 3}, {Activation::tanh}, Likelihood::categorical, 7}, 83);
    NaturalGradientOptions options{.kind = ScoreKind::mc,
                                   .draws = 2,
                                   .fisher_batch = 3,
                                   .fisher = {.structure = Structure::dense},
                                   .damping = constant_damping<R>(problem)};
    Stepping<R> dense(backend, problem, options);
    options.fisher.structure = Structure::gram;
    Stepping<R> gram(backend, problem, options);
    for (int step = 0; step < 3; ++step) {
      gram.device.net.set_parameters(dense.device.net.parameters());
      dense.step();
      gram.step();
      EXPECT_TRUE(
          close(gram.direction(), to_matrix(dense.direction()), 4.0 * allowed_error<R>(tested_condition<R>)));
    }
  });
}

// ρ = min(decay, 1 − 1/k): 0, then ½, then the decay.
TEST_P(CurvatureBatch, AveragesOverStepsWithTheDecay) {
  run([]<class R>(Backend<R>& backend) {
    const oracle::Problem problem =
        random_problem<R>({{3, 3, 2}, {Activation::tanh}, Likelihood::gaussian, 7}, 84);
    for (const Structure structure : {Structure::dense, Structure::layer, Structure::unit}) {
      const NaturalGradientOptions options{.fisher = {.structure = structure, .decay = 0.6},
                                           .kl = 0.5,
                                           .damping = constant_damping<R>(problem)};
      Stepping<R> net(backend, problem, options);
      oracle::Matrix average(problem.parameters(), problem.parameters());
      for (const double kept : {0.0, 0.5, 0.6, 0.6}) {
        SCOPED_TRACE(::testing::Message() << to_string(structure) << ", kept " << kept);
        const StepReport report = net.step();
        const oracle::Matrix f = oracle::batch_fisher(net.problem, options.kind, structure);
        for (std::size_t k = 0; k < f.data.size(); ++k)
          average.data[k] = kept * average.data[k] + (1 - kept) * f.data[k];
        check_step(net, report, options, average);
      }
    }
  });
}

TEST_P(CurvatureBatch, IsTakenAnewAtEveryRefresh) {
  run([]<class R>(Backend<R>& backend) {
    const oracle::Problem problem =
        random_problem<R>({{3, 3, 2}, {Activation::tanh}, Likelihood::gaussian, 7}, 85);
    for (const Structure structure : {Structure::dense, Structure::layer}) {
      const NaturalGradientOptions options{.fisher = {.structure = structure, .refresh = 2},
                                           .kl = 0.2,
                                           .damping = constant_damping<R>(problem)};
      Stepping<R> net(backend, problem, options);
      oracle::Matrix f;
      for (int step = 0; step < 4; ++step) {
        SCOPED_TRACE(::testing::Message() << to_string(structure) << ", step " << step);
        const StepReport report = net.step();
        if (step % 2 == 0) f = oracle::batch_fisher(net.problem, options.kind, structure);
        check_step(net, report, options, f);
      }
    }
  });
}

}  // namespace
}  // namespace natgrad
