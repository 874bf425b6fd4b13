/// R5: the KL budget of a step is kept by what the step did, not by what a model of it says.
#include "reliability/promise.hpp"
#include "support/property.hpp"
#include "support/stepping.hpp"

namespace natgrad {
namespace {

const char* const accepted_ratio = "measured KL over ε";
const char* const model_error = "measured over model KL − 1";
constexpr double model_allowed = 0.05;

class R5 : public PromiseTest {
 public:
  static void SetUpTestSuite() {
    PromiseTest::SetUpTestSuite();
    nets_ = accepted_ = rejected_ = changed_ = 0;
  }
  static void TearDownTestSuite() {
    if (!any_device()) return;
    const Worst &kl = worst(accepted_ratio), &model = worst(model_error);
    report_figure(
        "R5",
        fmt::format(
            "{} random nets on {}: {} accepted steps, largest KL/ε {:.9f} ({}) (allowed: 1); {} rejected "
            "steps, {} of them changed a bit of θ (allowed: 0); {} steps at ε = 1e-8: |measured/model − 1| at most "
            "{:.4f} ({}) (allowed: {})",
            nets_, devices(), accepted_, kl.value, kl.where, rejected_, changed_, model.count, model.value,
            model.where, model_allowed));
    EXPECT_GT(accepted_, rejected_) << "most of these steps can be made";
    EXPECT_GT(rejected_, 0) << "and some cannot";
  }

