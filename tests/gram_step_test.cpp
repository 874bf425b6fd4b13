/// Steps through the Gram matrix, whose right-hand side is u with g = Sᵀu: the gradient is never formed.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "natgrad/direction.hpp"
#include "support/backends.hpp"
#include "support/stepping.hpp"

namespace natgrad {
namespace {

using GramStep = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, GramStep, ::testing::ValuesIn(backend_cases()), backend_case_name);

TEST_P(GramStep, IsThatOfTheDenseMatrixForFewRowsAndForMany) {
  run([]<class R>(Backend<R>& backend) {
    const double allowed = 4.0 * allowed_error<R>(tested_condition<R>);
    for (const Likelihood likelihood : all_likelihoods)
      for (const ScoreKind kind : {ScoreKind::exact, ScoreKind::mc, ScoreKind::empirical})
        for (const Index samples : {1, 2, 5, 17, 33}) {  // P = 18
          SCOPED_TRACE(::testing::Message()
                       << to_string(likelihood) << ", " << to_string(kind) << ", N " << samples);
          const oracle::Problem problem =
              random_problem<R>({{3, 2, 3}, {Activation::tanh}, likelihood, samples}, 91);
          const double damping =
              static_cast<double>(damping_for(oracle::exact_fisher(problem), tested_condition<R>));
          NaturalGradientOptions options{.kind = kind, .draws = 2, .damping = {.start = damping}};
          Stepping<R> dense(backend, problem, options);
          options.fisher.structure = Structure::gram;
          Stepping<R> gram(backend, problem, options);
          const StepReport wanted = dense.step(), found = gram.step();
          EXPECT_TRUE(close(gram.direction(), to_matrix(dense.direction()), allowed));
          EXPECT_TRUE(close(download<R>(backend, gram.optimizer.gradient()), oracle::gradient(problem),
                            allowed_error<R>(), 1.0));
          EXPECT_TRUE(close(found.grad_norm, wanted.grad_norm, allowed));
          EXPECT_TRUE(close(found.quadratic, wanted.quadratic, allowed));
          EXPECT_TRUE(close(found.beta, wanted.beta, allowed));
          EXPECT_EQ(found.backtracks, wanted.backtracks);
          EXPECT_EQ(found.rejected, wanted.rejected);
          const double change = std::abs(wanted.new_loss - wanted.loss);
          EXPECT_TRUE(near(found.new_loss, wanted.new_loss, allowed * (change + wanted.loss)));
          EXPECT_TRUE(near(found.rho, wanted.rho, 4.0 * allowed * (1.0 + std::abs(wanted.rho))));
        }
  });
}

/// The largest eigenvalue of F, by power iteration.
oracle::Real largest_eigenvalue(const oracle::Matrix& f) {
  oracle::Vector v(static_cast<std::size_t>(f.rows), 1);
  oracle::Real value = 0;
  for (int step = 0; step < 100; ++step) {
    v = oracle::multiply(f, v);
    value = std::sqrt(oracle::dot(v, v));
    for (oracle::Real& x : v) x /= value;
  }
  return value;
}

TEST_P(GramStep, RefinedOnceIsAccurateInF32WhereTheDampingIsSmall) {
  if (GetParam().f64) GTEST_SKIP() << "of the accuracy of f32";
  run([]<class R>(Backend<R>& backend) {
    constexpr double promised = 1e-6;
    for (const Likelihood likelihood : all_likelihoods) {
      const OnDevice<R> device(backend,
                               random_problem<R>({{12, 9, 4}, {Activation::tanh}, likelihood, 24}, 93));
      Activations<R> acts;
      Signals<R> signals;
      forward(device.net, device.batch().x, acts);
      const Rows<R> rows = score_rows(device.net, acts, {}, likelihood, device.batch().y, signals);

      // The direction of these very rows; that they are the network's is tested elsewhere.
      const DeviceMatrix<R> expanded(backend, rows.parameters(), rows.count());
      expand(rows, expanded.view());
      const oracle::Matrix s = to_matrix(expanded.download()), f = oracle::multiply(s, oracle::transpose(s));
      const oracle::Vector g = oracle::multiply(s, to_vector(download(backend, rows.u).data));
      const double damping = static_cast<R>(1e-4L * largest_eigenvalue(f));
      const oracle::Vector wanted = oracle::solve(f, damping, g);

      const DeviceVector<R> slope(backend, rounded<R>(g)), d(backend, rows.parameters());
      const auto solve = [&](int refine) {
        DirectionSolver<R> solver(backend, {.structure = Structure::gram, .fisher = {.refine = refine}});
        return solver.solve(rows, slope, damping, d).residual;
      };
      for (const int refine : {1, 3}) {
        EXPECT_LT(solve(refine), promised) << to_string(likelihood);
        EXPECT_TRUE(close(d.download(), wanted, promised)) << to_string(likelihood);
      }
      EXPECT_GT(solve(0), promised) << to_string(likelihood) << " is hard enough";
      EXPECT_FALSE(close(d.download(), wanted, promised)) << to_string(likelihood) << " is hard enough";
    }
  });
}

/// A linear net whose first sample's label is `gap` less likely, in the logarithm, than what it predicts.
template <class R>
oracle::Problem problem_with_unlikely_label(Likelihood likelihood, double gap) {
  oracle::Problem problem = random_problem<R>({{2, 3}, {}, likelihood, 2}, 92);
  const oracle::Vector& w = problem.theta;  // rows of W: (w₀, w₁), …
  if (likelihood == Likelihood::categorical) {
    const double difference = static_cast<double>(w[0] - w[4]);  // z₀ − z₂ = difference · x₀
    problem.x(0, 0) = static_cast<R>(gap / difference);
    problem.y(0, 0) = 2;
  } else {
    problem.x(0, 0) = static_cast<R>(gap / static_cast<double>(w[0]));
    problem.y(0, 0) = 0;
  }
  problem.x(1, 0) = 0;
  return problem;
}

// u is about e^(gap/2): too large for the precision, or its square is.
TEST_P(GramStep, TakesTheGradientWhereALabelHasNoProbability) {
  run([]<class R>(Backend<R>& backend) {
    for (const Likelihood likelihood : {Likelihood::bernoulli, Likelihood::categorical})
      for (const Structure structure : {Structure::gram, Structure::layer})
        for (const double gap : sizeof(R) == 8 ? std::vector{1000.0, 3000.0} : std::vector{120.0, 400.0}) {
          SCOPED_TRACE(::testing::Message()
                       << to_string(likelihood) << ", " << to_string(structure) << ", gap " << gap);
          const oracle::Problem problem = problem_with_unlikely_label<R>(likelihood, gap);
          const double damping = 0.125;
          Stepping<R> net(backend, problem,
                          {.fisher = {.structure = structure}, .damping = {.start = damping}});
          const StepReport report = net.step();
          EXPECT_TRUE(close(report.loss, oracle::loss(problem), allowed_error<R>()));
          EXPECT_TRUE(close(report.grad_norm, oracle::norm(oracle::gradient(problem)), allowed_error<R>()));
          EXPECT_TRUE(close(net.direction(),
                            oracle::solve(oracle::batch_fisher(problem, ScoreKind::exact, structure), damping,
                                          oracle::gradient(problem)),
                            allowed_error<R>(1e2)));
          EXPECT_EQ(report.solver_retries, 0);
          EXPECT_EQ(report.damping, damping);
          EXPECT_NE(report.note.find("a label of no probability"), std::string::npos) << report.note;
          EXPECT_TRUE(std::isfinite(report.new_loss));
          if (report.rejected)
            EXPECT_EQ(net.device.theta(), problem.theta);
          else
            EXPECT_LT(report.new_loss, report.loss);
        }
  });
}

}  // namespace
}  // namespace natgrad
