/// Steps of natural-gradient descent against the oracle: direction, step size, measured KL, acceptance and
/// damping.
#include "natgrad/natural_gradient.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "support/backends.hpp"
#include "support/stepping.hpp"

namespace natgrad {
namespace {

using NaturalGradientStep = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, NaturalGradientStep, ::testing::ValuesIn(backend_cases()),
                         backend_case_name);

/// Those that solve with (F + λI) of a batch for an F of their own, by factorising.
constexpr Structure direct_structures[] = {Structure::dense, Structure::gram, Structure::layer,
                                           Structure::unit, Structure::diagonal};
constexpr Structure all_structures[] = {Structure::dense, Structure::gram,    Structure::matrix_free,
                                        Structure::layer, Structure::unit,    Structure::kronecker,
                                        Structure::ekfac, Structure::diagonal};

oracle::Matrix oracle_fisher(const oracle::Problem& problem, const NaturalGradientOptions& options) {
  return oracle::batch_fisher(problem, options.kind, options.fisher.structure);
}

/// Largest |z|, which the rounding errors of outputs are relative to.
double output_size(const oracle::Problem& problem) {
  double largest = 0.0;
  for (const oracle::Real z : oracle::outputs(problem).data)
    largest = std::max(largest, std::abs(static_cast<double>(z)));
  return largest;
}

/// What the textbook says of the step that `report` tells of, from θ before and after it.
template <class R>
void check_step(const oracle::Problem& problem, const NaturalGradientOptions& options, double condition,
                Backend<R>& backend, NaturalGradient<R>& optimizer, const StepReport& report,
                const oracle::Vector& theta_new) {
  const double allowed = allowed_error<R>(condition), sharp = allowed_error<R>();
  const oracle::Matrix f = oracle_fisher(problem, options);
  const oracle::Vector g = oracle::gradient(problem);
  const oracle::Vector d = oracle::solve(f, options.damping.start + options.l2, g);
  const oracle::Real quadratic = oracle::dot(d, oracle::multiply(f, d));
  const oracle::Real textbook_beta =
      std::min<oracle::Real>(options.max_beta, std::sqrt(2 * options.kl / quadratic));

  EXPECT_TRUE(close(report.loss, oracle::loss(problem), sharp));
  EXPECT_TRUE(close(report.grad_norm, std::sqrt(oracle::dot(g, g)), allowed));
  EXPECT_TRUE(close(download<R>(backend, optimizer.gradient()), g, allowed));
  EXPECT_TRUE(close(download<R>(backend, optimizer.direction()), d, allowed));
  EXPECT_TRUE(close(report.quadratic, quadratic, allowed));
  EXPECT_TRUE(close(report.kl_model, oracle::Real(0.5) * report.beta * report.beta * quadratic, allowed));
  EXPECT_EQ(report.kl_budget, options.kl);
  EXPECT_EQ(report.damping, options.damping.start);
  EXPECT_EQ(report.solver, "cholesky");
  EXPECT_EQ(report.solver_retries, 0);
  EXPECT_EQ(report.note, "");
  if (report.backtracks == 0)
    EXPECT_TRUE(close(report.beta, textbook_beta, allowed));
  else
    EXPECT_LT(report.beta, static_cast<double>(textbook_beta));

  oracle::Vector step = problem.theta;  // −(θ_new − θ)
  for (std::size_t k = 0; k < step.size(); ++k) step[k] -= theta_new[k];
  if (report.rejected) {
    EXPECT_EQ(theta_new, problem.theta) << "rejected";
    EXPECT_EQ(report.new_loss, report.loss);
    EXPECT_EQ(report.step_norm, 0.0);
    return;
  }
  const double theta_size = static_cast<double>(std::sqrt(oracle::dot(problem.theta, problem.theta)));
  oracle::Vector wanted_step = d;
  for (oracle::Real& value : wanted_step) value *= report.beta;
  EXPECT_TRUE(close(rounded<double>(step), wanted_step, allowed, sharp / allowed * theta_size));
  EXPECT_TRUE(close(report.step_norm, std::sqrt(oracle::dot(wanted_step, wanted_step)), allowed));

  oracle::Problem changed = problem;
  changed.theta = theta_new;
  const double kl = static_cast<double>(oracle::kl(problem, theta_new));
  // An error δ of the outputs is one of √(2 KL)·δ of the KL, and of the loss with the slope of the loss.
  const double outputs_error = sharp * (1.0 + output_size(problem));
  EXPECT_TRUE(near(report.kl_measured, kl, sharp * kl + 4.0 * std::sqrt(2.0 * kl) * outputs_error));
  EXPECT_LE(report.kl_measured, options.kl);
  EXPECT_LE(report.new_loss, report.loss);
  const double new_loss = static_cast<double>(oracle::loss(changed));
  EXPECT_TRUE(near(report.new_loss, new_loss, 4.0 * sharp * (report.loss + output_size(problem))));

  // ρ = actual / predicted, predicted = −gᵀs + ½sᵀ(F + ηI)s
  const oracle::Real predicted =
      -oracle::dot(g, wanted_step) + (oracle::dot(wanted_step, oracle::multiply(f, wanted_step)) +
                                      options.l2 * oracle::dot(wanted_step, wanted_step)) /
                                         2;
  const double actual = new_loss - report.loss;
  EXPECT_TRUE(
      near(report.rho, actual / static_cast<double>(predicted),
           allowed * (1.0 + std::abs(report.rho)) + 8.0 * sharp * (report.loss + output_size(problem)) /
                                                        std::abs(static_cast<double>(predicted))));
}

/// Which of the three limits the steps of a test met.
struct Limits {
  int max_beta = 0, budget = 0, backtracking = 0;
};

TEST_P(NaturalGradientStep, IsTheTextbooksWhicheverLimitBinds) {
  run([]<class R>(Backend<R>& backend) {
    const double condition = sizeof(R) == 8 ? 1e6 : 1e3;
    Limits limits;
    for (const ProblemShape& shape : problem_shapes()) {
      if (shape.likelihood == Likelihood::categorical && shape.widths.back() == 1) continue;  // g = 0
      for (const ScoreKind kind : {ScoreKind::exact, ScoreKind::empirical})
        for (const Structure structure : direct_structures)
          for (const double kl : {1e-6, 0.05, 1e4}) {
            SCOPED_TRACE(::testing::Message()
                         << shape << ", " << to_string(kind) << ", " << to_string(structure) << ", ε " << kl);
            oracle::Problem problem = random_problem<R>(shape, 51);
            NaturalGradientOptions options{.kind = kind, .fisher = {.structure = structure}, .kl = kl};
            options.max_beta = kl == 0.05 ? 10.0 : 1.0;
            options.l2 = kl == 0.05 ? 0.01 : 0.0;
            problem.l2 = options.l2;
            options.damping.start = static_cast<R>(damping_for(oracle_fisher(problem, options), condition));
            OnDevice<R> device(backend, problem);
            NaturalGradient<R> optimizer(device.net, problem.likelihood, options);
            const StepReport report = optimizer.step(device.batch());
            check_step(problem, options, condition, backend, optimizer, report, device.theta());
            (report.backtracks > 0             ? limits.backtracking
             : report.beta == options.max_beta ? limits.max_beta
                                               : limits.budget) += 1;
          }
    }
    EXPECT_GT(limits.max_beta, 5);
    EXPECT_GT(limits.budget, 5);
    EXPECT_GT(limits.backtracking, 5);
  });
}

TEST_P(NaturalGradientStep, BacktracksOnlyFromAStepThatIsNotAcceptable) {
  run([]<class R>(Backend<R>& backend) {
    if (sizeof(R) == 4) GTEST_SKIP() << "whether a bound is met by a rounding error is told in f64 only";
    int backtracked = 0, above_budget = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const oracle::Problem problem =
          random_problem<R>({{3, 4, 3}, {Activation::tanh}, Likelihood::categorical, 7}, 60 + seed, 3.0);
      const NaturalGradientOptions options{
          .kl = 0.5, .kl_tolerance = seed % 2 == 0 ? 0.0 : 0.5, .damping = {.start = 1e-3}, .max_beta = 5.0};
      OnDevice<R> device(backend, problem);
      NaturalGradient<R> optimizer(device.net, problem.likelihood, options);
      const StepReport report = optimizer.step(device.batch());
      const oracle::Vector d = to_vector(download<R>(backend, optimizer.direction()).data);
      oracle::Problem first = problem;
      const double beta = std::min(options.max_beta, std::sqrt(2.0 * options.kl / report.quadratic));
      for (std::size_t k = 0; k < d.size(); ++k) first.theta[k] -= beta * d[k];
      const double allowed_kl = options.kl * (1.0 + options.kl_tolerance);
      const bool acceptable =
          oracle::kl(problem, first.theta) <= allowed_kl && oracle::loss(first) <= oracle::loss(problem);
      EXPECT_EQ(report.backtracks == 0, acceptable) << "seed " << seed;
      EXPECT_LE(report.kl_measured, allowed_kl);
      backtracked += report.backtracks > 0;
      above_budget += report.kl_measured > options.kl;
    }
    EXPECT_GT(backtracked, 0);
    EXPECT_GT(above_budget, 0) << "the tolerance is used";
  });
}