 protected:
  static inline int nets_, accepted_, rejected_, changed_;  // changed: θ after a rejection
};
INSTANTIATE_TEST_SUITE_P(Backends, R5, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr Structure structures[] = {Structure::dense, Structure::gram,    Structure::matrix_free,
                                    Structure::layer, Structure::unit,    Structure::kronecker,
                                    Structure::ekfac, Structure::diagonal};
constexpr ScoreKind kinds[] = {ScoreKind::exact, ScoreKind::mc, ScoreKind::empirical};

/// A net, a batch and options.
struct Case {
  ProblemShape shape;
  NaturalGradientOptions options;
  double gain;
  std::uint64_t seed;
  int steps = 1;
};

std::ostream& operator<<(std::ostream& out, const Case& one) {
  const NaturalGradientOptions& options = one.options;
  return out << one.shape << ", " << to_string(options.kind) << ", " << to_string(options.fisher.structure)
             << ", " << to_string(options.solver) << ", λ " << options.damping.start << ", ε " << options.kl
             << ", β ≤ " << options.max_beta << ", η " << options.l2 << ", μ " << options.momentum
             << ", rule " << to_string(options.rule) << ", gain " << one.gain << ", seed " << one.seed;
}

/// Depth 1 to 3, widths 1 to 8.
ProblemShape any_net() {
  ProblemShape shape{{1 + *any::index(8)}, {}, *any::of(all_likelihoods), 1 + *any::index(12)};
  const Index hidden = *any::index(3);
  for (Index l = 0; l < hidden; ++l) {
    shape.widths.push_back(1 + *any::index(8));
    shape.activations.push_back(*any::of(all_activations));
  }
  shape.widths.push_back(1 + *any::index(8));
  return shape;
}

Case any_case() {
  Case one{any_net(), {}, 0.0, 0};
  one.options.kind = *any::of(kinds);
  one.options.draws = 1 + *any::index(3);
  one.options.fisher.structure = *any::of(structures);
  one.options.kl = *any::logarithmic(1e-6, 10.0);
  if (*any::index(8) == 0) {
    one.options.damping.start = 0.0;
  } else {
    // Where this is too small for Cholesky and no other way is left, a step is rejected.
    one.options.damping.start = *any::logarithmic(1e-25, 1.0);
    one.options.damping.least = 0.0;
    one.options.solver = *any::of({Solver::automatic, Solver::cholesky, Solver::eigen});
  }
  one.options.max_beta = *any::logarithmic(0.1, 100.0);
  if (*any::index(4) == 0) one.options.l2 = *any::logarithmic(1e-4, 1e-1);
  if (*any::index(6) == 0) one.options.rule = StepRule::quadratic;
  if (*any::index(4) == 0 && one.options.rule == StepRule::kl) one.options.momentum = 0.9;
  one.gain = *any::logarithmic(0.3, 10.0);
  one.seed = static_cast<std::uint64_t>(*any::index(1000000));
  // Of so many, the last ones are near a minimum, where rounding makes the loss rise: they are rejected.
  one.steps = *any::index(20) == 0 ? 25 : 4;
  return one;
}

/// A KL, and the largest change of a logit behind it.
struct Divergence {
  long double kl = 0, largest = 0;
};

/// KL(p ‖ p') of two distributions over classes: log Σ p e^Δ − Σ p Δ, Δ = z' − z less that of the likeliest
/// class.
void add_classes(const oracle::Vector& z, const oracle::Vector& z_new, Divergence& sum) {
  const std::size_t top = static_cast<std::size_t>(std::ranges::max_element(z) - z.begin());
  long double total = 0, grown = 0, mean = 0;
  for (const long double logit : z) total += std::exp(logit - z[top]);
  for (std::size_t j = 0; j < z.size(); ++j) {
    const long double log_p = z[j] - z[top] - std::log(total), p = std::exp(log_p);
    const long double change = (z_new[j] - z_new[top]) - (z[j] - z[top]);
    grown += std::abs(change) < 1 ? p * std::expm1(change) : std::exp(log_p + change) - p;
    mean += p * change;
    sum.largest = std::max(sum.largest, std::abs(change));
  }
  sum.kl += std::log1p(grown) - mean;
}

/// Mean over the samples of KL(p(·|z) ‖ p(·|z')).
Divergence divergence(Likelihood likelihood, const oracle::Matrix& z, const oracle::Matrix& z_new) {
  Divergence sum;
  for (Index n = 0; n < z.cols; ++n) {
    oracle::Vector old_classes, new_classes;
    for (Index j = 0; j < z.rows; ++j) {
      const long double change = z_new(j, n) - z(j, n);
      if (likelihood == Likelihood::gaussian) sum.kl += change * change / 2;
      if (likelihood == Likelihood::bernoulli) add_classes({0, z(j, n)}, {0, z_new(j, n)}, sum);
      old_classes.push_back(z(j, n));
      new_classes.push_back(z_new(j, n));
    }
    if (likelihood == Likelihood::categorical) add_classes(old_classes, new_classes, sum);
  }
  sum.kl /= static_cast<long double>(z.cols);
  return sum;
}

/// The outputs of a batch, as the passes before and after a step have them.
template <class R>
oracle::Matrix outputs(Backend<R>& backend, const OnDevice<R>& device, bool after) {
  Activations<R> acts;
  if (after)
    forward_output(device.net, device.batch().x, acts);
  else
    forward(device.net, device.batch().x, acts);
  const MatrixView<const R> z = acts.output();
  HostMatrix<R> host(z.rows, z.cols);
  for (Index n = 0; n < z.cols; ++n)
    backend.download(host.data.data() + n * z.rows, z.data + n * z.stride,
                     static_cast<std::size_t>(z.rows) * sizeof(R));
  return to_matrix(host);
}

/// Of a KL computed in f64: that of a sum, and an error δ of the logarithms, which is one of √(2 KL)·δ + ½δ².
/// The reference subtracts logarithms as they are, in long double.
double rounding(const Divergence& d) {
  constexpr double roundings = 64.0;
  const double kl = static_cast<double>(d.kl), size = roundings * (1.0 + static_cast<double>(d.largest));
  const double delta = size * epsilon<double>;
  return roundings * epsilon<double> * kl + std::sqrt(2.0 * kl) * delta + 0.5 * delta * delta +
         size * epsilon<long double>;
}

TEST_P(R5, AcceptedStepsKeepTheBudgetAndRejectedOnesRestoreEveryBit) {
  run([this]<class R>(Backend<R>& backend) {
    check_property(on_cpu() ? 1000 : 30, [&] {
      const Case one = any_case();
      RC_LOG() << one;
      Stepping<R> stepping(backend, random_problem<R>(one.shape, one.seed, one.gain), one.options);
      ++nets_;
      for (int step = 0; step < one.steps; ++step) {
        const oracle::Matrix before = outputs(backend, stepping.device, false);
        const HostMatrix<R> theta = download<R>(backend, stepping.device.net.theta());
        const auto unchanged = [&] {
          const HostMatrix<R> now = download<R>(backend, stepping.device.net.theta());
          const bool same =
              std::memcmp(now.data.data(), theta.data.data(), theta.data.size() * sizeof(R)) == 0;
          changed_ += same ? 0 : 1;
          return same;
        };
        StepReport report;
        try {
          report = stepping.step();
        } catch (const NumericError&) {  // of a net that no longer has finite derivatives
          RC_ASSERT(unchanged());
          return;
        }
        (report.rejected ? rejected_ : accepted_) += 1;
        if (report.rejected) {
          RC_ASSERT(unchanged());
          continue;
        }
        const oracle::Matrix after = outputs(backend, stepping.device, true);
        const Divergence exact = divergence(one.shape.likelihood, before, after);
        const double found = static_cast<double>(exact.kl);
        const std::string where = fmt::format("step {}: {}", step + 1, text_of(one));
        RC_LOG() << "\nstep " << step + 1 << ": KL " << found << ", reported " << report.kl_measured;
        RC_ASSERT(measured(accepted_ratio, found / one.options.kl, where) <=
                  1.0 + rounding(exact) / one.options.kl);
        RC_ASSERT(std::abs(report.kl_measured - found) <= rounding(exact));
        RC_ASSERT(report.new_loss <= report.loss);
      }
    });
  });
}

TEST_P(R5, TheModelIsRightWhereStepsAreSmall) {
  if (!GetParam().f64) GTEST_SKIP() << "a KL of 1e-8 is a rounding error of the outputs in f32";
  const auto backend = make_backend_under_test<double>(GetParam().backend);
  check_property(on_cpu() ? 1000 : 30, [&] {
    Case one{any_net(), {}, *any::logarithmic(0.3, 3.0), static_cast<std::uint64_t>(*any::index(1000000))};
    RC_PRE(one.shape.likelihood != Likelihood::categorical || one.shape.widths.back() > 1);  // KL = 0
    const oracle::Problem problem = random_problem<double>(one.shape, one.seed, one.gain);
    oracle::Real trace = 0;
    const oracle::Matrix f = oracle::exact_fisher(problem);
    for (Index i = 0; i < f.rows; ++i) trace += f(i, i);
    one.options.fisher.structure = *rc::gen::element(Structure::dense, Structure::gram);
    one.options.kl = 1e-8;
    one.options.damping.start =
        *any::logarithmic(0.1, 100.0) * static_cast<double>(trace) / static_cast<double>(f.rows);
    RC_LOG() << one;
    Stepping<double> stepping(*backend, problem, one.options);
    const oracle::Matrix before = outputs(*backend, stepping.device, false);
    const StepReport report = stepping.step();
    RC_ASSERT(!report.rejected);
    const auto [found, largest] =
        divergence(one.shape.likelihood, before, outputs(*backend, stepping.device, true));
    const double error = std::abs(static_cast<double>(found) / report.kl_model - 1.0);
    RC_LOG() << "\nKL " << static_cast<double>(found) << ", model " << report.kl_model;
    RC_ASSERT(measured(model_error, error, text_of(one)) <= model_allowed);
  });
}

}  // namespace
}  // namespace natgrad
