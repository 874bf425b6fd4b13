/// Likelihoods at logits where exponentials under- and overflow: finite and right wherever the exact value is
/// one that the precision holds. The reference is the textbook's formulas in long double, whose exponent
/// range is far wider.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/reference_formulas.hpp"
#include "support/rulers.hpp"

namespace natgrad {
namespace {

using ExtremeLogits = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, ExtremeLogits, ::testing::ValuesIn(backend_cases()), backend_case_name);

using reference::Column;
using reference::Real;

constexpr Likelihood likelihoods[] = {Likelihood::gaussian, Likelihood::bernoulli, Likelihood::categorical};
constexpr double logits[] = {-1e30, -1e4, -50.0, 0.0, 1.0, 20.0, 50.0, 1e4, 1e30};

/// An exponential is as wrong as its argument's rounding, and vanishes beyond arguments of 750.
constexpr double roundings = 2048.0;
constexpr double smallest_root = 0x1p-500;  // roots of probabilities that f64 does not hold come out as 0

/// Every pair of logits with a third of 0, one a sample.
template <class R>
HostMatrix<R> all_pairs() {
  constexpr auto count = static_cast<Index>(std::size(logits));
  HostMatrix<R> z(3, count * count);
  for (Index n = 0; n < z.cols; ++n) {
    z(0, n) = static_cast<R>(logits[n % count]);
    z(1, n) = static_cast<R>(logits[n / count]);
  }
  return z;
}

/// The n-th sample's targets: each class, or each combination of 0 and 1, in turn.
template <class R>
HostMatrix<R> targets(Likelihood likelihood, Index samples) {
  const bool classes = likelihood == Likelihood::categorical;
  HostMatrix<R> y(classes ? 1 : 3, samples);
  for (Index n = 0; n < samples; ++n)
    for (Index j = 0; j < y.rows; ++j) y(j, n) = static_cast<R>(classes ? n % 3 : (n >> j) % 2);
  return y;
}

template <class R>
Column column(const HostMatrix<R>& m, Index n) {
  return Column(m.data.begin() + n * m.rows, m.data.begin() + (n + 1) * m.rows);
}
template <class R>
HostMatrix<R> sample(const HostMatrix<R>& m, Index n) {
  HostMatrix<R> one(m.rows, 1);
  for (Index j = 0; j < m.rows; ++j) one(j, 0) = m(j, n);
  return one;
}

/// Where the wanted number is finite in precision R; elsewhere what is found must not be.
template <class R>
::testing::AssertionResult right(double found, Real wanted, Real allowed) {
  const bool held = std::isfinite(static_cast<R>(wanted));
  if (held ? std::abs(found - wanted) <= allowed : !std::isfinite(found))
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "found " << found << ", wanted " << wanted << ", allowed " << allowed;
}

TEST_P(ExtremeLogits, LossesAndDivergencesAreThoseOfTheTextbook) {
  run([]<class R>(Backend<R>& backend) {
    const HostMatrix<R> z = all_pairs<R>();
    constexpr Real rounding = 64.0 * epsilon<double>;
    for (const Likelihood likelihood : likelihoods) {
      const HostMatrix<R> y = targets<R>(likelihood, z.cols);
      for (Index n = 0; n < z.cols; ++n)
        for (const Index other : {z.cols - 1 - n, (n + 1) % z.cols, n}) {
          SCOPED_TRACE(::testing::Message() << to_string(likelihood) << " from " << z(0, n) << ", " << z(1, n)
                                            << " to " << z(0, other) << ", " << z(1, other));
          const DeviceMatrix<R> from(backend, sample(z, n)), to(backend, sample(z, other)),
              target(backend, sample(y, n));
          for (const Slot slot : {Slot::loss, Slot::loss_change, Slot::kl})
            backend.set_scalar(slot, std::numeric_limits<double>::quiet_NaN());
          backend.loss(likelihood, from, target);
          backend.divergence(likelihood, from, to, target);
          const Scalars s = backend.read_scalars();
          const Column a = column(z, n), b = column(z, other), t = column(y, n);
          const Real loss = reference::loss(likelihood, a, t), loss_new = reference::loss(likelihood, b, t);
          const Real kl = reference::kl(likelihood, a, b);
          // By the formulas in long double where they cancel; by a sum of e^z that is all but 1.
          const Real lost = likelihood == Likelihood::categorical ? 4.0L * epsilon<double> : 0x1p-57L;
          EXPECT_TRUE(right<double>(s[Slot::loss], loss, rounding * loss + lost)) << "loss";
          EXPECT_TRUE(
              right<double>(s[Slot::loss_change], loss_new - loss, rounding * (loss + loss_new) + lost))
              << "change of the loss";
          EXPECT_TRUE(right<double>(s[Slot::kl], kl, rounding * kl + lost)) << "KL";
        }
    }
  });
}

TEST_P(ExtremeLogits, ASmallBernoulliLossDoesNotCancel) {
  run([]<class R>(Backend<R>& backend) {
    for (const double logit : logits)
      for (const R label : {R(0), R(1)}) {
        HostMatrix<R> z(1, 1), y(1, 1);
        z(0, 0) = static_cast<R>(logit);
        y(0, 0) = label;
        const DeviceMatrix<R> d_z(backend, z), d_y(backend, y);
        backend.loss(Likelihood::bernoulli, d_z, d_y);
        const Real wanted = reference::softplus(label == R(1) ? -Real(z(0, 0)) : Real(z(0, 0)));
        EXPECT_TRUE(right<double>(backend.read_scalars()[Slot::loss], wanted,
                                  16.0 * epsilon<double> * wanted + smallest_root))
            << "of " << label << " at " << logit;
      }
  });
}

TEST_P(ExtremeLogits, AnOutputThatIsNotFiniteMakesTheLossNotFinite) {
  run([]<class R>(Backend<R>& backend) {
    const R infinity = std::numeric_limits<R>::infinity();
    for (const Likelihood likelihood : likelihoods)
      for (const R bad : {infinity, -infinity, std::numeric_limits<R>::quiet_NaN()})
        for (Index j = 0; j < 3; ++j)
          for (Index n = 0; n < 8; ++n) {  // of any targets
            HostMatrix<R> z(3, 1);
            z(j, 0) = bad;
            const DeviceMatrix<R> d_z(backend, z), d_y(backend, sample(targets<R>(likelihood, 8), n));
            backend.set_scalar(Slot::loss, 0.0);
            backend.loss(likelihood, d_z, d_y);
            EXPECT_FALSE(std::isfinite(backend.read_scalars()[Slot::loss]))
                << to_string(likelihood) << ", output " << j << " is " << bad << ", targets " << n;
          }
  });
}

template <class R>
void expect_right(const HostMatrix<R>& found, const HostMatrix<Real>& wanted, const char* what) {
  for (Index n = 0; n < wanted.cols; ++n)
    for (Index j = 0; j < wanted.rows; ++j) {
      const Real size = std::abs(wanted(j, n));
      const Real allowed = (16.0 * epsilon<R> + roundings * epsilon<double>)*size +
                           std::max<Real>(smallest_root, std::numeric_limits<R>::min());
      EXPECT_TRUE(right<R>(found(j, n), wanted(j, n), allowed)) << what << " (" << j << ", " << n << ")";
    }
}

TEST_P(ExtremeLogits, MeansAndSignalsAreThoseOfTheTextbook) {
  run([]<class R>(Backend<R>& backend) {
    const HostMatrix<R> z = all_pairs<R>();
    const Real scale = 1 / std::sqrt(Real(z.cols));
    const DeviceMatrix<R> d_z(backend, z);
    for (const Likelihood likelihood : likelihoods) {
      SCOPED_TRACE(to_string(likelihood));
      const HostMatrix<R> y = targets<R>(likelihood, z.cols);
      const DeviceMatrix<R> d_y(backend, y), means(backend, 3, z.cols), signals(backend, 3, z.cols);
      const ScoreSpec spec{.kind = ScoreKind::exact};
      const Index r = spec.rows_per_sample(likelihood, 3);
      const DeviceMatrix<R> roots(backend, 3, z.cols * r);
      backend.means(likelihood, d_z, means);
      backend.signals({.kind = ScoreKind::empirical}, likelihood, d_z, d_y, signals);
      backend.signals(spec, likelihood, d_z, {}, roots);
      HostMatrix<Real> mean(3, z.cols), signal(3, z.cols), root(3, z.cols * r);
      for (Index n = 0; n < z.cols; ++n) {
        const Column p = reference::means(likelihood, column(z, n));
        const HostMatrix<Real> b = reference::root_fisher(likelihood, column(z, n));
        for (Index j = 0; j < 3; ++j) {
          const bool is_class = likelihood == Likelihood::categorical;
          const Real label = is_class ? Real(y(0, n) == static_cast<R>(j)) : Real(y(j, n));
          mean(j, n) = p[static_cast<std::size_t>(j)];
          signal(j, n) = scale * (mean(j, n) - label);
          for (Index k = 0; k < r; ++k) root(j, n * r + k) = scale * b(j, k);
        }
      }
      expect_right(means.download(), mean, "mean");
      expect_right(roots.download(), root, "exact signal");
      const HostMatrix<R> found = signals.download();  // p − y cancels: as right as p is
      for (std::size_t k = 0; k < found.data.size(); ++k)
        EXPECT_TRUE(
            right<R>(found.data[k], signal.data[k], 4.0 * epsilon<R> * (std::abs(signal.data[k]) + scale)))
            << "empirical signal " << k;
    }
  });
}

TEST_P(ExtremeLogits, DrawsAreThoseOfTheReference) {
  run([]<class R>(Backend<R>& backend) {
    const ScoreSpec spec{.kind = ScoreKind::mc, .draws = 2, .key = {71, Stream::scores, 3}};
    for (const Likelihood likelihood : likelihoods) {
      const auto [found, wanted] = on_both(backend, [&](Backend<R>& b) {
        // z − (z + ξ) would lose the ξ of a gaussian draw.
        const bool none = likelihood == Likelihood::gaussian && b.name() == "reference";
        const HostMatrix<R> z = none ? HostMatrix<R>(3, all_pairs<R>().cols) : all_pairs<R>();
        const DeviceMatrix<R> d_z(b, z), d(b, 3, z.cols * spec.draws);
        b.signals(spec, likelihood, d_z, {}, d);
        return d.download();
      });
      EXPECT_TRUE(within(found, wanted, [](Index, Index) { return 16.0 * epsilon<R>; }))
          << to_string(likelihood);
    }
  });
}

// A label whose probability f64 does not hold has no residual that B(z) could carry: NaN.
TEST_P(ExtremeLogits, ResidualsAreThoseOfTheTextbookOrNotFinite) {
  if (GetParam().backend == "reference") GTEST_SKIP() << "its formula is 0/0 where p(1 − p) underflows";
  run([]<class R>(Backend<R>& backend) {
    const HostMatrix<R> z = all_pairs<R>();
    const Real scale = 1 / std::sqrt(Real(z.cols));
    const ScoreSpec spec{.kind = ScoreKind::exact};
    for (const Likelihood likelihood : likelihoods) {
      SCOPED_TRACE(to_string(likelihood));
      const HostMatrix<R> y = targets<R>(likelihood, z.cols);
      const Index r = spec.rows_per_sample(likelihood, 3);
      const DeviceMatrix<R> d_z(backend, z), d_y(backend, y);
      const DeviceVector<R> u(backend, z.cols * r);
      backend.residuals(spec, likelihood, d_z, d_y, u);
      const HostMatrix<R> found = u.download();
      for (Index n = 0; n < z.cols; ++n) {
        const Column logit = column(z, n), p = reference::means(likelihood, logit);
        const auto label = static_cast<std::size_t>(y(0, n));
        const bool lost = likelihood == Likelihood::categorical && static_cast<double>(p[label]) == 0.0;
        for (Index k = 0; k < r; ++k) {
          const auto j = static_cast<std::size_t>(k);
          Real wanted = 0;  // as c = (p − y)/√(p(1 − p)) = ∓e^∓z/2, or by suffix sums
          if (likelihood == Likelihood::gaussian) wanted = logit[j] - y(k, n);
          if (likelihood == Likelihood::bernoulli)
            wanted = y(k, n) == R(1) ? -std::exp(-logit[j] / 2) : std::exp(logit[j] / 2);
          if (likelihood == Likelihood::categorical && j <= label && !lost) {
            const Real q = k == 0 ? p[1] + p[2] : p[2];
            wanted = j < label ? std::sqrt(p[j] / q / (p[j] + q)) : -std::sqrt(q / p[j] / (p[j] + q));
          }
          if (lost) wanted = std::numeric_limits<Real>::quiet_NaN();
          const Real size = std::abs(scale * wanted);
          EXPECT_TRUE(right<R>(found(n * r + k, 0), scale * wanted,
                               (16.0 * epsilon<R> + roundings * epsilon<double>)*size +
                                   std::max<Real>(smallest_root, std::numeric_limits<R>::min())))
              << "sample " << n << ", row " << k;
        }
      }
    }
  });
}

TEST_P(ExtremeLogits, TheFisherOfTheOutputsIsThatOfTheTextbook) {
  run([]<class R>(Backend<R>& backend) {
    const HostMatrix<R> z = all_pairs<R>(), x = Random(72).matrix<R>(3, 1);
    for (const Likelihood likelihood : likelihoods)
      for (Index n = 0; n < z.cols; ++n) {
        const DeviceMatrix<R> d_z(backend, sample(z, n)), d_x(backend, x);
        backend.set_scalar(Slot::quadratic, std::numeric_limits<double>::quiet_NaN());
        backend.output_fisher(likelihood, d_z, d_x, d_x, Slot::quadratic);
        const Real wanted = reference::fisher_product(likelihood, column(z, n), column(x, 0), column(x, 0));
        constexpr Real unit = epsilon<double>;  // x − x̄ cancels where a class is all but certain
        EXPECT_TRUE(right<double>(backend.read_scalars()[Slot::quadratic], wanted,
                                  roundings * unit * wanted + 64 * unit * unit))
            << to_string(likelihood) << " at " << z(0, n) << ", " << z(1, n);
      }
  });
}

TEST_P(ExtremeLogits, WhatAllLogitsOfASampleGainChangesNoProbability) {
  run([]<class R>(Backend<R>& backend) {
    const R gain = sizeof(R) == 8 ? R(0x1p40) : R(0x1p20);  // on which the logits' eighths stand exactly
    HostMatrix<R> z(3, 1), z_new = z, y(1, 1);
    z.data = {R(0.5), R(-1.25), R(0.125)};
    z_new.data = {R(0.625), R(-1), R(-0.25)};
    HostMatrix<R> gained = z_new;
    for (R& logit : gained.data) logit += gain;
    const auto slots = [&](const HostMatrix<R>& to) {
      backend.divergence(Likelihood::categorical, DeviceMatrix<R>(backend, z), DeviceMatrix<R>(backend, to),
                         DeviceMatrix<R>(backend, y));
      return backend.read_scalars();
    };
    const Scalars found = slots(gained), wanted = slots(z_new);
    for (const Slot slot : {Slot::kl, Slot::loss_change})
      EXPECT_TRUE(near(found[slot], wanted[slot], 64.0 * epsilon<double>));
  });
}

}  // namespace
}  // namespace natgrad
