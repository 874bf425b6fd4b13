/// Per-sample gradients and score rows against the oracle.
#include "natgrad/scores.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "support/backends.hpp"
#include "support/score_problem.hpp"

namespace natgrad {
namespace {

using ScoreRows = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, ScoreRows, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr ScoreKind kinds[] = {ScoreKind::exact, ScoreKind::mc, ScoreKind::empirical};

TEST_P(ScoreRows, EmpiricalRowsAreThePerSampleGradients) {
  run([]<class R>(Backend<R>& backend) {
    for (const ProblemShape& shape : problem_shapes()) {
      const oracle::Problem problem = random_problem<R>(shape, 21);
      const Scores<R> scores(backend, problem, {.kind = ScoreKind::empirical});
      oracle::Matrix wanted = oracle::sample_gradients(problem);
      for (oracle::Real& value : wanted.data) value /= std::sqrt(static_cast<oracle::Real>(shape.samples));
      EXPECT_TRUE(close(scores.expanded(), wanted, allowed_error<R>())) << shape;
    }
  });
}

TEST_P(ScoreRows, GradientIsTheOraclesAndTheSumOfThePerSampleOnes) {
  run([]<class R>(Backend<R>& backend) {
    for (const ProblemShape& shape : problem_shapes()) {
      const oracle::Problem problem = random_problem<R>(shape, 22);
      const Scores<R> scores(backend, problem, {.kind = ScoreKind::empirical});
      const DeviceVector<R> g(backend, scores.rows.parameters());
      gradient<R>(scores.rows, g);
      // Samples may cancel: the error is relative to the largest of them.
      const double size = std::sqrt(static_cast<double>(
          oracle::dot(oracle::sample_gradients(problem).data, oracle::sample_gradients(problem).data)));
      EXPECT_TRUE(close(g.download(), oracle::gradient(problem), allowed_error<R>(), size)) << shape;
      const oracle::Vector equal(static_cast<std::size_t>(shape.samples),
                                 1 / std::sqrt(static_cast<oracle::Real>(shape.samples)));
      const double n = static_cast<double>(shape.samples);
      EXPECT_TRUE(close(g.download(), oracle::multiply(to_matrix(scores.expanded()), equal),
                        10.0 * n * epsilon<R>, size))
          << shape;
    }
  });
}

TEST_P(ScoreRows, GradientMatchesCentralDifferences) {
  run([]<class R>(Backend<R>& backend) {
    constexpr double h = 1e-6, allowed = 1e-5;
    if (sizeof(R) == 4) GTEST_SKIP() << "differences need f64";
    for (const Activation phi : all_activations)
      for (const Likelihood likelihood : all_likelihoods) {
        const ProblemShape shape{{3, 4, 3, 2}, {phi, phi}, likelihood, 7};
        const oracle::Problem problem = random_problem<R>(shape, 23);
        const Scores<R> scores(backend, problem, {.kind = ScoreKind::empirical});
        const DeviceVector<R> g(backend, problem.parameters());
        gradient<R>(scores.rows, g);
        oracle::Vector differences;
        for (std::size_t k = 0; k < problem.theta.size(); ++k) {
          oracle::Problem up = problem, down = problem;
          up.theta[k] += h;
          down.theta[k] -= h;
          differences.push_back((oracle::loss(up) - oracle::loss(down)) / (2 * h));
        }
        for (Index l = 0; l < problem.shape.layers(); ++l) {
          const Index begin = problem.shape.offset(l), count = problem.shape.layer_parameters(l);
          const HostMatrix<R> all = g.download();
          HostMatrix<R> found(count, 1);
          std::copy_n(all.data.begin() + begin, count, found.data.begin());
          EXPECT_TRUE(close(found,
                            oracle::Vector(differences.begin() + begin, differences.begin() + begin + count),
                            allowed))
              << shape << ", layer " << l;
        }
      }
  });
}

TEST_P(ScoreRows, ProductsAreThoseWithTheExpandedRows) {
  run([]<class R>(Backend<R>& backend) {
    Buffer<R> scratch;
    for (const ProblemShape& shape : problem_shapes())
      for (const ScoreKind kind : kinds) {
        const oracle::Problem problem = random_problem<R>(shape, 24);
        const Scores<R> scores(backend, problem, {.kind = kind, .draws = 3});
        const oracle::Matrix s = to_matrix(scores.expanded());  // P × R
        Random random(25);
        const HostMatrix<R> v = random.matrix<R>(s.rows, 1), w = random.matrix<R>(s.cols, 1);
        const double size = std::sqrt(static_cast<double>(oracle::dot(s.data, s.data)));
        const DeviceVector<R> device_v(backend, v), device_w(backend, w), sv(backend, s.cols),
            sw(backend, s.rows);
        multiply<R>(scores.rows, device_v, sv, scratch);
        multiply_transposed<R>(scores.rows, device_w, sw, scratch);
        EXPECT_TRUE(close(sv.download(), oracle::multiply(oracle::transpose(s), to_vector(v.data)),
                          allowed_error<R>(), size))
            << shape << ", " << to_string(kind);
        EXPECT_TRUE(close(sw.download(), oracle::multiply(s, to_vector(w.data)), allowed_error<R>(), size))
            << shape << ", " << to_string(kind);
      }
  });
}

TEST_P(ScoreRows, GramIsTheProductOfTheExpandedRows) {
  run([]<class R>(Backend<R>& backend) {
    for (const ProblemShape& shape : problem_shapes())
      for (const ScoreKind kind : kinds) {
        const Scores<R> scores(backend, random_problem<R>(shape, 30), {.kind = kind, .draws = 3});
        const oracle::Matrix s = to_matrix(scores.expanded());  // P × R
        const DeviceMatrix<R> k(backend, s.cols, s.cols);
        gram(scores.rows, k.view());
        const HostMatrix<R> wanted = rounded<R>(oracle::multiply(oracle::transpose(s), s));
        const double size = static_cast<double>(oracle::dot(s.data, s.data));
        EXPECT_TRUE(within(
            k.download(), lower_only(wanted), [&](Index, Index) { return allowed_error<R>() * size; },
            Part::lower))
            << shape << ", " << to_string(kind);
      }
  });
}

TEST_P(ScoreRows, ResidualsAreTheOraclesAndGiveTheGradient) {
  run([]<class R>(Backend<R>& backend) {
    Buffer<R> scratch;
    for (const ProblemShape& shape : problem_shapes())
      for (const ScoreKind kind : {ScoreKind::exact, ScoreKind::empirical}) {
        const oracle::Problem problem = random_problem<R>(shape, 31);
        const Scores<R> scores(backend, problem, {.kind = kind});
        const HostMatrix<R> u = download<R>(backend, scores.rows.u);
        EXPECT_TRUE(close(u, oracle::residuals(problem, kind), allowed_error<R>()))
            << shape << ", " << to_string(kind);
        const DeviceVector<R> g(backend, problem.parameters());
        multiply_transposed<R>(scores.rows, scores.rows.u, g, scratch);
        const oracle::Matrix s = oracle::sample_gradients(problem);  // they may cancel
        EXPECT_TRUE(close(g.download(), oracle::gradient(problem), allowed_error<R>(),
                          std::sqrt(static_cast<double>(oracle::dot(s.data, s.data)))))
            << shape << ", " << to_string(kind);
      }
  });
}

TEST_P(ScoreRows, OfDrawsHaveNoResiduals) {
  run([]<class R>(Backend<R>& backend) {
    const ProblemShape shape{{3, 4, 5}, {Activation::tanh}, Likelihood::categorical, 7};
    const Scores<R> scores(backend, random_problem<R>(shape, 32), {.kind = ScoreKind::mc, .draws = 2});
    EXPECT_EQ(scores.rows.u.size, 0);
    EXPECT_EQ(scores.rows.slice(2, 3).u.size, 0);
  });
}

TEST_P(ScoreRows, KnowTheirShapeAndTheMemoryTheyTake) {
  run([]<class R>(Backend<R>& backend) {
    for (const ProblemShape& shape : problem_shapes()) {
      const oracle::Problem problem = random_problem<R>(shape, 33);
      const OnDevice<R> device(backend, problem);
      Activations<R> acts;
      Signals<R> signals;
      forward(device.net, device.batch().x, acts);
      const std::size_t before = backend.bytes_in_use();
      const Rows<R> rows = score_rows(device.net, acts, {}, problem.likelihood, device.batch().y, signals);
      const RowsShape wanted = rows_shape(problem.shape, shape.samples, rows.per_sample);
      EXPECT_EQ(rows.shape(), wanted) << shape;
      EXPECT_EQ(rows.parameters(), problem.parameters()) << shape;
      EXPECT_EQ(wanted.parameters(), problem.parameters()) << shape;
      EXPECT_EQ(wanted.count(), rows.count()) << shape;
      for (Index l = 0; l < problem.shape.layers(); ++l)
        EXPECT_EQ(wanted.offset(static_cast<std::size_t>(l)), problem.shape.offset(l)) << shape;
      EXPECT_EQ((backend.bytes_in_use() - before) / sizeof(R),
                static_cast<std::size_t>(Signals<R>::elements(wanted)))
          << shape;
      Buffer<R> scratch;
      const DeviceVector<R> v(backend, HostMatrix<R>(rows.parameters(), 1)), w(backend, rows.count());
      multiply<R>(rows, v, w, scratch);
      EXPECT_EQ(scratch.size(), product_scratch(wanted)) << shape;
    }
  });
}

TEST_P(ScoreRows, SlicesAreTheRowsOfTheirSamples) {
  run([]<class R>(Backend<R>& backend) {
    const ProblemShape shape{{3, 4, 5}, {Activation::tanh}, Likelihood::categorical, 33};
    for (const ScoreKind kind : kinds) {
      const Scores<R> scores(backend, random_problem<R>(shape, 26), {.kind = kind, .draws = 3});
      const HostMatrix<R> all = scores.expanded();
      const Index r = scores.rows.per_sample;
      for (const auto& [begin, count] : {std::pair<Index, Index>{0, 33}, {0, 1}, {5, 7}, {32, 1}, {4, 0}}) {
        const Rows<R> part = scores.rows.slice(begin, count);
        EXPECT_EQ(part.samples(), count);
        EXPECT_EQ(part.count(), count * r);
        HostMatrix<R> wanted(all.rows, count * r);
        std::copy_n(all.data.begin() + begin * r * all.rows, wanted.data.size(), wanted.data.begin());
        EXPECT_TRUE(identical(scores.expanded(part), wanted)) << to_string(kind) << " from " << begin;
        if (kind == ScoreKind::mc) continue;
        const HostMatrix<R> u = download<R>(backend, scores.rows.u);
        HostMatrix<R> wanted_u(count * r, 1);
        std::copy_n(u.data.begin() + begin * r, count * r, wanted_u.data.begin());
        EXPECT_TRUE(identical(download<R>(backend, part.u), wanted_u))
            << to_string(kind) << " from " << begin;
      }
    }
  });
}

TEST_P(ScoreRows, OfALayerAreItsPartOfTheRows) {
  run([]<class R>(Backend<R>& backend) {
    const ProblemShape shape{{3, 4, 2, 5}, {Activation::tanh, Activation::sin}, Likelihood::categorical, 7};
    const oracle::Problem problem = random_problem<R>(shape, 34);
    const Scores<R> scores(backend, problem, {});
    const HostMatrix<R> all = scores.expanded();
    for (std::size_t l = 0; l < 3; ++l) {
      const Rows<R> part = scores.rows.layer(l);
      EXPECT_EQ(part.count(), scores.rows.count());
      EXPECT_EQ(part.per_sample, 4);
      EXPECT_EQ(part.u.size, 0) << "g = Sᵀu is not of one layer's S";
      HostMatrix<R> wanted(part.parameters(), all.cols);
      const Index begin = problem.shape.offset(static_cast<Index>(l));
      for (Index c = 0; c < all.cols; ++c)
        for (Index i = 0; i < wanted.rows; ++i) wanted(i, c) = all(begin + i, c);
      EXPECT_TRUE(identical(scores.expanded(part), wanted)) << "layer " << l;
    }
  });
}

TEST_P(ScoreRows, RowsPerSampleAreTheRankOfTheOutputFisher) {
  run([]<class R>(Backend<R>& backend) {
    const auto rows = [&](Likelihood likelihood, Index outputs, ScoreKind kind) {
      const ProblemShape shape{{2, outputs}, {}, likelihood, 7};
      return Scores<R>(backend, random_problem<R>(shape, 27), {.kind = kind, .draws = 4}).rows.count();
    };
    EXPECT_EQ(rows(Likelihood::gaussian, 3, ScoreKind::exact), 7 * 3);
    EXPECT_EQ(rows(Likelihood::bernoulli, 3, ScoreKind::exact), 7 * 3);
    EXPECT_EQ(rows(Likelihood::categorical, 3, ScoreKind::exact), 7 * 2);
    EXPECT_EQ(rows(Likelihood::categorical, 1, ScoreKind::exact), 0);
    EXPECT_EQ(rows(Likelihood::categorical, 3, ScoreKind::mc), 7 * 4);
    EXPECT_EQ(rows(Likelihood::categorical, 3, ScoreKind::empirical), 7);
  });
}

TEST_P(ScoreRows, DrawsAreAFunctionOfTheirKey) {
  run([]<class R>(Backend<R>& backend) {
    for (const Likelihood likelihood : all_likelihoods) {
      const oracle::Problem problem = random_problem<R>({{3, 4, 3}, {Activation::sin}, likelihood, 33}, 28);
      const auto drawn = [&](std::uint64_t seed, std::uint32_t round) {
        return Scores<R>(backend, problem, {ScoreKind::mc, 2, {seed, Stream::scores, round}}).expanded();
      };
      const HostMatrix<R> first = drawn(1, 0);
      EXPECT_TRUE(identical(drawn(1, 0), first)) << to_string(likelihood);
      EXPECT_FALSE(identical(drawn(2, 0), first)) << to_string(likelihood);
      EXPECT_FALSE(identical(drawn(1, 1), first)) << to_string(likelihood);
    }
  });
}

TEST_P(ScoreRows, RejectsSizesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const ProblemShape shape{{3, 4, 5}, {Activation::tanh}, Likelihood::categorical, 7};
    const Scores<R> scores(backend, random_problem<R>(shape, 29), {});
    const Rows<R>& rows = scores.rows;
    const DeviceVector<R> p(backend, rows.parameters()), r(backend, rows.count()),
        short_p(backend, rows.parameters() - 1), short_r(backend, rows.count() - 1);
    const DeviceMatrix<R> low(backend, rows.parameters() - 1, rows.count()),
        narrow(backend, rows.parameters(), rows.count() - 1);
    Buffer<R> scratch;
    EXPECT_THROW(multiply<R>(rows, short_p, r, scratch), ShapeError);
    EXPECT_THROW(multiply<R>(rows, p, short_r, scratch), ShapeError);
    EXPECT_THROW(multiply_transposed<R>(rows, short_r, p, scratch), ShapeError);
    EXPECT_THROW(multiply_transposed<R>(rows, r, short_p, scratch), ShapeError);
    EXPECT_THROW(expand(rows, low.view()), ShapeError);
    EXPECT_THROW(expand(rows, narrow.view()), ShapeError);
    EXPECT_THROW(gradient<R>(rows, p), ShapeError) << "rows of several a sample";
  });
}

}  // namespace
}  // namespace natgrad
