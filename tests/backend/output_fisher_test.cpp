/// Quadratic forms with the Fisher of the outputs, mean of x_nᵀ H(z_n) y_n.
#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"
#include "support/shape_errors.hpp"

namespace natgrad {
namespace {

using OutputFisher = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, OutputFisher, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr Likelihood likelihoods[] = {Likelihood::gaussian, Likelihood::bernoulli, Likelihood::categorical};
constexpr std::pair<Index, Index> shapes[] = {{1, 0},   {1, 1},  {1, 33},  {2, 1},   {2, 31},
                                              {10, 33}, {33, 2}, {70, 97}, {3, 2049}};

template <class R>
double form(Backend<R>& b, Likelihood likelihood, const HostMatrix<R>& z, const HostMatrix<R>& x,
            const HostMatrix<R>& y) {
  const DeviceMatrix<R> d_z(b, z), d_x(b, x), d_y(b, y);
  b.set_scalar(Slot::fisher_ds, -7.0);
  b.output_fisher(likelihood, d_z, d_x, d_y, Slot::fisher_ds);
  return b.read_scalars()[Slot::fisher_ds];
}

/// Of a mean of N·C terms in f64, with exponentials of logits of this size.
double roundings(const HostMatrix<double>& z, double size) {
  return 16.0 + 2.0 * size + static_cast<double>(z.rows + z.cols);
}

template <class R>
HostMatrix<double> widened(const HostMatrix<R>& m) {
  HostMatrix<double> wide(m.rows, m.cols);
  for (std::size_t k = 0; k < m.data.size(); ++k) wide.data[k] = m.data[k];
  return wide;
}

TEST_P(OutputFisher, MatchesTheReferenceInDouble) {
  run([]<class R>(Backend<R>& backend) {
    for (const Likelihood likelihood : likelihoods)
      for (const double size : {4.0, 30.0, 1e4})
        for (const auto& [outputs, samples] : shapes) {
          Random random(static_cast<std::uint64_t>(outputs));
          const HostMatrix<R> z = random.matrix<R>(outputs, samples, -size, size),
                              x = random.matrix<R>(outputs, samples), y = random.matrix<R>(outputs, samples);
          const auto [found, wanted] =
              on_both(backend, [&](Backend<R>& b) { return form(b, likelihood, z, x, y); });
          // Σ p|x||y| ≤ 1 and (Σ p|x|)(Σ p|y|) ≤ 1; of the others, a term is at most 1.
          const double scale = likelihood == Likelihood::categorical ? 2.0 : static_cast<double>(outputs);
          EXPECT_TRUE(near(found, wanted, roundings(widened(z), size) * epsilon<double> * scale))
              << to_string(likelihood) << ", C " << outputs << ", N " << samples << ", logits of " << size;
        }
  });
}

TEST_P(OutputFisher, IsTheSquaredProductWithTheExactSignals) {
  run([]<class R>(Backend<R>& backend) {
    const double size = 4.0;
    for (const Likelihood likelihood : likelihoods)
      for (const auto& [outputs, samples] : shapes) {
        const ScoreSpec spec{.kind = ScoreKind::exact};
        Random random(static_cast<std::uint64_t>(outputs + 1));
        const HostMatrix<R> z = random.matrix<R>(outputs, samples, -size, size),
                            x = random.matrix<R>(outputs, samples);
        const Index r = spec.rows_per_sample(likelihood, outputs);
        const auto reference = make_reference_backend<double>();
        const DeviceMatrix<double> d_z(*reference, widened(z)), d_d(*reference, outputs, samples * r);
        reference->signals(spec, likelihood, d_z, {}, d_d);
        const HostMatrix<double> d = d_d.download();  // B(z)/√N
        double wanted = 0.0, sizes = 0.0;
        for (Index c = 0; c < d.cols; ++c) {
          double product = 0.0, absolutes = 0.0;
          for (Index j = 0; j < outputs; ++j) {
            product += d(j, c) * x(j, c / r);
            absolutes += std::abs(d(j, c) * x(j, c / r));
          }
          wanted += product * product;
          sizes += absolutes * absolutes;
        }
        const double found = form(backend, likelihood, z, x, x);
        EXPECT_TRUE(near(found, wanted, 2.0 * roundings(widened(z), size) * epsilon<double> * sizes))
            << to_string(likelihood) << ", C " << outputs << ", N " << samples;
        EXPECT_GE(found, 0.0);
      }
  });
}

TEST_P(OutputFisher, OfClassesDoesNotCancelWhereAllOutputsMoveTogether) {
  run([]<class R>(Backend<R>& backend) {
    const double shift = 1024.0, k = 16.0 + 8.0;
    Random random(6);
    const HostMatrix<R> z = random.matrix<R>(7, 33, -4.0, 4.0);
    HostMatrix<R> together(7, 33), small(7, 33), shifted(7, 33);
    for (std::size_t i = 0; i < z.data.size(); ++i) {
      small.data[i] = static_cast<R>(random.index(8)) / R(8192);  // the sum is exact, in f32 too
      together.data[i] = static_cast<R>(shift);
      shifted.data[i] = together.data[i] + small.data[i];
    }
    const double of_shift = form(backend, Likelihood::categorical, z, together, together);
    const double mean_error = k * epsilon<double> * shift;
    EXPECT_GE(of_shift, 0.0);
    EXPECT_LE(of_shift, mean_error * mean_error);
    const double unshifted = form(backend, Likelihood::categorical, z, small, small);
    EXPECT_TRUE(near(
        form(backend, Likelihood::categorical, z, shifted, shifted), unshifted,
        2.0 * mean_error * std::sqrt(unshifted) + mean_error * mean_error + k * epsilon<double> * unshifted));
  });
}

TEST_P(OutputFisher, OfOneClassIsZero) {
  run([]<class R>(Backend<R>& backend) {
    Random random(7);
    const HostMatrix<R> z = random.matrix<R>(1, 33), x = random.matrix<R>(1, 33);
    EXPECT_EQ(form(backend, Likelihood::categorical, z, x, x), 0.0);
  });
}

TEST_P(OutputFisher, HasTheSameBitsAgain) {
  run([]<class R>(Backend<R>& backend) {
    Random random(8);
    const HostMatrix<R> z = random.matrix<R>(10, 597), x = random.matrix<R>(10, 597);
    for (const Likelihood likelihood : likelihoods)
      EXPECT_EQ(form(backend, likelihood, z, x, x), form(backend, likelihood, z, x, x));
  });
}

TEST_P(OutputFisher, RejectsShapesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceMatrix<R> z(backend, 3, 5), fewer(backend, 3, 4), narrow(backend, 2, 5);
    const auto rejected = [&](const DeviceMatrix<R>& x, const DeviceMatrix<R>& y) {
      return rejects_shapes("output_fisher",
                            [&] { backend.output_fisher(Likelihood::gaussian, z, x, y, Slot::fisher_dd); });
    };
    EXPECT_TRUE(rejected(fewer, z));
    EXPECT_TRUE(rejected(z, fewer));
    EXPECT_TRUE(rejected(narrow, z));
    EXPECT_TRUE(rejected(z, narrow));
  });
}

}  // namespace
}  // namespace natgrad
