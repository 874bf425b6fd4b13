/// The Gram matrix in the Kronecker metric: systems with wF + (1 − w)M, M = ⊕ (G_l + γ/π I) ⊗ (A_l + πγI).
#include <gtest/gtest.h>

#include <cmath>

#include "support/backends.hpp"
#include "support/device_fisher.hpp"
#include "support/stepping.hpp"

namespace natgrad {
namespace {

using KroneckerMetric = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, KroneckerMetric, ::testing::ValuesIn(backend_cases()), backend_case_name);

FisherOptions metric_options(double mix) {
  return {.structure = Structure::gram, .kronecker_metric = true, .mix = mix};
}

/// wF + (1 − w)M.
oracle::Matrix mixed(const RowsShape& shape, const oracle::Matrix& f, const oracle::Factors& factors,
                     double damping, double mix) {
  const oracle::Factors damped = oracle::damped(factors, std::sqrt(static_cast<oracle::Real>(damping)));
  return oracle::average(f, mix, oracle::kronecker(shape, damped), 1 - static_cast<oracle::Real>(mix));
}

/// λ at which that matrix, no smaller than (1 − w)λ, has at most this condition, M's other terms included.
template <class R>
double damping_of(const oracle::Matrix& f, const oracle::Factors& factors) {
  oracle::Real size = oracle::trace(f);
  for (std::size_t l = 0; l < factors.a.size(); ++l)
    size = std::max(size, oracle::trace(factors.a[l]) * oracle::trace(factors.g[l]));
  return size == 0 ? 1.0 : static_cast<R>(size / tested_condition<R>);
}

/// Solves with b and checks d and dᵀFd.
template <class R>
void check_solve(DeviceFisher<R>& fisher, double damping, const HostMatrix<R>& b,
                 const oracle::Matrix& system, const oracle::Matrix& f) {
  const double allowed = allowed_error<R>(10.0 * tested_condition<R>);
  const HostMatrix<R> d = fisher.solve(SolveMethod::cholesky, damping, b);
  EXPECT_EQ(fisher.scalars[Slot::factor_info], 0.0);
  EXPECT_TRUE(close(d, oracle::solve(system, 0, to_vector(b.data)), allowed));
  const oracle::Vector found = to_vector(d.data);
  EXPECT_TRUE(near(fisher.scalars[Slot::quadratic], static_cast<double>(oracle::product(found, f, found)),
                   allowed * oracle::norm(f.data) * static_cast<double>(oracle::dot(found, found))));
}

TEST_P(KroneckerMetric, SolvesWithTheMixOfTheBatchAndTheFactors) {
  run([]<class R>(Backend<R>& backend) {
    for (const RowsShape& shape : rows_shapes())
      for (const double mix : {0.3, 0.9}) {
        if (shape.count() == 0) continue;  // G = 0: no condition to speak of
        SCOPED_TRACE(::testing::Message() << shape << ", w " << mix);
        const RandomRows<R> rows(backend, shape, 111);
        const oracle::Matrix f = oracle::fisher(rows);
        const oracle::Factors factors = oracle::factors(rows);
        const double damping = damping_of<R>(f, factors);
        DeviceFisher<R> fisher(backend, shape, metric_options(mix));
        fisher->update(rows.rows());
        EXPECT_TRUE(close(fisher.dense(), f, allowed_error<R>())) << "undamped, of the batch";
        const oracle::Matrix system = mixed(shape, f, factors, damping, mix);
        check_solve(fisher, damping, Random(112).matrix<R>(f.rows, 1), system, f);
        check_solve(fisher, damping, Random(113).matrix<R>(f.rows, 1), system, f);
      }
  });
}

/// A from the inputs that the rows hold, G as F's block of the biases, whose input is 1.
template <class R>
oracle::Factors factors_of(const Rows<R>& rows, const oracle::Matrix& f) {
  const RowsShape shape = rows.shape();
  oracle::Factors factors;
  for (std::size_t l = 0; l < shape.layers.size(); ++l) {
    const MatrixView<const R> a = rows.layers[l].a;
    oracle::Matrix inputs(a.rows + 1, a.cols);  // ã
    for (Index n = 0; n < a.cols; ++n) {
      std::ranges::copy(download(*rows.backend, a.column(n)).data, &inputs(0, n));
      inputs(a.rows, n) = 1;
    }
    factors.a.push_back(oracle::multiply(inputs, oracle::transpose(inputs)));
    for (oracle::Real& value : factors.a.back().data) value /= static_cast<oracle::Real>(a.cols);
    const Index units = shape.layers[l].units, biases = shape.offset(l + 1) - units;
    factors.g.emplace_back(units, units);
    for (Index j = 0; j < units; ++j)
      for (Index i = 0; i < units; ++i) factors.g.back()(i, j) = f(biases + i, biases + j);
  }
  return factors;
}

/// d of a first step, with its slope and dᵀFd, for a metric from the textbook.
template <class R>
void check_step(Backend<R>& backend, const oracle::Problem& problem, ScoreKind kind, double mix) {
  NaturalGradientOptions options{.kind = kind, .draws = 2, .fisher = metric_options(mix)};
  const OnDevice<R> device(backend, problem);
  Activations<R> acts;
  Signals<R> signals;
  forward(device.net, device.batch().x, acts);
  const ScoreSpec spec{kind, options.draws, {options.seed, Stream::scores, 0}};  // those of step 0
  const Rows<R> rows = score_rows(device.net, acts, spec, problem.likelihood, device.batch().y, signals);
  const DeviceMatrix<R> expanded(backend, rows.parameters(), rows.count());
  expand(rows, expanded.view());
  const oracle::Matrix s = to_matrix(expanded.download());
  const oracle::Matrix f = kind == ScoreKind::mc ? oracle::multiply(s, oracle::transpose(s))
                                                 : oracle::batch_fisher(problem, kind, Structure::gram);
  const oracle::Factors factors = factors_of(rows, f);
  options.damping.start = damping_of<R>(f, factors);
  options.kl = 1e-3;
  Stepping<R> net(backend, problem, options);
  const StepReport report = net.step();
  const oracle::Vector g = oracle::gradient(problem),
                       d = oracle::solve(mixed(rows.shape(), f, factors, options.damping.start, mix), 0, g);
  const double allowed = allowed_error<R>(10.0 * tested_condition<R>);
  EXPECT_TRUE(close(net.direction(), d, allowed));
  EXPECT_TRUE(close(report.quadratic, oracle::product(d, f, d), allowed));
  EXPECT_TRUE(close(report.grad_norm, oracle::norm(g), allowed_error<R>()));
  EXPECT_EQ(report.solver_retries, 0);
  EXPECT_FALSE(report.rejected);
  EXPECT_LE(report.kl_measured, options.kl);
}

TEST_P(KroneckerMetric, OfANetworkIsTheTextbooksForEveryKindOfRows) {
  run([]<class R>(Backend<R>& backend) {
    for (const Likelihood likelihood : all_likelihoods)
      for (const ScoreKind kind : {ScoreKind::exact, ScoreKind::mc, ScoreKind::empirical})
        for (const double mix : {0.3, 0.9}) {
          SCOPED_TRACE(::testing::Message()
                       << to_string(likelihood) << ", " << to_string(kind) << ", w " << mix);
          check_step(backend, random_problem<R>({{3, 4, 3}, {Activation::tanh}, likelihood, 7}, 114), kind,
                     mix);
        }
  });
}

TEST_P(KroneckerMetric, AloneIsTheKroneckerStructure) {
  run([]<class R>(Backend<R>& backend) {
    const RowsShape shape{{{3, 4}, {4, 2}}, 7, 2};
    DeviceFisher<R> metric(backend, shape, metric_options(0.0)),
        kronecker(backend, shape, {.structure = Structure::kronecker, .decay = FisherOptions{}.factor_decay});
    const HostMatrix<R> b = Random(115).matrix<R>(shape.parameters(), 1);
    for (const std::uint64_t seed : {116, 117}) {
      const RandomRows<R> rows(backend, shape, seed);
      metric->update(rows.rows());
      kronecker->update(rows.rows());
      EXPECT_TRUE(identical(metric.solve(SolveMethod::cholesky, 0.1, b),
                            kronecker.solve(SolveMethod::cholesky, 0.1, b)));
      EXPECT_EQ(metric.scalars[Slot::quadratic], kronecker.scalars[Slot::quadratic]);
      EXPECT_TRUE(identical(metric.dense(), kronecker.dense()));
    }
  });
}

// ρ = min(decay, 1 − 1/k): 0, then ½ or the decay.
TEST_P(KroneckerMetric, AveragesTheFactorsButNotTheBatch) {
  run([]<class R>(Backend<R>& backend) {
    const RowsShape shape{{{3, 4}, {4, 2, false}}, 7, 2};
    for (const double decay : {0.0, 0.3, 0.95}) {
      FisherOptions options = metric_options(0.5);
      options.factor_decay = decay;
      DeviceFisher<R> fisher(backend, shape, options);
      const HostMatrix<R> b = Random(118).matrix<R>(shape.parameters(), 1);
      oracle::Factors average;
      for (const Index update : {1, 2, 3}) {
        SCOPED_TRACE(::testing::Message() << "decay " << decay << ", update " << update);
        const RandomRows<R> rows(backend, shape, 119 + static_cast<std::uint64_t>(update));
        fisher->update(rows.rows());
        const oracle::Real kept = std::min<oracle::Real>(decay, 1 - 1 / static_cast<oracle::Real>(update));
        average = update == 1 ? oracle::factors(rows)
                              : oracle::average(average, kept, oracle::factors(rows), 1 - kept);
        const oracle::Matrix f = oracle::fisher(rows);
        const double damping = damping_of<R>(f, average);
        check_solve(fisher, damping, b, mixed(shape, f, average, damping, options.mix), f);
      }
    }
  });
}

TEST_P(KroneckerMetric, IsTakenAnewAtEveryRefreshOrWhereASolveIsTriedAgain) {
  run([]<class R>(Backend<R>& backend) {
    const RowsShape shape{{{3, 4}, {4, 2}}, 7, 2};
    FisherOptions options = metric_options(0.5);
    options.factor_decay = 0.0;
    options.refresh = 2;
    DeviceFisher<R> fisher(backend, shape, options);
    const RandomRows<R> first(backend, shape, 123), second(backend, shape, 124), third(backend, shape, 125);
    const HostMatrix<R> b = Random(126).matrix<R>(shape.parameters(), 1);
    const double damping = damping_of<R>(oracle::fisher(first), oracle::factors(first));
    const auto check = [&](const RandomRows<R>& batch, const RandomRows<R>& metric, double of_metric,
                           double of_solve, const char* name) {
      SCOPED_TRACE(name);
      const oracle::Matrix f = oracle::fisher(batch);
      check_solve(fisher, of_solve, b, mixed(shape, f, oracle::factors(metric), of_metric, options.mix), f);
    };
    fisher->update(first.rows());
    check(first, first, damping, damping, "taken anew");
    fisher->update(second.rows());
    check(second, first, damping, 4 * damping, "kept, with its damping");
    check(second, first, 8 * damping, 8 * damping, "tried again with more damping");
    fisher->update(third.rows());
    check(third, third, 2 * damping, 2 * damping, "taken anew");
  });
}

TEST_P(KroneckerMetric, RefinedIsNoLessAccurate) {
  run([]<class R>(Backend<R>& backend) {
    const RowsShape shape{{{4, 5}, {5, 3}}, 7, 2};
    const RandomRows<R> rows(backend, shape, 127);
    const oracle::Matrix f = oracle::fisher(rows);
    const oracle::Factors factors = oracle::factors(rows);
    const double damping = damping_of<R>(f, factors);
    FisherOptions options = metric_options(0.9);
    options.refine = 2;
    DeviceFisher<R> fisher(backend, shape, options);
    fisher->update(rows.rows());
    check_solve(fisher, damping, Random(128).matrix<R>(f.rows, 1), mixed(shape, f, factors, damping, 0.9), f);
  });
}

TEST(KroneckerMetricOptions, BelongToTheGramMatrix) {
  FisherOptions options = metric_options(0.5);
  EXPECT_NO_THROW(options.validate());
  options.refresh = 10;
  EXPECT_NO_THROW(options.validate());
  for (const double bad : {-0.1, 1.0}) EXPECT_THROW(metric_options(bad).validate(), UsageError) << bad;
  options.structure = Structure::dense;
  EXPECT_THROW(options.validate(), UsageError);
}

}  // namespace
}  // namespace natgrad
