/// The Fisher matrix in its structures, and solves with it, against the oracle.
#include "natgrad/fisher.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "support/backends.hpp"
#include "support/stepping.hpp"

namespace natgrad {
namespace {

using FisherMatrix = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, FisherMatrix, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr Structure structures[] = {Structure::dense, Structure::gram, Structure::layer, Structure::unit,
                                    Structure::diagonal};
constexpr ScoreKind deterministic_kinds[] = {ScoreKind::exact, ScoreKind::empirical};
constexpr SolveMethod methods[] = {SolveMethod::cholesky, SolveMethod::eigen};

/// F of a problem on a device, with what it views.
template <class R>
class DeviceFisher {
 public:
  DeviceFisher(Backend<R>& backend, const oracle::Problem& problem, Structure structure)
      : backend_(backend), likelihood_(problem.likelihood), structure_(structure), device_(backend, problem) {
    forward(device_.net, device_.batch().x, acts_);
  }

  DeviceFisher& update(const ScoreSpec& spec) {
    rows_ = score_rows(device_.net, acts_, spec, likelihood_, device_.batch().y, signals_);
    if (!fisher_) fisher_ = make_fisher(backend_, rows_.shape(), {.structure = structure_});
    fisher_->update(rows_);
    return *this;
  }
  HostMatrix<R> dense() {
    const DeviceMatrix<R> out(backend_, parameters(), parameters());
    fisher_->to_dense(out);
    return out.download();
  }
  HostMatrix<R> multiply(const HostMatrix<R>& v) {
    const DeviceVector<R> in(backend_, v), out(backend_, parameters());
    fisher_->multiply(in, out);
    return out.download();
  }
  /// d of (F + λI)d = b, and the slots that tell of the solve.
  struct Solution {
    HostMatrix<R> d;
    Scalars scalars;
  };
  Solution solve(SolveMethod method, double damping, const HostMatrix<R>& b) {
    const DeviceVector<R> in(backend_, b), out(backend_, parameters());
    fisher_->solve(method, damping, {.b = in}, out);
    return {out.download(), backend_.read_scalars()};
  }
  HostMatrix<R> inverse(double damping) {
    const DeviceMatrix<R> out(backend_, parameters(), parameters());
    fisher_->inverse(SolveMethod::cholesky, damping, out);
    return out.download();
  }
  const Rows<R>& rows() const { return rows_; }
  Fisher<R>& fisher() { return *fisher_; }
  Index parameters() const { return fisher_->parameters(); }

