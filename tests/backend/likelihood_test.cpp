/// Losses, divergences, means and the counts of an evaluation.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {
namespace {

using Likelihoods = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Likelihoods, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr Likelihood likelihoods[] = {Likelihood::gaussian, Likelihood::bernoulli, Likelihood::categorical};
constexpr std::pair<Index, Index> shapes[] = {{1, 1}, {1, 33}, {2, 1}, {2, 31}, {10, 33}, {33, 2}, {43, 597}};
constexpr double roundings = 16.0;  // in one term, evaluated in f64

std::string describe(Likelihood likelihood, Index outputs, Index samples) {
  return std::string(to_string(likelihood)) + ", C " + std::to_string(outputs) + ", N " +
         std::to_string(samples);
}

template <class R>
double largest(const HostMatrix<R>& m) {
  double size = 0.0;
  for (const R x : m.data) size = std::max(size, std::abs(static_cast<double>(x)));
  return size;
}

/// Slot `slot` after the operation, which finds a NaN there.
template <class R, class Operation>
double slot_after(Backend<R>& backend, Slot slot, Operation operation) {
  backend.set_scalar(slot, poison<double>());
  operation();
  return backend.read_scalars()[slot];
}

template <class R>
double loss(Backend<R>& backend, Likelihood likelihood, const HostMatrix<R>& z, const HostMatrix<R>& y) {
  const DeviceMatrix<R> d_z(backend, z), d_y(backend, y);
  return slot_after(backend, Slot::loss, [&] { backend.loss(likelihood, d_z, d_y); });
}

/// Rounding of the mean loss in f64: every term is at most (|z| + |y|)² + |z| + log C.
template <class R>
double loss_rounding(const HostMatrix<R>& z, const HostMatrix<R>& y) {
  const double size = largest(z) + largest(y), outputs = static_cast<double>(z.rows);
  const double term = outputs * (size * size + size + 1.0);
  return (roundings + outputs * static_cast<double>(z.cols)) * epsilon<double> * term;
}

TEST_P(Likelihoods, LossIsTheMeanNegativeLogLikelihoodInDouble) {
  run([]<class R>(Backend<R>& backend) {
    for (const Likelihood likelihood : likelihoods)
      for (const auto& [outputs, samples] : shapes) {
        Random random(1);
        const HostMatrix<R> z = random.matrix<R>(outputs, samples, -3.0, 3.0);
        const HostMatrix<R> y = random.targets<R>(likelihood, outputs, samples);
        const auto [found, wanted] =
            on_both(backend, [&](Backend<R>& b) { return loss(b, likelihood, z, y); });
        EXPECT_TRUE(near(found, wanted, loss_rounding(z, y))) << describe(likelihood, outputs, samples);
      }
  });
}

TEST_P(Likelihoods, LossAndDivergenceAreFiniteAtExtremeLogits) {
  run([]<class R>(Backend<R>& backend) {
    for (const Likelihood likelihood : {Likelihood::bernoulli, Likelihood::categorical})
      for (const double size : {100.0, 1e4}) {
        Random random(2);
        HostMatrix<R> z(5, 33), z_new(5, 33);
        for (R& x : z.data) x = static_cast<R>(size * static_cast<double>(random.index(3) - 1));
        for (R& x : z_new.data) x = static_cast<R>(size * static_cast<double>(random.index(3) - 1));
        const HostMatrix<R> y = random.targets<R>(likelihood, 5, 33);
        const auto [found, wanted] = on_both(backend, [&](Backend<R>& b) {
          const DeviceMatrix<R> d_z(b, z), d_new(b, z_new), d_y(b, y);
          b.loss(likelihood, d_z, d_y);
          b.divergence(likelihood, d_z, d_new, d_y);
          return b.read_scalars();
        });
        for (const Slot slot : {Slot::loss, Slot::kl, Slot::loss_change}) {
          EXPECT_TRUE(std::isfinite(found[slot])) << "slot " << static_cast<int>(slot);
          EXPECT_TRUE(near(found[slot], wanted[slot], loss_rounding(z, y)))
              << describe(likelihood, 5, 33) << ", slot " << static_cast<int>(slot) << ", logits of " << size;
        }
      }
  });
}

/// Allowed errors of KL and loss change. With m = 2 max|Δz| of a sample (of an output, where outputs are
/// independent) a KL term is of the size m·min(m, 1) and has a few roundings in f64, more where an exponent z
/// is large; the textbook sum of the reference cancels in long double.
struct DivergenceRounding {
  double kl = 0.0, loss_change = 0.0;
};

template <class R>
DivergenceRounding divergence_rounding(Likelihood likelihood, const HostMatrix<R>& z,
                                       const HostMatrix<R>& z_new, const HostMatrix<R>& y) {
  double kl_size = 0.0, change_size = 0.0;
  for (Index n = 0; n < z.cols; ++n) {
    double sample = 0.0;
    for (Index j = 0; j < z.rows; ++j) {
      const double m = 2.0 * std::abs(static_cast<double>(z_new(j, n)) - z(j, n)),
                   term = m * std::min(m, 1.0);
      sample = likelihood == Likelihood::categorical ? std::max(sample, term) : sample + term;
      change_size += m * (1.0 + m + largest(z) + largest(y));
    }
    kl_size += sample;
  }
  const double samples = static_cast<double>(z.cols), outputs = static_cast<double>(z.rows);
  const double exponent = std::max(largest(z), largest(z_new)) + outputs;
  const double k = roundings + exponent + samples;  // the sum over samples has an order of its own
  const double in_long_double = static_cast<double>(std::numeric_limits<long double>::epsilon()) *
                                (exponent + largest(y)) * (exponent + largest(y)) * outputs;
  return {k * (epsilon<double> * kl_size / samples + in_long_double),
          k * (epsilon<double> * change_size / samples + in_long_double)};
}

TEST_P(Likelihoods, DivergenceIsRightFromTheTiniestToLargeSteps) {
  run([]<class R>(Backend<R>& backend) {
    for (const Likelihood likelihood : likelihoods)
      for (const auto& [outputs, samples] : {std::pair<Index, Index>{1, 1}, {2, 31}, {10, 33}, {43, 97}})
        for (const double step : {1e-6, 1e-4, 1e-2, 0.1, 1.0, 10.0}) {  // KL about step²/10: 1e-13 … 10
          Random random(3);
          const HostMatrix<R> z = random.matrix<R>(outputs, samples, -3.0, 3.0);
          const HostMatrix<R> y = random.targets<R>(likelihood, outputs, samples);
          HostMatrix<R> z_new = z;
          for (R& x : z_new.data) x += static_cast<R>(random.uniform(-step, step));
          const auto [found, wanted] = on_both(backend, [&](Backend<R>& b) {
            const DeviceMatrix<R> d_z(b, z), d_new(b, z_new), d_y(b, y);
            b.set_scalar(Slot::kl, poison<double>());
            b.set_scalar(Slot::loss_change, poison<double>());
            b.divergence(likelihood, d_z, d_new, d_y);
            return b.read_scalars();
          });
          const DivergenceRounding allowed = divergence_rounding(likelihood, z, z_new, y);
          const std::string where = describe(likelihood, outputs, samples) + ", step " + std::to_string(step);
          EXPECT_TRUE(near(found[Slot::kl], wanted[Slot::kl], allowed.kl)) << "KL, " << where;
          EXPECT_TRUE(near(found[Slot::loss_change], wanted[Slot::loss_change], allowed.loss_change))
              << "loss change, " << where;
        }
  });
}

TEST_P(Likelihoods, KlOfASmallStepIsItsQuadraticModelAlsoInTheTails) {
  run([]<class R>(Backend<R>& backend) {
    const double step = 0x1p-10;  // z and z + step are exact in f32
    for (const double z : {0.0, 3.0, -10.0, 15.0}) {
      const double p = 1.0 / (1.0 + std::exp(-std::abs(z)));
      const double quadratic = 0.5 * p * (1.0 - p) * step * step;
      const auto kl = [&](Likelihood likelihood, const HostMatrix<R>& from, const HostMatrix<R>& to) {
        const DeviceMatrix<R> d_from(backend, from), d_to(backend, to), y(backend, HostMatrix<R>(1, 1));
        return slot_after(backend, Slot::kl, [&] { backend.divergence(likelihood, d_from, d_to, y); });
      };
      HostMatrix<R> one(1, 1), one_new(1, 1), two(2, 1), two_new(2, 1);  // two: the logits z and 0
      one(0, 0) = two(0, 0) = static_cast<R>(z);
      one_new(0, 0) = two_new(0, 0) = static_cast<R>(z + step);
      // The next term of the series is (1 − 2p)/3 · step times the quadratic one.
      EXPECT_TRUE(near(kl(Likelihood::bernoulli, one, one_new), quadratic, step * quadratic))
          << "bernoulli, z " << z;
      EXPECT_TRUE(near(kl(Likelihood::categorical, two, two_new), quadratic, step * quadratic))
          << "categorical, z " << z;
    }
  });
}

TEST_P(Likelihoods, DivergenceOfAnUnchangedOutputIsExactlyZero) {
  run([]<class R>(Backend<R>& backend) {
    for (const Likelihood likelihood : likelihoods) {
      Random random(4);
      const DeviceMatrix<R> z(backend, random.matrix<R>(10, 33, -30.0, 30.0));
      const DeviceMatrix<R> same(backend, z.download()), y(backend, random.targets<R>(likelihood, 10, 33));
      backend.set_scalar(Slot::kl, poison<double>());
      backend.set_scalar(Slot::loss_change, poison<double>());
      backend.divergence(likelihood, z, same, y);
      const Scalars scalars = backend.read_scalars();
      EXPECT_EQ(scalars[Slot::kl], 0.0) << to_string(likelihood);
      EXPECT_EQ(scalars[Slot::loss_change], 0.0) << to_string(likelihood);
    }
  });
}

TEST_P(Likelihoods, ATargetThatIsNoClassMakesTheLossNan) {
  run([]<class R>(Backend<R>& backend) {
    const HostMatrix<R> z = Random(8).matrix<R>(3, 2, -1.0, 1.0);
    for (const double y : {3.0, -1.0, 1.5, 1e30, std::numeric_limits<double>::quiet_NaN()}) {
      HostMatrix<R> labels(1, 2);
      labels(0, 1) = static_cast<R>(y);
      const DeviceMatrix<R> d_z(backend, z), d_y(backend, labels);
      EXPECT_TRUE(std::isnan(loss(backend, Likelihood::categorical, z, labels))) << y;
      backend.divergence(Likelihood::categorical, d_z, d_z, d_y);
      EXPECT_TRUE(std::isnan(backend.read_scalars()[Slot::loss_change])) << y;
    }
  });
}

TEST_P(Likelihoods, MeansAreRightAlsoInPlace) {
  run([]<class R>(Backend<R>& backend) {
    for (const Likelihood likelihood : likelihoods)
      for (const auto& [outputs, samples] : shapes)
        for (const double size : {3.0, 30.0}) {
          const HostMatrix<R> z = Random(5).matrix<R>(outputs, samples, -size, size);
          const auto means = [&](Backend<R>& b, bool in_place) {
            const DeviceMatrix<R> d_z(b, z), d_means(b, outputs, samples);
            b.means(likelihood, d_z, in_place ? d_z : d_means);
            return (in_place ? d_z : d_means).download();
          };
          const HostMatrix<R> wanted = means(*make_reference_backend<R>(), false);
          const double k = roundings + static_cast<double>(outputs) + 2.0 * size;
          EXPECT_TRUE(relative(means(backend, false), wanted, k)) << describe(likelihood, outputs, samples);
          EXPECT_TRUE(relative(means(backend, true), wanted, k)) << describe(likelihood, outputs, samples);
        }
  });
}

TEST_P(Likelihoods, MeansAreFiniteAtExtremeLogits) {
  run([]<class R>(Backend<R>& backend) {
    for (const Likelihood likelihood : {Likelihood::bernoulli, Likelihood::categorical}) {
      HostMatrix<R> z(3, 2);
      z.data = {R(1e4), R(-1e4), R(0), R(-1e4), R(-1e4), R(-1e4)};
      const auto [found, wanted] = on_both(backend, [&](Backend<R>& b) {
        const DeviceMatrix<R> d_z(b, z), d_means(b, 3, 2);
        b.means(likelihood, d_z, d_means);
        return d_means.download();
      });
      EXPECT_TRUE(relative(found, wanted, roundings)) << to_string(likelihood);
    }
  });
}

TEST_P(Likelihoods, CountCorrectTakesTheFirstOfEqualOutputs) {
  run([]<class R>(Backend<R>& backend) {
    for (const auto& [outputs, samples] : shapes) {
      Random random(6);
      HostMatrix<R> z(outputs, samples);
      for (R& x : z.data) x = static_cast<R>(random.index(3));  // many ties
      const HostMatrix<R> y = random.targets<R>(Likelihood::categorical, outputs, samples);
      const auto [found, wanted] = on_both(backend, [&](Backend<R>& b) {
        const DeviceMatrix<R> d_z(b, z), d_y(b, y);
        return slot_after(b, Slot::correct, [&] { b.count_correct(d_z, d_y); });
      });
      EXPECT_EQ(found, wanted) << "C " << outputs << ", N " << samples;
    }
  });
}

TEST_P(Likelihoods, SquaredErrorIsWeightedByOutput) {
  run([]<class R>(Backend<R>& backend) {
    for (const auto& [outputs, samples] : shapes) {
      Random random(7);
      const HostMatrix<R> means = random.matrix<R>(outputs, samples), y = random.matrix<R>(outputs, samples);
      const HostMatrix<R> weight = random.matrix<R>(outputs, 1, 0.0, 4.0);
      const auto [found, wanted] = on_both(backend, [&](Backend<R>& b) {
        const DeviceMatrix<R> d_means(b, means), d_y(b, y);
        const DeviceVector<R> d_weight(b, weight);
        return slot_after(b, Slot::squared_error, [&] { b.squared_error(d_means, d_y, d_weight); });
      });
      // All terms are positive: each has a few roundings in f64, and the sum its own.
      EXPECT_TRUE(
          near(found, wanted, (4.0 + static_cast<double>(means.view().size())) * epsilon<double> * wanted))
          << "C " << outputs << ", N " << samples;
    }
  });
}

TEST_P(Likelihoods, SumsOverNoSamplesAreZero) {
  run([]<class R>(Backend<R>& backend) {
    for (const Likelihood likelihood : likelihoods) {
      const DeviceMatrix<R> z(backend, 3, 0), y(backend, likelihood == Likelihood::categorical ? 1 : 3, 0);
      const DeviceMatrix<R> labels(backend, 1, 0);
      const DeviceVector<R> weight(backend, HostMatrix<R>(3, 1));
      backend.means(likelihood, z, z);
      EXPECT_EQ(slot_after(backend, Slot::correct, [&] { backend.count_correct(z, labels); }), 0.0);
      EXPECT_EQ(slot_after(backend, Slot::squared_error, [&] { backend.squared_error(z, z, weight); }), 0.0);
      EXPECT_EQ(slot_after(backend, Slot::loss, [&] { backend.loss(likelihood, z, y); }), 0.0);
      EXPECT_EQ(slot_after(backend, Slot::kl, [&] { backend.divergence(likelihood, z, z, y); }), 0.0);
    }
  });
}

TEST_P(Likelihoods, RejectsShapesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceMatrix<R> z(backend, 3, 5), fewer(backend, 3, 4), narrower(backend, 2, 5),
        labels(backend, 1, 5), few_labels(backend, 1, 4);
    const DeviceVector<R> v3(backend, 3), v5(backend, 5);
    for (const Likelihood likelihood : likelihoods) {
      const bool classes = likelihood == Likelihood::categorical;
      const DeviceMatrix<R>& y = classes ? labels : z;
      const DeviceMatrix<R>& too_few = classes ? few_labels : fewer;
      const DeviceMatrix<R>& wrong_rows = classes ? z : labels;
      EXPECT_THROW(backend.loss(likelihood, z, too_few), ShapeError) << to_string(likelihood);
      EXPECT_THROW(backend.loss(likelihood, z, wrong_rows), ShapeError) << to_string(likelihood);
      EXPECT_THROW(backend.divergence(likelihood, z, fewer, y), ShapeError) << to_string(likelihood);
      EXPECT_THROW(backend.divergence(likelihood, z, narrower, y), ShapeError) << to_string(likelihood);
      EXPECT_THROW(backend.divergence(likelihood, z, z, too_few), ShapeError) << to_string(likelihood);
      EXPECT_THROW(backend.divergence(likelihood, z, z, wrong_rows), ShapeError) << to_string(likelihood);
      EXPECT_THROW(backend.means(likelihood, z, fewer), ShapeError) << to_string(likelihood);
      EXPECT_THROW(backend.means(likelihood, z, narrower), ShapeError) << to_string(likelihood);
    }
    EXPECT_THROW(backend.count_correct(z, few_labels), ShapeError);
    EXPECT_THROW(backend.count_correct(z, z), ShapeError);
    EXPECT_THROW(backend.squared_error(z, fewer, v3), ShapeError);
    EXPECT_THROW(backend.squared_error(z, narrower, v3), ShapeError);
    EXPECT_THROW(backend.squared_error(z, z, v5), ShapeError);
  });
}

}  // namespace
}  // namespace natgrad
