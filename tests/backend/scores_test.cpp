/// The output signals of the score rows: exact, drawn from the model, and with the data's labels.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {
namespace {

using Scores = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Scores, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr Likelihood likelihoods[] = {Likelihood::gaussian, Likelihood::bernoulli, Likelihood::categorical};
constexpr std::pair<Index, Index> shapes[] = {{1, 0},  {1, 1},   {1, 33}, {2, 1},
                                              {2, 31}, {10, 33}, {33, 2}, {43, 97}};
constexpr double roundings = 16.0;

std::string describe(const ScoreSpec& spec, Likelihood likelihood, Index outputs, Index samples) {
  return std::string(to_string(spec.kind)) + " " + std::string(to_string(likelihood)) + ", C " +
         std::to_string(outputs) + ", N " + std::to_string(samples) + ", K " + std::to_string(spec.draws);
}

/// C × N·r; y is an empty matrix where the kind does not read it.
template <class R>
HostMatrix<R> signals(Backend<R>& backend, const ScoreSpec& spec, Likelihood likelihood,
                      const HostMatrix<R>& z, const HostMatrix<R>& y) {
  const Index r = spec.rows_per_sample(likelihood, z.rows);
  const DeviceMatrix<R> d_z(backend, z), d_y(backend, y), d(backend, z.rows, z.cols * r);
  if (spec.kind == ScoreKind::empirical)
    backend.signals(spec, likelihood, d_z, d_y, d);
  else
    backend.signals(spec, likelihood, d_z, {}, d);
  return d.download();
}

/// z of logits in (−size, size), for every shape; body(outputs, samples, z, y, k) with k the roundings.
template <class R, class Body>
void for_each_shape(Likelihood likelihood, Body body) {
  for (const auto& [outputs, samples] : shapes) {
    Random random(static_cast<std::uint64_t>(outputs));
    const double size = 4.0;
    const HostMatrix<R> z = random.matrix<R>(outputs, samples, -size, size);
    body(z, random.targets<R>(likelihood, outputs, samples),
         roundings + static_cast<double>(outputs) + 2.0 * size);
  }
}

TEST_P(Scores, ExactSignalsMatchTheReference) {
  run([]<class R>(Backend<R>& backend) {
    const ScoreSpec spec{.kind = ScoreKind::exact};
    for (const Likelihood likelihood : likelihoods)
      for_each_shape<R>(likelihood, [&](const HostMatrix<R>& z, const HostMatrix<R>& y, double k) {
        const auto [found, wanted] =
            on_both(backend, [&](Backend<R>& b) { return signals(b, spec, likelihood, z, y); });
        EXPECT_TRUE(relative(found, wanted, k)) << describe(spec, likelihood, z.rows, z.cols);
      });
  });
}

/// H(z)/N of sample n, from its means p.
template <class R>
double fisher_of_outputs(Likelihood likelihood, const HostMatrix<R>& p, Index i, Index j, Index n) {
  const double pi = p(i, n), pj = p(j, n), diagonal = i == j ? 1.0 : 0.0,
               samples = static_cast<double>(p.cols);
  if (likelihood == Likelihood::gaussian) return diagonal / samples;
  if (likelihood == Likelihood::bernoulli) return diagonal * pi * (1.0 - pi) / samples;
  return (diagonal * pi - pi * pj) / samples;
}

TEST_P(Scores, ExactSignalsMultiplyToTheFisherOfTheOutputs) {
  run([]<class R>(Backend<R>& backend) {
    const ScoreSpec spec{.kind = ScoreKind::exact};
    for (const Likelihood likelihood : likelihoods)
      for_each_shape<R>(likelihood, [&](const HostMatrix<R>& z, const HostMatrix<R>& y, double k) {
        const HostMatrix<R> b = signals(backend, spec, likelihood, z, y);
        const DeviceMatrix<R> d_z(backend, z), d_p(backend, z.rows, z.cols);
        backend.means(likelihood, d_z, d_p);
        const HostMatrix<R> p = d_p.download();
        const Index r = spec.rows_per_sample(likelihood, z.rows);
        HostMatrix<R> found(z.rows, z.rows * z.cols), wanted = found, scale = found;  // H(z_n)/N side by side
        for (Index n = 0; n < z.cols; ++n)
          for (Index j = 0; j < z.rows; ++j)
            for (Index i = 0; i < z.rows; ++i) {
              double sum = 0.0, size = 0.0;
              for (Index c = n * r; c < n * r + r; ++c) sum += static_cast<double>(b(i, c)) * b(j, c);
              for (Index c = n * r; c < n * r + r; ++c)
                size += std::abs(static_cast<double>(b(i, c)) * b(j, c));
              const double h = fisher_of_outputs(likelihood, p, i, j, n);
              const Index column = n * z.rows + j;
              found(i, column) = static_cast<R>(sum);
              wanted(i, column) = static_cast<R>(h);
              // p(1 − p) and p − p² cancel where p is near 1, to the size of the mean's rounding.
              const bool cancels = i == j && likelihood != Likelihood::gaussian;
              scale(i, column) = static_cast<R>(size + std::abs(h) + (cancels ? p(i, n) / z.cols : 0.0));
            }
        EXPECT_TRUE(componentwise(found, wanted, k, scale)) << describe(spec, likelihood, z.rows, z.cols);
      });
  });
}

TEST_P(Scores, ExactSignalsAreFiniteAndRightAtExtremeLogits) {
  run([]<class R>(Backend<R>& backend) {
    const ScoreSpec spec{.kind = ScoreKind::exact};
    for (const Likelihood likelihood : {Likelihood::bernoulli, Likelihood::categorical})
      // Up to where p, the product of two p, and then p itself, fall below the smallest number of R.
      for (const double size : {25.0, 50.0, 100.0, 200.0, 360.0, 1e4}) {
        Random random(2);
        HostMatrix<R> z(5, 33);
        for (R& x : z.data) x = static_cast<R>(size * static_cast<double>(random.index(3) - 1));
        const auto [found, wanted] =
            on_both(backend, [&](Backend<R>& b) { return signals(b, spec, likelihood, z, HostMatrix<R>()); });
        EXPECT_TRUE(within(found, wanted, [](Index, Index) { return roundings * epsilon<R>; }))
            << describe(spec, likelihood, 5, 33) << ", logits of " << size;
      }
  });
}

TEST_P(Scores, EmpiricalSignalsAreMeanMinusTarget) {
  run([]<class R>(Backend<R>& backend) {
    const ScoreSpec spec{.kind = ScoreKind::empirical};
    for (const Likelihood likelihood : likelihoods)
      for_each_shape<R>(likelihood, [&](const HostMatrix<R>& z, const HostMatrix<R>& y, double k) {
        const auto [found, wanted] =
            on_both(backend, [&](Backend<R>& b) { return signals(b, spec, likelihood, z, y); });
        EXPECT_TRUE(within(found, wanted, [&](Index i, Index n) {  // p and y are at most 1, z and y anything
          const double size =
              likelihood == Likelihood::gaussian ? std::abs(z(i, n)) + std::abs(y(i, n)) : 1.0;
          return k * epsilon<R> * size / std::sqrt(static_cast<double>(z.cols));
        })) << describe(spec, likelihood, z.rows, z.cols);
      });
  });
}

TEST_P(Scores, DrawnSignalsFollowTheStream) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index draws : {1, 3})
      for (const std::uint32_t round : {0u, 7u}) {
        const ScoreSpec spec{
            ScoreKind::mc, draws, {.seed = 0x123456789abcdef, .stream = Stream::scores, .round = round}};
        for (const Likelihood likelihood : likelihoods)
          for_each_shape<R>(likelihood, [&](const HostMatrix<R>& z, const HostMatrix<R>& y, double k) {
            const auto [found, wanted] =
                on_both(backend, [&](Backend<R>& b) { return signals(b, spec, likelihood, z, y); });
            // Gaussian signals are −ξ/√(KN), whatever z; the others p − ŷ with both of at most 1.
            EXPECT_TRUE(within(found, wanted,
                               [&](Index i, Index c) {
                                 const double size =
                                     likelihood == Likelihood::gaussian
                                         ? std::abs(wanted(i, c))
                                         : 1.0 / std::sqrt(static_cast<double>(z.cols * draws));
                                 return k * epsilon<R> * size;
                               }))
                << describe(spec, likelihood, z.rows, z.cols) << ", round " << round;
          });
      }
  });
}

