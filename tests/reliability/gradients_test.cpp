/// R2: per-sample gradients are those of the loss, and add up to the batch's.
#include "reliability/promise.hpp"
#include "support/property.hpp"
#include "support/score_problem.hpp"
#include "support/stepping.hpp"

namespace natgrad {
namespace {

constexpr double h = 1e-6;  // of central differences, in long double
constexpr double allowed = 1e-5;

const char* const difference_error = "relative error against central differences";
const char* const sum_error = "error of a sum over its bound";

class R2 : public PromiseTest {
 public:
  static void TearDownTestSuite() {
    if (!any_device()) return;
    const Worst &difference = worst(difference_error), &sum = worst(sum_error);
    report_figure(
        "R2",
        fmt::format(
            "{} gradients of layers by samples on {}: largest {} {:.1e} ({}) (allowed: {:.0e}); sums of "
            "{} batches: largest |Σ − g| / (10·N·ε·Σ|g_n|) {:.3f} ({}) (allowed: 1)",
            difference.count, devices(), difference_error, difference.value, difference.where, allowed,
            sum.count, sum.value, sum.where));
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, R2, ::testing::ValuesIn(backend_cases()), backend_case_name);

/// Gradients of the samples' losses as columns, P × N, by central differences of the oracle's loss.
oracle::Matrix differences(const oracle::Problem& problem) {
  oracle::Matrix result(problem.parameters(), problem.samples());
  for (Index n = 0; n < result.cols; ++n) {
    oracle::Problem up = oracle::samples_of(problem, n, 1), down = up;
    for (Index k = 0; k < result.rows; ++k) {
      const auto at = static_cast<std::size_t>(k);
      up.theta[at] += h;
      down.theta[at] -= h;
      result(k, n) = (oracle::data_loss(up) - oracle::data_loss(down)) / (2 * h);
      up.theta[at] = down.theta[at] = problem.theta[at];
    }
  }
  return result;
}

TEST_P(R2, PerSampleGradientsAreCentralDifferencesForEveryLayerActivationAndLikelihood) {
  if (!GetParam().f64) GTEST_SKIP() << "differences need f64";
  const auto backend = make_backend_under_test<double>(GetParam().backend);
  for (const Activation phi : all_activations)
    for (const Likelihood likelihood : all_likelihoods) {
      const ProblemShape shape{{3, 4, 3, 2}, {phi, phi}, likelihood, 5};
      const oracle::Problem problem = random_problem<double>(shape, 23);
      const Scores<double> scores(*backend, problem, {.kind = ScoreKind::empirical});
      const HostMatrix<double> found = scores.expanded();  // carries 1/√N
      const oracle::Matrix wanted = differences(problem);
      for (Index l = 0; l < problem.shape.layers(); ++l)
        for (Index n = 0; n < shape.samples; ++n) {
          double error = 0.0, size = 0.0;
          for (Index k = problem.shape.offset(l); k < problem.shape.offset(l + 1); ++k) {
            const double g = static_cast<double>(wanted(k, n));
            error = std::hypot(error, found(k, n) * std::sqrt(static_cast<double>(shape.samples)) - g);
            size = std::hypot(size, g);
          }
          const std::string where =
              fmt::format("{}, {}, layer {}, sample {}", to_string(phi), to_string(likelihood), l, n);
          EXPECT_LE(measured(difference_error, size > 0.0 ? error / size : error, where), allowed) << where;
        }
    }
}

ProblemShape any_shape() {
  ProblemShape shape{{1 + *any::index(8)}, {}, *any::of(all_likelihoods), 1 + *any::awkward_size()};
  const Index hidden = *any::index(3);
  for (Index l = 0; l < hidden; ++l) {
    shape.widths.push_back(1 + *any::index(8));
    shape.activations.push_back(*any::of(all_activations));
  }
  shape.widths.push_back(1 + *any::index(8));
  return shape;
}

TEST_P(R2, PerSampleGradientsAddUpToTheGradientOfTheBatch) {
  run([this]<class R>(Backend<R>& backend) {
    check_property(on_cpu() ? 500 : 50, [&] {
      const ProblemShape shape = any_shape();
      const oracle::Problem problem = random_problem<R>(shape, static_cast<std::uint64_t>(*any::index(1000)));
      const Scores<R> scores(backend, problem, {.kind = ScoreKind::empirical});
      const DeviceVector<R> g(backend, problem.parameters());
      gradient<R>(scores.rows, g);
      const HostMatrix<R> s = scores.expanded(), found = g.download();
      const double n = static_cast<double>(shape.samples);
      double largest = 0.0;
      for (Index k = 0; k < s.rows; ++k) {
        oracle::Real sum = 0, size = 0;
        for (Index c = 0; c < s.cols; ++c) {
          sum += s(k, c) / std::sqrt(static_cast<oracle::Real>(n));
          size += std::abs(s(k, c)) / std::sqrt(static_cast<oracle::Real>(n));
        }
        const double error = static_cast<double>(std::abs(sum - found(k, 0)));
        const double bound = 10.0 * n * epsilon<R> * static_cast<double>(size);
        largest = std::max(largest, error == 0.0 ? 0.0 : error / bound);
      }
      RC_LOG() << shape;
      RC_ASSERT(measured(sum_error, largest, text_of(shape)) <= 1.0);
    });
  });
}

}  // namespace
}  // namespace natgrad
