/// Natural-gradient descent where something fails: singular systems, steps that cannot be accepted, numbers
/// that are not finite.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "natgrad/natural_gradient.hpp"
#include "support/backends.hpp"
#include "support/problems.hpp"

namespace natgrad {
namespace {

using FailingStep = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, FailingStep, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr double infinity = std::numeric_limits<double>::infinity();

TEST_P(FailingStep, RestoresWhereEveryTryRaisesTheLoss) {
  run([]<class R>(Backend<R>& backend) {
    for (const Likelihood likelihood : all_likelihoods) {
      const oracle::Problem problem = random_problem<R>({{3, 4, 3}, {Activation::sin}, likelihood, 7}, 53);
      OnDevice<R> device(backend, problem);
      // Halved eleven times, such a β is still too large.
      NaturalGradient<R> optimizer(device.net, likelihood,
                                   {.kl = 1e300, .damping = {.start = 0.5}, .max_beta = 1e25});
      const StepReport report = optimizer.step(device.batch());
      EXPECT_TRUE(report.rejected) << to_string(likelihood);
      EXPECT_EQ(report.backtracks, 11);
      EXPECT_EQ(report.step_norm, 0.0);
      EXPECT_EQ(report.new_loss, report.loss);
      EXPECT_EQ(device.theta(), problem.theta);
      EXPECT_EQ(optimizer.damping(), 1.0) << "doubled";
    }
  });
}

/// x = (1, 1), y = 2, θ = 0, one gaussian output: g = −2·(1, 1, 1), F all ones, F⁺g = g/3.
oracle::Problem all_ones_problem() {
  oracle::Problem problem{{{2, 1}, {}}, Likelihood::gaussian, {0, 0, 0}, {}, {}, 0};
  problem.x = oracle::Matrix(2, 1);
  problem.y = oracle::Matrix(1, 1);
  problem.x(0, 0) = problem.x(1, 0) = 1;
  problem.y(0, 0) = 2;
  return problem;
}

TEST_P(FailingStep, WithoutDampingIsOfMinimumNorm) {
  run([]<class R>(Backend<R>& backend) {
    for (const Structure structure : {Structure::dense, Structure::unit}) {
      OnDevice<R> device(backend, all_ones_problem());
      NaturalGradient<R> optimizer(
          device.net, Likelihood::gaussian,
          {.fisher = {.structure = structure}, .kl = 100.0, .damping = {.start = 0.0}});
      const StepReport report = optimizer.step(device.batch());
      EXPECT_EQ(report.solver, "eigen");
      EXPECT_EQ(report.solver_retries, 0);
      EXPECT_EQ(report.damping, 0.0);
      EXPECT_EQ(report.note, "");
      const oracle::Vector wanted(3, oracle::Real(-2) / 3);
      EXPECT_TRUE(close(download<R>(backend, optimizer.direction()), wanted, allowed_error<R>()));
      EXPECT_TRUE(close(report.quadratic, 4, allowed_error<R>()));
      EXPECT_EQ(report.beta, 1.0);
      EXPECT_TRUE(close(report.rho, 1, allowed_error<R>())) << "the loss is quadratic";
      EXPECT_TRUE(near(report.new_loss, 0.0, allowed_error<R>()));
    }
  });
}

TEST_P(FailingStep, WithoutDampingSolvesWithTheL2Term) {
  run([]<class R>(Backend<R>& backend) {
    oracle::Problem problem = all_ones_problem();
    problem.theta = {0.5, -0.25, 1};  // not in the range of F
    problem.l2 = 0.25;
    OnDevice<R> device(backend, problem);
    NaturalGradient<R> optimizer(device.net, Likelihood::gaussian,
                                 {.kl = 1e6, .damping = {.start = 0.0}, .l2 = 0.25});
    const StepReport report = optimizer.step(device.batch());
    EXPECT_FALSE(report.rejected);
    EXPECT_TRUE(close(download<R>(backend, optimizer.direction()),
                      oracle::solve(oracle::exact_fisher(problem), problem.l2, oracle::gradient(problem)),
                      allowed_error<R>(13.0)));
  });
}

TEST_P(FailingStep, ClimbsTheLadderWhereCholeskyFails) {
  run([]<class R>(Backend<R>& backend) {
    for (const Structure structure : {Structure::dense, Structure::unit}) {
      const double damping = 1e-3 * epsilon<R>;  // lost in 1 + λ, as is 10λ
      OnDevice<R> device(backend, all_ones_problem());
      NaturalGradient<R> optimizer(
          device.net, Likelihood::gaussian,
          {.fisher = {.structure = structure}, .kl = 100.0, .damping = {.start = damping}});
      const std::size_t synchronizations = backend.synchronizations();
      const StepReport report = optimizer.step(device.batch());
      EXPECT_EQ(backend.synchronizations() - synchronizations,
                static_cast<std::size_t>(1 + report.backtracks + report.solver_retries));
      EXPECT_EQ(report.solver, "cholesky");
      EXPECT_GE(report.solver_retries, 3);
      EXPECT_LE(report.solver_retries, 6);
      EXPECT_TRUE(close(report.damping, damping * std::pow(10.0, report.solver_retries), 1e-12));
      EXPECT_NE(report.note.find("cholesky failed at minor 2"), std::string::npos) << report.note;
      EXPECT_NE(report.note.find("retried with cholesky: ok"), std::string::npos) << report.note;
      EXPECT_FALSE(report.rejected);
      EXPECT_GE(optimizer.damping(), report.damping / 2) << "the next step begins where this one held";
    }
  });
}

TEST_P(FailingStep, EndsTheLadderWithEigenvalues) {
  run([]<class R>(Backend<R>& backend) {
    OnDevice<R> device(backend, all_ones_problem());
    NaturalGradient<R> optimizer(device.net, Likelihood::gaussian,
                                 {.kl = 100.0, .damping = {.start = 1e-30}});
    const StepReport report = optimizer.step(device.batch());
    EXPECT_EQ(report.solver, "eigen");
    EXPECT_EQ(report.solver_retries, 7);
    EXPECT_EQ(report.damping, 1e-30);
    EXPECT_NE(report.note.find("retried with eigen: ok"), std::string::npos) << report.note;
    EXPECT_TRUE(close(download<R>(backend, optimizer.direction()), oracle::Vector(3, oracle::Real(-2) / 3),
                      allowed_error<R>()));
  });
}

TEST_P(FailingStep, IsRejectedWhereNoRungHolds) {
  run([]<class R>(Backend<R>& backend) {
    // F is singular, and all its λ are lost in it.
    const oracle::Problem problem = all_ones_problem();
    OnDevice<R> device(backend, problem);
    NaturalGradient<R> optimizer(device.net, Likelihood::gaussian,
                                 {.damping = {.start = 1e-30}, .solver = Solver::cholesky});
    const StepReport report = optimizer.step(device.batch());
    EXPECT_TRUE(report.rejected);
    EXPECT_EQ(report.solver_retries, 6);
    EXPECT_NE(report.note.find("no rung of the ladder holds: step rejected"), std::string::npos)
        << report.note;
    EXPECT_EQ(device.theta(), problem.theta);
    EXPECT_EQ(report.new_loss, report.loss);
  });
}

TEST_P(FailingStep, RankDeficientStepsInLowPrecisionStayWithinTheBudget) {
  run([]<class R>(Backend<R>& backend) {
    int retries = 0;
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      oracle::Problem problem =
          random_problem<R>({{3, 4, 2}, {Activation::tanh}, Likelihood::gaussian, 2}, 70 + seed);
      OnDevice<R> device(backend, problem);
      NaturalGradient<R> optimizer(
          device.net, Likelihood::gaussian,
          {.kl = 1e-2, .damping = {.start = 1e-4 * epsilon<R>, .schedule = DampingSchedule::constant}});
      for (int step = 0; step < 3; ++step) {
        const StepReport report = optimizer.step(device.batch());
        retries += report.solver_retries;
        EXPECT_EQ(report.note.empty(), report.solver_retries == 0) << report.note;
        if (report.rejected)
          EXPECT_EQ(device.theta(), problem.theta);
        else
          EXPECT_LE(report.kl_measured, 1e-2);
        problem.theta = device.theta();
      }
    }
    EXPECT_GT(retries, 0);
  });
}

TEST_P(FailingStep, AtTheMinimumLeavesTheLossWhereItIs) {
  run([]<class R>(Backend<R>& backend) {
    oracle::Problem problem = all_ones_problem();
    problem.theta = {0.5, 0.5, 1};  // z = y
    OnDevice<R> device(backend, problem);
    NaturalGradient<R> optimizer(device.net, Likelihood::gaussian, {});
    const StepReport report = optimizer.step(device.batch());
    EXPECT_EQ(report.loss, 0.0);
    EXPECT_EQ(report.new_loss, 0.0);
    EXPECT_EQ(report.kl_measured, 0.0);
    EXPECT_EQ(device.theta(), problem.theta);
  });
}

enum class Where { x, y, theta };

/// The first, a middle and the last element of the device's matrix ← value, one after the other.
template <class R, class Check>
void poison_each(Backend<R>& backend, MatrixView<R> m, R value, Check check) {
  for (const auto& [i, j] :
       {std::pair<Index, Index>{0, 0}, {m.rows / 2, m.cols / 2}, {m.rows - 1, m.cols - 1}}) {
    R* element = m.data + i + j * m.stride;
    R before;
    backend.download(&before, element, sizeof before);
    backend.upload(element, &value, sizeof value);
    check(i, j);
    backend.upload(element, &before, sizeof before);
  }
}

TEST_P(FailingStep, NamesWhatIsNotFiniteAndLeavesTheParameters) {
  run([]<class R>(Backend<R>& backend) {
    for (const Likelihood likelihood : all_likelihoods)
      for (const Activation phi : {Activation::tanh, Activation::relu}) {
        const oracle::Problem problem = random_problem<R>({{2, 3, 2}, {phi}, likelihood, 3}, 55);
        OnDevice<R> device(backend, problem);
        NaturalGradient<R> optimizer(device.net, likelihood, {});
        const VectorView<R> theta = device.net.theta();
        for (const Where where : {Where::x, Where::y, Where::theta})
          for (const double bad : {std::nan(""), infinity, -infinity}) {
            if (where == Where::y && likelihood == Likelihood::categorical) continue;  // see below
            const MatrixView<R> target = where == Where::x   ? device.x.view()
                                         : where == Where::y ? device.y.view()
                                                             : MatrixView<R>(theta.data, theta.size, 1);
            poison_each(backend, target, static_cast<R>(bad), [&](Index i, Index j) {
              SCOPED_TRACE(::testing::Message() << bad << " at (" << i << ", " << j << ") of "
                                                << (where == Where::x   ? "x"
                                                    : where == Where::y ? "y"
                                                                        : "θ")
                                                << ", " << to_string(likelihood) << ", " << to_string(phi));
              const HostMatrix<R> before = download<R>(backend, theta);
              EXPECT_THROW(optimizer.step(device.batch()), NumericError);
              EXPECT_EQ(std::memcmp(download<R>(backend, theta).data.data(), before.data.data(),
                                    before.data.size() * sizeof(R)),
                        0);
            });
          }
        EXPECT_FALSE(optimizer.step(device.batch()).rejected) << "afterwards steps go on";
      }
  });
}

TEST_P(FailingStep, NamesATargetThatIsNoClassAndLeavesTheParameters) {
  run([]<class R>(Backend<R>& backend) {
    const oracle::Problem problem =
        random_problem<R>({{2, 3, 3}, {Activation::tanh}, Likelihood::categorical, 5}, 61);
    OnDevice<R> device(backend, problem);
    NaturalGradient<R> optimizer(device.net, problem.likelihood, {});
    for (const double bad : {std::nan(""), infinity, -infinity, -1.0, 3.0, 1.5})
      poison_each(backend, device.y.view(), static_cast<R>(bad), [&](Index, Index j) {
        const oracle::Vector before = device.theta();
        EXPECT_THROW(optimizer.step(device.batch()), NumericError) << bad << " in sample " << j;
        EXPECT_EQ(device.theta(), before) << bad << " in sample " << j;
      });
  });
}

TEST_P(FailingStep, TakesHugeInputsAsAStepOrAsANamedError) {
  run([]<class R>(Backend<R>& backend) {
    for (const Likelihood likelihood : all_likelihoods) {
      const oracle::Problem problem =
          random_problem<R>({{2, 3, 2}, {Activation::softplus}, likelihood, 2}, 56);
      for (const double huge : {1e38, -1e38, std::numeric_limits<double>::denorm_min()}) {
        OnDevice<R> device(backend, problem);
        NaturalGradient<R> optimizer(device.net, likelihood, {});
        poison_each(backend, device.x.view(), static_cast<R>(huge), [&](Index, Index) {
          const oracle::Vector before = device.theta();
          try {
            const StepReport report = optimizer.step(device.batch());
            if (report.rejected)
              EXPECT_EQ(device.theta(), before);
            else
              EXPECT_LE(report.kl_measured, 0.1);
          } catch (const NumericError&) {
            EXPECT_EQ(device.theta(), before);
          }
          for (const oracle::Real value : device.theta()) EXPECT_TRUE(std::isfinite(value));
        });
      }
    }
  });
}

TEST(SolveLadder, ClimbsSixTimesTenfoldThenToEigenvaluesThenEnds) {
  SolveLadder ladder(1e-4, Solver::automatic);
  for (int rung = 0; rung <= 6; ++rung) {
    EXPECT_EQ(ladder.method(), SolveMethod::cholesky);
    EXPECT_EQ(ladder.retries(), rung);
    EXPECT_TRUE(near(ladder.damping(), 1e-4 * std::pow(10.0, rung), 1e-12 * std::pow(10.0, rung)));
    EXPECT_TRUE(ladder.climb());
  }
  EXPECT_EQ(ladder.method(), SolveMethod::eigen);
  EXPECT_EQ(ladder.retries(), 7);
  EXPECT_EQ(ladder.damping(), 1e-4);
  EXPECT_FALSE(ladder.climb());
  EXPECT_EQ(SolveLadder(0.0, Solver::automatic).method(), SolveMethod::eigen);
}

}  // namespace
}  // namespace natgrad