/// A net, a batch and options at random, the awkward ones among them.
struct RandomStep {
  ProblemShape shape;
  NaturalGradientOptions options;
  double gain;

  explicit RandomStep(std::uint64_t seed) {
    Random random(seed);
    const Index hidden = random.index(3);
    shape.widths.push_back(1 + random.index(4));
    for (Index l = 0; l < hidden; ++l) {
      shape.widths.push_back(1 + random.index(4));
      shape.activations.push_back(all_activations[random.index(8)]);
    }
    shape.widths.push_back(1 + random.index(4));
    shape.likelihood = all_likelihoods[random.index(3)];
    shape.samples = 1 + random.index(8);
    const auto logarithmic = [&](double low, double high) {
      return std::exp(random.uniform(std::log(low), std::log(high)));
    };
    options.kind = static_cast<ScoreKind>(random.index(3));
    options.draws = 1 + random.index(3);
    options.fisher.structure = all_structures[random.index(std::size(all_structures))];
    options.kl = logarithmic(1e-6, 10.0);
    options.damping.start = random.index(8) == 0 ? 0.0 : logarithmic(1e-10, 1.0);
    options.max_beta = logarithmic(0.1, 100.0);
    options.l2 = random.index(4) == 0 ? logarithmic(1e-4, 1e-1) : 0.0;
    gain = logarithmic(0.3, 10.0);
  }
};

