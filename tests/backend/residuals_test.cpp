/// The residuals u with g = Sᵀu: through the output signals d of a sample, Σ_k d_k u_k = (p − y)/N.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"
#include "support/shape_errors.hpp"

namespace natgrad {
namespace {

using Residuals = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Residuals, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr Likelihood likelihoods[] = {Likelihood::gaussian, Likelihood::bernoulli, Likelihood::categorical};
constexpr std::pair<Index, Index> shapes[] = {{1, 0},  {1, 1},   {1, 33}, {2, 1},
                                              {2, 31}, {10, 33}, {33, 2}, {70, 97}};
constexpr double logits[] = {4.0, 30.0};
constexpr ScoreSpec exact{.kind = ScoreKind::exact}, empirical{.kind = ScoreKind::empirical};

/// u, N·r.
template <class R>
HostMatrix<R> residuals(Backend<R>& b, const ScoreSpec& spec, Likelihood likelihood, const HostMatrix<R>& z,
                        const HostMatrix<R>& y) {
  const DeviceMatrix<R> d_z(b, z), d_y(b, y);
  const DeviceVector<R> u(b, z.cols * spec.rows_per_sample(likelihood, z.rows));
  b.residuals(spec, likelihood, d_z, d_y, u);
  return u.download();
}

/// Calls body(z, y, size) with logits in (−size, size), and at its ends, for every shape.
template <class R, class Body>
void for_each_problem(Likelihood likelihood, Body body) {
  for (const double size : logits)
    for (const auto& [outputs, samples] : shapes) {
      SCOPED_TRACE(::testing::Message() << to_string(likelihood) << ", C " << outputs << ", N " << samples
                                        << ", logits of " << size);
      Random random(static_cast<std::uint64_t>(outputs));
      const HostMatrix<R> y = random.targets<R>(likelihood, outputs, samples);
      body(random.matrix<R>(outputs, samples, -size, size), y, size);
      HostMatrix<R> ends(outputs, samples);
      for (R& x : ends.data) x = static_cast<R>(size * static_cast<double>(random.index(3) - 1));
      body(ends, y, size);
    }
}

/// An exponential is as wrong as its argument's rounding, which is that of the logits.
template <class R>
double roundings(const HostMatrix<R>& z, double size) {
  return 16.0 + 2.0 * size + static_cast<double>(z.rows);
}

TEST_P(Residuals, MatchTheReference) {
  run([]<class R>(Backend<R>& backend) {
    for (const Likelihood likelihood : likelihoods)
      for_each_problem<R>(likelihood, [&](const HostMatrix<R>& z, const HostMatrix<R>& y, double size) {
        const auto [found, wanted] =
            on_both(backend, [&](Backend<R>& b) { return residuals(b, exact, likelihood, z, y); });
        EXPECT_TRUE(relative(found, wanted, roundings(z, size)));
      });
  });
}

TEST_P(Residuals, MatchTheReferenceAtTargetsBetweenZeroAndOne) {
  run([]<class R>(Backend<R>& backend) {
    for (const double size : logits) {
      Random random(3);
      const HostMatrix<R> z = random.matrix<R>(5, 33, -size, size), y = random.matrix<R>(5, 33, 0.0, 1.0);
      const auto [found, wanted] =
          on_both(backend, [&](Backend<R>& b) { return residuals(b, exact, Likelihood::bernoulli, z, y); });
      // p(1 − y) and (1 − p)y cancel; over the root they are e^±z/2. u has z's order, in one column.
      EXPECT_TRUE(within(found, wanted,
                         [&](Index c, Index) {
                           const double half = 0.5 * z.data[static_cast<std::size_t>(c)];
                           return roundings(z, size) * epsilon<R> * (std::exp(half) + std::exp(-half)) /
                                  std::sqrt(33.0);
                         }))
          << "logits of " << size;
    }
  });
}

TEST_P(Residuals, TimesTheSignalsAreTheGradientOfTheOutputs) {
  run([]<class R>(Backend<R>& backend) {
    for (const Likelihood likelihood : likelihoods)
      for (const ScoreSpec& spec : {exact, empirical})
        for_each_problem<R>(likelihood, [&](const HostMatrix<R>& z, const HostMatrix<R>& y, double size) {
          const Index r = spec.rows_per_sample(likelihood, z.rows);
          const HostMatrix<R> u = residuals(backend, spec, likelihood, z, y);
          const DeviceMatrix<R> d_z(backend, z), d_y(backend, y), d_d(backend, z.rows, z.cols * r);
          backend.signals(spec, likelihood, d_z, d_y, d_d);
          const HostMatrix<R> d = d_d.download();
          const DeviceMatrix<R> p_minus_y(backend, z.rows, z.cols);
          backend.signals(empirical, likelihood, d_z, d_y, p_minus_y);  // over √N
          const double samples = static_cast<double>(z.cols);
          HostMatrix<R> found(z.rows, z.cols), wanted = p_minus_y.download(), scale = found;
          for (Index n = 0; n < z.cols; ++n)
            for (Index j = 0; j < z.rows; ++j) {
              double sum = 0.0, sizes = 0.0;
              for (Index c = n * r; c < n * r + r; ++c) {
                sum += static_cast<double>(d(j, c)) * u(c, 0);
                sizes += std::abs(static_cast<double>(d(j, c)) * u(c, 0));
              }
              found(j, n) = static_cast<R>(sum);
              wanted(j, n) /= static_cast<R>(std::sqrt(samples));
              const double largest = likelihood == Likelihood::gaussian
                                         ? std::abs(z(j, n)) + std::abs(y(j, n))
                                         : 1.0;  // of p and y
              scale(j, n) = static_cast<R>(sizes + largest / samples);
            }
          EXPECT_TRUE(componentwise(found, wanted, 2.0 * roundings(z, size), scale)) << to_string(spec.kind);
        });
  });
}

TEST_P(Residuals, OfEmpiricalRowsAreEqualAndNeedNoTargets) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceMatrix<R> z(backend, Random(4).matrix<R>(3, 33));
    const DeviceVector<R> u(backend, 33);
    HostMatrix<R> wanted(33, 1);
    for (R& x : wanted.data) x = static_cast<R>(1.0 / std::sqrt(33.0));
    for (const Likelihood likelihood : likelihoods) {
      backend.fill(u, R(7));
      backend.residuals(empirical, likelihood, z, {}, u);
      EXPECT_TRUE(relative(u.download(), wanted, 2.0)) << to_string(likelihood);
    }
  });
}