TEST_P(Scores, DrawnSignalsHaveTheFisherOfTheOutputsAsTheirExpectation) {
  run([]<class R>(Backend<R>& backend) {
    const Index draws = 8192, outputs = 4;
    const double k = static_cast<double>(draws);
    const ScoreSpec spec{ScoreKind::mc, draws, {.seed = 5, .stream = Stream::scores, .round = 1}};
    for (const Likelihood likelihood : likelihoods) {
      const HostMatrix<R> z = Random(3).matrix<R>(outputs, 1, -1.5, 1.5);
      const HostMatrix<R> d = signals(backend, spec, likelihood, z, HostMatrix<R>());  // (p − ŷ)/√K
      const DeviceMatrix<R> d_z(backend, z), d_p(backend, outputs, 1);
      backend.means(likelihood, d_z, d_p);
      const HostMatrix<R> p = d_p.download();
      for (Index j = 0; j < outputs; ++j)
        for (Index i = 0; i < outputs; ++i) {
          double sum = 0.0, squares = 0.0;  // Σ xy/K and Σ (xy)²/K
          for (Index c = 0; c < draws; ++c) {
            const double xy = k * d(i, c) * d(j, c);
            sum += xy / k;
            squares += xy * xy / k;
          }
          const double standard_error = std::sqrt((squares - sum * sum) / k);
          EXPECT_TRUE(near(sum, fisher_of_outputs(likelihood, p, i, j, 0), 4.0 * standard_error))
              << to_string(likelihood) << " at (" << i << ", " << j << ")";
        }
      for (Index i = 0; i < outputs; ++i) {
        double sum = 0.0;
        for (Index c = 0; c < draws; ++c) sum += std::sqrt(k) * d(i, c) / k;
        EXPECT_TRUE(near(sum, 0.0, 4.0 * std::sqrt(fisher_of_outputs(likelihood, p, i, i, 0) / k)))
            << "mean of p − ŷ, " << to_string(likelihood) << ", output " << i;
      }
    }
  });
}