TEST_P(NaturalGradientStep, NeverExceedsTheKlBudgetAndRestoresBitForBit) {
  run([this]<class R>(Backend<R>& backend) {
    const std::uint64_t nets = GetParam().backend == "cpu" ? 1000 : 10;  // elsewhere a step takes its time
    constexpr int steps = 3, sample = 10;                                // one step in ten is computed again
    int accepted = 0, rejected = 0;
    for (std::uint64_t seed = 0; seed < nets; ++seed) {
      const RandomStep random(seed);
      oracle::Problem problem = random_problem<R>(random.shape, seed, random.gain);
      OnDevice<R> device(backend, problem);
      NaturalGradient<R> optimizer(device.net, problem.likelihood, random.options);
      for (int step = 0; step < steps; ++step) {
        const StepReport report = optimizer.step(device.batch());
        const oracle::Vector theta = device.theta();
        (report.rejected ? rejected : accepted) += 1;
        if (report.rejected) {
          ASSERT_EQ(theta, problem.theta) << "seed " << seed << ", rejected step " << step;
        } else {
          ASSERT_LE(report.kl_measured, random.options.kl) << "seed " << seed << ", step " << step;
          ASSERT_LE(report.new_loss, report.loss) << "seed " << seed << ", step " << step;
          if ((seed + static_cast<std::uint64_t>(step)) % sample == 0) {
            const double kl = static_cast<double>(oracle::kl(problem, theta));
            const double error = allowed_error<R>() * (1.0 + output_size(problem));
            ASSERT_LE(kl, random.options.kl * (1.0 + 1e-9) + 4.0 * std::sqrt(2.0 * kl) * error)
                << "seed " << seed << ", step " << step << ", " << random.shape;
          }
        }
        problem.theta = theta;
      }
    }
    EXPECT_GT(accepted, rejected) << "most of these steps can be made";
  });
}