TEST_P(Residuals, AreNanForALabelThatIsNoClassAndForNoOtherSample) {
  run([]<class R>(Backend<R>& backend) {
    const HostMatrix<R> z = Random(5).matrix<R>(4, 5);
    for (const R label : {R(-1), R(4), R(0.5), std::numeric_limits<R>::quiet_NaN()}) {
      HostMatrix<R> y(1, 5);
      y(0, 2) = label;
      const HostMatrix<R> u = residuals(backend, exact, Likelihood::categorical, z, y);
      for (Index c = 0; c < u.rows; ++c)
        EXPECT_EQ(std::isnan(u(c, 0)), c / 3 == 2) << "label " << label << ", row " << c;
    }
  });
}

// Else Sᵀu would silently miss the sample's part of the gradient: B is zero there.
TEST_P(Residuals, AreNotFiniteWhereTheLabelsProbabilityUnderflows) {
  run([]<class R>(Backend<R>& backend) {
    const Index outputs = 4;
    for (Index label = 0; label < outputs; ++label) {
      HostMatrix<R> z(outputs, 1), y(1, 1);
      z(label, 0) = R(-1e4);
      y(0, 0) = static_cast<R>(label);
      const HostMatrix<R> u = residuals(backend, exact, Likelihood::categorical, z, y);
      bool finite = true;
      for (const R x : u.data) finite = finite && std::isfinite(x);
      EXPECT_FALSE(finite) << "label " << label;
    }
    HostMatrix<R> z(2, 1), y(2, 1);
    z.data = {R(1e4), R(-1e4)};
    y.data = {R(0), R(1)};
    for (const R x : residuals(backend, exact, Likelihood::bernoulli, z, y).data)
      EXPECT_FALSE(std::isfinite(x));
  });
}

TEST_P(Residuals, AreFiniteWhereOnlyOtherProbabilitiesUnderflow) {
  run([]<class R>(Backend<R>& backend) {
    HostMatrix<R> z(4, 4), y(1, 4);  // one class has all of the probability, and is the label
    for (Index n = 0; n < 4; ++n) {
      for (Index j = 0; j < 4; ++j) z(j, n) = j == n ? R(0) : R(-1e4);
      y(0, n) = static_cast<R>(n);
    }
    EXPECT_TRUE(identical(residuals(backend, exact, Likelihood::categorical, z, y), HostMatrix<R>(12, 1)));
    HostMatrix<R> logit(2, 1), target(2, 1);
    logit.data = {R(1e4), R(-1e4)};
    target.data = {R(1), R(0)};
    EXPECT_TRUE(
        identical(residuals(backend, exact, Likelihood::bernoulli, logit, target), HostMatrix<R>(2, 1)));
  });
}

TEST_P(Residuals, RejectWhatHasNoneAndShapesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceMatrix<R> z(backend, 3, 5), labels(backend, 1, 5), few_labels(backend, 1, 4);
    const DeviceVector<R> u15(backend, 15), u10(backend, 10), u5(backend, 5);
    const auto categorical = Likelihood::categorical;
    EXPECT_THROW(backend.residuals({ScoreKind::mc, 2, {}}, categorical, z, labels, u10), UsageError);
    const auto rejected = [&](const ScoreSpec& spec, Likelihood likelihood, const DeviceMatrix<R>& y,
                              const DeviceVector<R>& u) {
      return rejects_shapes("residuals", [&] { backend.residuals(spec, likelihood, z, y, u); });
    };
    for (const Likelihood likelihood : {Likelihood::gaussian, Likelihood::bernoulli}) {
      EXPECT_TRUE(rejected(exact, likelihood, z, u10));
      EXPECT_TRUE(rejected(exact, likelihood, labels, u15));
      EXPECT_TRUE(rejected(empirical, likelihood, z, u15));
    }
    EXPECT_TRUE(rejected(exact, categorical, labels, u15));
    EXPECT_TRUE(rejected(exact, categorical, few_labels, u10));
    EXPECT_TRUE(rejected(exact, categorical, z, u10));
    EXPECT_TRUE(rejected(empirical, categorical, labels, u10));
  });
}

}  // namespace
}  // namespace natgrad