 private:
  Backend<R>& backend_;
  Likelihood likelihood_;
  Structure structure_;
  OnDevice<R> device_;
  Activations<R> acts_;
  Signals<R> signals_;
  Rows<R> rows_;
  std::unique_ptr<Fisher<R>> fisher_;  // with the first update
};

oracle::Real norm(const oracle::Matrix& m) { return std::sqrt(oracle::dot(m.data, m.data)); }

/// Calls body(device fisher, oracle's F, name) for every problem, kind and structure.
template <class R, class Body>
void for_each_fisher(Backend<R>& backend, std::uint64_t seed, Body body) {
  for (const ProblemShape& shape : problem_shapes())
    for (const ScoreKind kind : deterministic_kinds)
      for (const Structure structure : structures) {
        SCOPED_TRACE(::testing::Message()
                     << shape << ", " << to_string(kind) << ", " << to_string(structure));
        const oracle::Problem problem = random_problem<R>(shape, seed);
        DeviceFisher<R> fisher(backend, problem, structure);
        fisher.update({.kind = kind});
        body(fisher, oracle::batch_fisher(problem, kind, structure));
      }
}

TEST_P(FisherMatrix, IsTheOraclesAndSymmetric) {
  run([]<class R>(Backend<R>& backend) {
    for_each_fisher(backend, 31, [](DeviceFisher<R>& fisher, const oracle::Matrix& f) {
      const HostMatrix<R> found = fisher.dense();
      EXPECT_TRUE(close(found, f, allowed_error<R>()));
      EXPECT_TRUE(identical(found, rounded<R>(oracle::transpose(to_matrix(found)))));
    });
  });
}

TEST_P(FisherMatrix, OfALargerNetIsTheOracles) {
  run([]<class R>(Backend<R>& backend) {
    const oracle::Problem problem =
        random_problem<R>({{9, 12, 8}, {Activation::tanh}, Likelihood::categorical, 33}, 32);
    for (const Structure structure : structures) {
      DeviceFisher<R> fisher(backend, problem, structure);
      EXPECT_TRUE(close(fisher.update({}).dense(), oracle::batch_fisher(problem, ScoreKind::exact, structure),
                        allowed_error<R>()))
          << to_string(structure);
    }
  });
}

TEST_P(FisherMatrix, ProductsAreTheOracles) {
  run([]<class R>(Backend<R>& backend) {
    for_each_fisher(backend, 33, [](DeviceFisher<R>& fisher, const oracle::Matrix& f) {
      const double size = static_cast<double>(norm(f));
      const HostMatrix<R> v = Random(34).matrix<R>(f.rows, 1);
      const oracle::Vector fv = oracle::multiply(f, to_vector(v.data));
      EXPECT_TRUE(close(fisher.multiply(v), fv, allowed_error<R>(), size));
    });
  });
}

TEST_P(FisherMatrix, HasNoNegativeDirectionBeyondRounding) {
  run([]<class R>(Backend<R>& backend) {
    for_each_fisher(backend, 35, [](DeviceFisher<R>& fisher, const oracle::Matrix& f) {
      if (f.rows > 40) return;  // Jacobi's rotations take their time
      const HostMatrix<R> found = fisher.dense();
      const double allowed = static_cast<double>(f.rows) * epsilon<R> * norm1(found);
      for (const oracle::Real value : oracle::eigen(to_matrix(found)).values)
        EXPECT_GE(static_cast<double>(value), -allowed);
    });
  });
}

TEST_P(FisherMatrix, DoesNotChangeWhereTheBatchIsDuplicated) {
  run([]<class R>(Backend<R>& backend) {
    for (const ProblemShape& shape : problem_shapes())
      for (const ScoreKind kind : deterministic_kinds)
        for (const Structure structure : structures) {
          oracle::Problem problem = random_problem<R>(shape, 36), twice = problem;
          const auto duplicate = [](oracle::Matrix& m) {
            m.data.insert(m.data.end(), m.data.begin(), m.data.begin() + m.rows * m.cols);
            m.cols *= 2;
          };
          duplicate(twice.x);
          duplicate(twice.y);
          DeviceFisher<R> once_fisher(backend, problem, structure), twice_fisher(backend, twice, structure);
          const HostMatrix<R> once = once_fisher.update({.kind = kind}).dense();
          EXPECT_TRUE(close(twice_fisher.update({.kind = kind}).dense(), to_matrix(once), allowed_error<R>()))
              << shape << ", " << to_string(kind) << ", " << to_string(structure);
        }
  });
}

// More samples than one chunk of expanded rows holds (64 MiB: 830 of P = 1010 with 10 rows). Of a linear
// net with gaussian outputs every unit's block is 1/N Σ ããᵀ, and nothing is beside the blocks.
TEST_P(FisherMatrix, OfManyChunksIsThatOfTheWholeBatch) {
  if (GetParam().backend != "cpu" || !GetParam().f64) GTEST_SKIP() << "takes the speed of the cpu, and f64";
  const auto backend = make_backend_under_test<double>("cpu");
  const Index n = 100, units = 10, samples = 2001;
  const oracle::Problem problem = random_problem<double>({{n, units}, {}, Likelihood::gaussian, samples}, 37);
  DeviceFisher<double> fisher(*backend, problem, Structure::dense);
  const HostMatrix<double> found = fisher.update({}).dense();
  HostMatrix<double> wanted(found.rows, found.cols);
  const auto row = [&](Index j, Index i) { return i < n ? j * n + i : units * n + j; };  // of ã_i, unit j
  for (Index k = 0; k <= n; ++k)
    for (Index i = 0; i <= n; ++i) {
      oracle::Real sum = 0;
      for (Index s = 0; s < samples; ++s)
        sum += (i < n ? problem.x(i, s) : 1) * (k < n ? problem.x(k, s) : 1);
      for (Index j = 0; j < units; ++j) wanted(row(j, i), row(j, k)) = static_cast<double>(sum / samples);
    }
  EXPECT_TRUE(within(found, wanted, [&](Index, Index) { return allowed_error<double>(); }));
}

TEST_P(FisherMatrix, OfDrawsIsTheExactOneInTheMean) {
  run([]<class R>(Backend<R>& backend) {
    using enum Activation;
    constexpr int keys = 200;
    for (const ProblemShape& shape : {ProblemShape{{2, 3, 2}, {tanh}, Likelihood::gaussian, 7},
                                      {{2, 2, 2}, {gelu}, Likelihood::bernoulli, 7},
                                      {{2, 2, 4}, {sin}, Likelihood::categorical, 7}}) {
      const oracle::Problem problem = random_problem<R>(shape, 38);
      const oracle::Matrix wanted = oracle::exact_fisher(problem);
      DeviceFisher<R> fisher(backend, problem, Structure::dense);
      HostMatrix<double> mean(wanted.rows, wanted.cols), square = mean;
      for (std::uint32_t round = 0; round < keys; ++round) {
        const HostMatrix<R> drawn = fisher.update({ScoreKind::mc, 3, {1, Stream::scores, round}}).dense();
        for (std::size_t k = 0; k < drawn.data.size(); ++k) {
          mean.data[k] += drawn.data[k] / keys;
          square.data[k] += static_cast<double>(drawn.data[k]) * drawn.data[k] / keys;
        }
      }
      const double rounding = allowed_error<R>() * static_cast<double>(norm(wanted));
      EXPECT_TRUE(within(mean, rounded<double>(wanted), [&](Index i, Index j) {
        return 5.0 * std::sqrt((square(i, j) - mean(i, j) * mean(i, j)) / keys) + rounding;
      })) << shape;
    }
  });
}

TEST_P(FisherMatrix, SolvesAreTheOraclesAndBackwardStable) {
  run([]<class R>(Backend<R>& backend) {
    const double condition = sizeof(R) == 8 ? 1e6 : 1e3;
    for_each_fisher(backend, 39, [&](DeviceFisher<R>& fisher, const oracle::Matrix& f) {
      if (f.rows > 40) return;  // the eigenvectors take their time
      const R damping = static_cast<R>(damping_for(f, condition));
      const HostMatrix<R> b = Random(40).matrix<R>(f.rows, 1);
      const oracle::Vector wanted = oracle::solve(f, damping, to_vector(b.data));
      HostMatrix<R> damped = rounded<R>(f);
      for (Index i = 0; i < f.rows; ++i) damped(i, i) += damping;
      for (const SolveMethod method : methods) {
        const auto [d, scalars] = fisher.solve(method, damping, b);
        EXPECT_EQ(scalars[Slot::factor_info], 0.0) << to_string(method);
        const oracle::Real quadratic = oracle::dot(wanted, oracle::multiply(f, wanted));
        EXPECT_TRUE(
            near(scalars[Slot::quadratic], static_cast<double>(quadratic),
                 allowed_error<R>(condition) * static_cast<double>(norm(f) * oracle::dot(wanted, wanted))));
        EXPECT_GE(scalars[Slot::quadratic], 0.0);
        EXPECT_TRUE(close(d, wanted, allowed_error<R>(condition))) << to_string(method);
        if (method == SolveMethod::cholesky && !fisher.fisher().dual()) {
          EXPECT_LT(backward_error(damped, d, b), 3.0 + allowed_error<R>() / epsilon<R>);
        }
      }
    });
  });
}

TEST_P(FisherMatrix, TimesItsInverseIsTheIdentity) {
  run([]<class R>(Backend<R>& backend) {
    const double condition = 1e3;
    for (const ProblemShape& shape : problem_shapes())
      for (const Structure structure : structures) {
        if (shape.samples == 33 && shape.widths.size() > 3) continue;  // P solves
        const oracle::Problem problem = random_problem<R>(shape, 41);
        oracle::Matrix f = oracle::batch_fisher(problem, ScoreKind::exact, structure);
        DeviceFisher<R> fisher(backend, problem, structure);
        const R damping = static_cast<R>(damping_for(f, condition));
        for (Index i = 0; i < f.rows; ++i) f(i, i) += damping;
        const HostMatrix<R> inverse = fisher.update({}).inverse(damping);
        oracle::Matrix unit(f.rows, f.cols);
        for (Index i = 0; i < f.rows; ++i) unit(i, i) = 1;
        EXPECT_TRUE(close(rounded<double>(oracle::multiply(to_matrix(inverse), f)), unit,
                          allowed_error<R>(condition)))
            << shape << ", " << to_string(structure);
      }
  });
}

TEST_P(FisherMatrix, SolvesWithoutDampingAreOfMinimumNorm) {
  run([]<class R>(Backend<R>& backend) {
    using enum Activation;
    for (const ProblemShape& shape : {ProblemShape{{4, 3}, {}, Likelihood::gaussian, 2},
                                      {{4, 3, 3}, {tanh}, Likelihood::categorical, 1},
                                      {{3, 3, 2}, {gelu}, Likelihood::bernoulli, 2}})
      for (const Structure structure :
           {Structure::dense, Structure::gram, Structure::layer, Structure::unit}) {
        SCOPED_TRACE(::testing::Message() << shape << ", " << to_string(structure));
        const oracle::Problem problem = random_problem<R>(shape, 42);
        const oracle::Matrix f = oracle::batch_fisher(problem, ScoreKind::exact, structure);
        const double cutoff = 10.0 * static_cast<double>(f.rows) * epsilon<R>;
        DeviceFisher<R> fisher(backend, problem, structure);
        fisher.update({});
        const HostMatrix<R> b = fisher.multiply(Random(43).matrix<R>(f.rows, 1));

        // The eigenvalues that count, and how far they spread.
        const oracle::Eigen e = oracle::eigen(f);
        const oracle::Real largest = *std::ranges::max_element(e.values);
        oracle::Real smallest = largest;
        double rank = 0.0;
        for (const oracle::Real value : e.values)
          if (value > cutoff * largest) {
            ++rank;
            smallest = std::min(smallest, value);
          }
        ASSERT_LT(rank, static_cast<double>(f.rows)) << "the test wants a singular matrix";
        const double condition = static_cast<double>(largest / smallest);
        if (condition > 1e-2 / cutoff) continue;  // rounding decides which eigenvalues count

        const auto [d, s] = fisher.solve(SolveMethod::eigen, 0.0, b);
        EXPECT_EQ(s[Slot::factor_info], 0.0);
        EXPECT_EQ(s[Slot::rank], rank);
        EXPECT_TRUE(close(s[Slot::largest_eigenvalue], largest, allowed_error<R>()));
        EXPECT_TRUE(close(s[Slot::smallest_eigenvalue], smallest, allowed_error<R>(condition)));
        EXPECT_TRUE(
            close(d, oracle::minimum_norm(f, to_vector(b.data), cutoff), allowed_error<R>(condition)));
        EXPECT_TRUE(close(rounded<double>(oracle::multiply(f, to_vector(d.data))), to_vector(b.data),
                          allowed_error<R>(condition)))
            << "the system is consistent";
      }
  });
}

TEST_P(FisherMatrix, FactorReportsTheLargestDiagonalAndAFailure) {
  run([]<class R>(Backend<R>& backend) {
    for (const Structure structure : {Structure::dense, Structure::unit}) {
      // One sample x = (1, 1), one gaussian output: F is all ones, and elimination leaves exact zeros.
      oracle::Problem problem{{{2, 1}, {}}, Likelihood::gaussian, {0, 0, 0}, {}, {}, 0};
      problem.x = oracle::Matrix(2, 1);
      problem.y = oracle::Matrix(1, 1);
      problem.x(0, 0) = problem.x(1, 0) = 1;
      DeviceFisher<R> fisher(backend, problem, structure);
      fisher.update({});
      const HostMatrix<R> b = Random(46).matrix<R>(3, 1);
      const Scalars failed = fisher.solve(SolveMethod::cholesky, 1e-30, b).scalars;
      EXPECT_EQ(failed[Slot::factor_info], 2.0) << "the second minor is 0";
      EXPECT_EQ(failed[Slot::largest_diagonal], 1.0);
      EXPECT_EQ(fisher.solve(SolveMethod::cholesky, 0.5, b).scalars[Slot::factor_info], 0.0)
          << "the slot starts anew";
      EXPECT_EQ(fisher.solve(SolveMethod::eigen, 0.0, b).scalars[Slot::factor_info], 0.0);
    }
  });
}

TEST_P(FisherMatrix, RejectsRowsOfAnotherNetworkAndMatricesOfAnotherOrder) {
  run([]<class R>(Backend<R>& backend) {
    const oracle::Problem problem = random_problem<R>({{3, 2}, {}, Likelihood::gaussian, 7}, 44);
    for (const Structure structure : structures) {
      const auto other = make_fisher<R>(backend, rows_shape({{4, 2}, {}}, 7, 2), {.structure = structure});
      const OnDevice<R> device(backend, problem);
      Activations<R> acts;
      Signals<R> signals;
      forward(device.net, device.batch().x, acts);
      EXPECT_THROW(
          other->update(score_rows(device.net, acts, {}, problem.likelihood, device.batch().y, signals)),
          ShapeError);
      DeviceFisher<R> fisher(backend, problem, structure);
      fisher.update({});
      const DeviceMatrix<R> low(backend, 7, 8), narrow(backend, 8, 7);
      EXPECT_THROW(fisher.fisher().inverse(SolveMethod::cholesky, 1.0, low), ShapeError);
      EXPECT_THROW(fisher.fisher().inverse(SolveMethod::cholesky, 1.0, narrow), ShapeError);
    }
  });
}

}  // namespace
}  // namespace natgrad