TEST_P(NaturalGradientStep, ModelsASmallKlWithinFivePercent) {
  run([]<class R>(Backend<R>& backend) {
    if (sizeof(R) == 4) GTEST_SKIP() << "a KL of 1e-8 is a rounding error of the outputs in f32";
    for (const ProblemShape& shape : problem_shapes()) {
      if (shape.likelihood == Likelihood::categorical && shape.widths.back() == 1) continue;  // KL = 0
      const oracle::Problem problem = random_problem<R>(shape, 52);
      const oracle::Matrix f = oracle::exact_fisher(problem);
      oracle::Real trace = 0;
      for (Index i = 0; i < f.rows; ++i) trace += f(i, i);
      const double damping = 0.1 * static_cast<double>(trace) / static_cast<double>(f.rows);
      OnDevice<R> device(backend, problem);
      NaturalGradient<R> optimizer(device.net, problem.likelihood,
                                   {.kl = 1e-8, .damping = {.start = damping}});
      const StepReport report = optimizer.step(device.batch());
      EXPECT_FALSE(report.rejected) << shape;
      EXPECT_TRUE(near(report.kl_measured / report.kl_model, 1.0, 0.05)) << shape;
    }
  });
}

TEST_P(NaturalGradientStep, GivesTheSameBitsForTheSameSeed) {
  run([]<class R>(Backend<R>& backend) {
    const oracle::Problem problem =
        random_problem<R>({{3, 3, 3}, {Activation::gelu}, Likelihood::categorical, 7}, 57);
    const auto train = [&](ScoreKind kind, std::uint64_t seed) {
      OnDevice<R> device(backend, problem);
      NaturalGradient<R> optimizer(device.net, problem.likelihood, {.kind = kind, .draws = 2, .seed = seed});
      for (int step = 0; step < 3; ++step) optimizer.step(device.batch());
      return device.theta();
    };
    for (const ScoreKind kind : {ScoreKind::exact, ScoreKind::mc, ScoreKind::empirical}) {
      const oracle::Vector first = train(kind, 1);
      for (int again = 0; again < 4; ++again) EXPECT_EQ(train(kind, 1), first) << to_string(kind);
      EXPECT_EQ(train(kind, 2) == first, kind != ScoreKind::mc) << to_string(kind);
    }
  });
}

TEST_P(NaturalGradientStep, DrawsAnewInEveryStep) {
  run([]<class R>(Backend<R>& backend) {
    const oracle::Problem problem = random_problem<R>({{4, 3}, {}, Likelihood::gaussian, 7}, 58);
    OnDevice<R> device(backend, problem);
    NaturalGradient<R> optimizer(
        device.net, problem.likelihood,
        {.kind = ScoreKind::mc, .kl = 1e-3, .damping = {.schedule = DampingSchedule::constant}});
    const auto step_from_start = [&] {
      device.net.set_parameters({problem.theta.begin(), problem.theta.end()});
      optimizer.step(device.batch());
      return device.theta();
    };
    const oracle::Vector first = step_from_start();
    EXPECT_NE(step_from_start(), first);
  });
}

TEST_P(NaturalGradientStep, AllocatesNothingOnceItHasRunAndSynchronisesOnceATry) {
  run([]<class R>(Backend<R>& backend) {
    int backtracks = 0;
    for (const ScoreKind kind : {ScoreKind::exact, ScoreKind::mc, ScoreKind::empirical})
      for (const Structure structure : all_structures)
        for (const double damping : {1e-2, 0.0}) {
          const oracle::Problem problem =
              random_problem<R>({{3, 3, 2}, {Activation::sin}, Likelihood::categorical, 7}, 59, 4.0);
          OnDevice<R> device(backend, problem);
          NaturalGradient<R> optimizer(device.net, problem.likelihood,
                                       {.kind = kind,
                                        .fisher = {.structure = structure},
                                        .kl = 1.0,
                                        .damping = {.start = damping, .schedule = DampingSchedule::constant},
                                        .max_beta = 8.0});
          std::size_t allocations = 0;
          for (int step = 0; step < 5; ++step) {
            if (step == 2) allocations = backend.allocations();
            const std::size_t synchronizations = backend.synchronizations();
            const StepReport report = optimizer.step(device.batch());
            if (structure != Structure::matrix_free) {  // which looks at every iteration
              EXPECT_EQ(backend.synchronizations() - synchronizations,
                        static_cast<std::size_t>(1 + report.backtracks + report.solver_retries))
                  << to_string(kind) << ", " << to_string(structure);
            }
            backtracks += report.backtracks;
          }
          EXPECT_EQ(backend.allocations(), allocations) << to_string(kind) << ", " << to_string(structure);
        }
    EXPECT_GT(backtracks, 0);
  });
}

}  // namespace
}  // namespace natgrad