TEST_P(Scores, RejectsShapesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceMatrix<R> z(backend, 3, 5), labels(backend, 1, 5), few_labels(backend, 1, 4),
        d15(backend, 3, 15), d10(backend, 3, 10), d5(backend, 3, 5), narrow(backend, 2, 10),
        fewer(backend, 3, 4);
    const ScoreSpec exact{}, draw{ScoreKind::mc, 2, {}}, empirical{.kind = ScoreKind::empirical};
    const auto categorical = Likelihood::categorical;
    for (const Likelihood likelihood : {Likelihood::gaussian, Likelihood::bernoulli}) {
      EXPECT_THROW(backend.signals(exact, likelihood, z, {}, d10), ShapeError);
      EXPECT_THROW(backend.signals(draw, likelihood, z, {}, d15), ShapeError);
      EXPECT_THROW(backend.signals(draw, likelihood, z, {}, narrow), ShapeError);
      EXPECT_THROW(backend.signals(empirical, likelihood, z, z, d10), ShapeError);
      EXPECT_THROW(backend.signals(empirical, likelihood, z, fewer, d5), ShapeError);
      EXPECT_THROW(backend.signals(empirical, likelihood, z, labels, d5), ShapeError);
    }
    EXPECT_THROW(backend.signals(exact, categorical, z, {}, d15), ShapeError);
    EXPECT_THROW(backend.signals(exact, categorical, z, {}, narrow), ShapeError);
    EXPECT_THROW(backend.signals(draw, categorical, z, {}, d5), ShapeError);
    EXPECT_THROW(backend.signals(empirical, categorical, z, labels, d10), ShapeError);
    EXPECT_THROW(backend.signals(empirical, categorical, z, few_labels, d5), ShapeError);
    EXPECT_THROW(backend.signals(empirical, categorical, z, z, d5), ShapeError);
  });
}

}  // namespace
}  // namespace natgrad
