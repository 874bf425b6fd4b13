/// R4: the identities of the Fisher matrix, on networks.
#include "reliability/promise.hpp"
#include "support/device_fisher.hpp"
#include "support/score_problem.hpp"
#include "support/stepping.hpp"

namespace natgrad {
namespace {

constexpr double allowed_f64 = 1e-10;    // relative, of identities
constexpr double standard_errors = 5.0;  // of the mean of draws

const char* const identity_error = "relative error";
const char* const negative_part = "−vᵀFv/(n‖F‖ε)";
const char* const draw_error = "E[mc] − exact";
const char* const condition_f64 = "condition f64";
const char* const condition_f32 = "condition f32";

class R4 : public PromiseTest {
 public:
  static void TearDownTestSuite() {
    if (!any_device()) return;
    const Worst &f64 = worst(std::string(identity_error) + " f64"),
                &f32 = worst(std::string(identity_error) + " f32"), &negative = worst(negative_part),
                &drawn = worst(draw_error), &condition = worst(condition_f64);
    report_figure(
        "R4",
        fmt::format(
            "{} identities on {}: largest relative error in f64 {:.1e} ({}) (allowed: {:.0e}), in f32 {:.2f} "
            "of 64·ε·condition (allowed: 1); largest {} {:.2f} of {} (allowed: 1); E[mc] within {:.1f} "
            "standard errors of exact (allowed: {}); F + λI up to condition {:.1e} in f64, where the primal "
            "direction is compared in the norm of F + λI",
            f64.count + f32.count, devices(), f64.value, f64.where, allowed_f64, f32.value, negative_part,
            negative.value, negative.count, drawn.value, standard_errors, condition.value));
  }

 protected:
  /// Executed on the host, a batch of 33 takes its time.
  Index most_samples() const { return on_cpu() ? 33 : 7; }
  /// Whether both are one matrix or vector, as far as the precision and the condition allow.
  template <class R, class Wanted>
  void expect_same(const char* identity, const HostMatrix<R>& found, const Wanted& wanted,
                   const std::string& where, double condition = 1.0) const;
  template <class R>
  void expect_small(const char* identity, double relative_error, const std::string& where,
                    double condition) const;
};
INSTANTIATE_TEST_SUITE_P(Backends, R4, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr Structure structures[] = {Structure::dense, Structure::gram,    Structure::matrix_free,
                                    Structure::layer, Structure::unit,    Structure::kronecker,
                                    Structure::ekfac, Structure::diagonal};
constexpr ScoreKind deterministic_kinds[] = {ScoreKind::exact, ScoreKind::empirical};

template <class R>
void R4::expect_small(const char* identity, double relative_error, const std::string& where,
                      double condition) const {
  const std::string what = fmt::format("{}, {}", identity, where);
  if (sizeof(R) == 8)
    EXPECT_LE(measured(std::string(identity_error) + " f64", relative_error, what), allowed_f64) << what;
  else
    EXPECT_LE(measured(std::string(identity_error) + " f32", relative_error / (64.0 * epsilon<R> * condition),
                       what),
              1.0)
        << what;
}

template <class R, class Wanted>
void R4::expect_same(const char* identity, const HostMatrix<R>& found, const Wanted& wanted,
                     const std::string& where, double condition) const {
  const oracle::Vector exact = to_vector(rounded<long double>(wanted).data);
  const double error = oracle::norm(oracle::plus(to_vector(found.data), -1, exact)),
               size = oracle::norm(exact);
  expect_small<R>(identity, size > 0.0 ? error / size : error, where, condition);
}

/// F of a problem in a structure, on a device.
template <class R>
struct FisherOf {
  Scores<R> scores;
  DeviceFisher<R> fisher;

  FisherOf(Backend<R>& backend, const oracle::Problem& problem, ScoreKind kind, Structure structure)
      : scores(backend, problem, {.kind = kind}),
        fisher(backend, scores.rows.shape(), options_of<R>(structure)) {
    fisher->update(scores.rows);
  }
};

/// Calls body(problem, kind, where) for every net whose outputs have a distribution to learn, and a batch of
/// at most so many samples.
template <class R, class Body>
void each_problem(std::uint64_t seed, Index most_samples, Body body) {
  for (const ProblemShape& shape : problem_shapes()) {
    if (shape.samples > most_samples) continue;
    if (shape.likelihood == Likelihood::categorical && shape.widths.back() == 1) continue;
    for (const ScoreKind kind : deterministic_kinds)
      body(random_problem<R>(shape, seed), kind, fmt::format("{}, {}", text_of(shape), to_string(kind)));
  }
}

TEST_P(R4, FisherIsSymmetricAndHasNoNegativeDirection) {
  run([this]<class R>(Backend<R>& backend) {
    each_problem<R>(
        71, most_samples(), [&](const oracle::Problem& problem, ScoreKind kind, const std::string& net) {
          if (problem.parameters() > 40) return;  // Jacobi's rotations take their time
          for (const Structure structure : structures) {
            const std::string where = fmt::format("{}, {}", net, to_string(structure));
            const HostMatrix<R> f = FisherOf<R>(backend, problem, kind, structure).fisher.dense();
            EXPECT_TRUE(identical(f, rounded<R>(oracle::transpose(to_matrix(f))))) << where;
            const double unit = static_cast<double>(f.rows) * epsilon<R> * norm1(f);
            const double least = static_cast<double>(std::ranges::min(oracle::eigen(to_matrix(f)).values));
            EXPECT_LE(measured(negative_part, unit > 0.0 ? -least / unit : -least, where), 1.0) << where;
          }
        });
  });
}

TEST_P(R4, BlocksOfTheStructuresAreThoseOfTheDenseMatrixAndThatIsTheTextbooks) {
  run([this]<class R>(Backend<R>& backend) {
    each_problem<R>(72, 33, [&](const oracle::Problem& problem, ScoreKind kind, const std::string& net) {
      const auto found = [&](Structure structure) {
        return FisherOf<R>(backend, problem, kind, structure).fisher.dense();
      };
      const HostMatrix<R> dense = found(Structure::dense);
      expect_same("dense = SᵀS", dense, oracle::batch_fisher(problem, kind, Structure::dense), net);
      expect_same("gram", found(Structure::gram), to_matrix(dense), net);
      expect_same("matrix-free", found(Structure::matrix_free), to_matrix(dense), net);
      expect_same("layer", found(Structure::layer), oracle::layer_blocks(problem.shape, to_matrix(dense)),
                  net);
      expect_same("unit", found(Structure::unit), oracle::unit_blocks(problem.shape, to_matrix(dense)), net);
      expect_same("diagonal", found(Structure::diagonal), oracle::diagonal(to_matrix(dense)), net);
    });
  });
}

TEST_P(R4, KroneckerIsTheLayersBlockForOneSample) {
  run([this]<class R>(Backend<R>& backend) {
    each_problem<R>(73, most_samples(),
                    [&](const oracle::Problem& several, ScoreKind kind, const std::string& net) {
                      const oracle::Problem problem = oracle::samples_of(several, 0, 1);
                      const auto found = [&](Structure structure) {
                        return FisherOf<R>(backend, problem, kind, structure).fisher.dense();
                      };
                      expect_same("kronecker = layer", found(Structure::kronecker),
                                  to_matrix(found(Structure::layer)), net);
                    });
  });
}

/// √(vᵀ(F + λI)v): the length of a step v, half of whose square is the KL divergence that the model
/// foretells.
double step_length(const oracle::Matrix& f, double lambda, const oracle::Vector& v) {
  return static_cast<double>(std::sqrt(oracle::dot(v, oracle::multiply(f, v)) + lambda * oracle::dot(v, v)));
}

// The dual takes u and keeps its digits. The primal takes g, which is rounded, along directions too that no
// sample has: these carry an error of ½ε times the condition, 1.1e-10 at 1e6, but a step along them is short.
TEST_P(R4, DualDirectionIsThePrimalOneAndTheTextbooks) {
  run([this]<class R>(Backend<R>& backend) {
    each_problem<R>(
        74, most_samples(), [&](const oracle::Problem& problem, ScoreKind kind, const std::string& net) {
          if (problem.parameters() > 40) return;
          const oracle::Matrix f = oracle::batch_fisher(problem, kind, Structure::dense);
          const oracle::Vector values = oracle::eigen(f).values, g = oracle::gradient(problem);
          FisherOf<R> primal(backend, problem, kind, Structure::dense),
              dual(backend, problem, kind, Structure::gram);
          const DeviceVector<R> d(backend, problem.parameters());
          constexpr double moderate = tested_condition<R> / 30.0;
          for (const double most : {moderate, tested_condition<R>}) {
            const double lambda = static_cast<R>(damping_for(f, 0.9 * most));
            const double condition = static_cast<double>((std::ranges::max(values) + lambda) /
                                                         (std::ranges::min(values) + lambda));
            const std::string where = fmt::format("{}, condition {:.1e}", net, condition);
            ASSERT_LE(measured(sizeof(R) == 8 ? condition_f64 : condition_f32, condition, net), most);
            const oracle::Vector textbook = oracle::solve(f, lambda, g);
            const auto expect_same_step = [&](const char* identity, const HostMatrix<R>& found,
                                              const oracle::Vector& wanted) {
              const double error = step_length(f, lambda, oracle::plus(to_vector(found.data), -1, wanted)),
                           length = step_length(f, lambda, wanted);
              expect_small<R>(identity, length > 0.0 ? error / length : error, where, condition);
            };
            dual.fisher->solve(SolveMethod::cholesky, lambda, {.u = dual.scores.rows.u}, d);
            const HostMatrix<R> by_dual = d.download(),
                                by_primal = primal.fisher.solve(SolveMethod::cholesky, lambda, rounded<R>(g));
            expect_same("dual = (F + λI)⁻¹g", by_dual, textbook, where, condition);
            expect_same_step("dual = primal as a step", by_dual, to_vector(by_primal.data));
            expect_same_step("primal = (F + λI)⁻¹g as a step", by_primal, textbook);
            if (most > moderate) continue;
            expect_same("dual = primal", by_dual, to_matrix(by_primal), where, condition);
            expect_same("primal = (F + λI)⁻¹g", by_primal, textbook, where, condition);
          }
        });
  });
}

oracle::Problem twice(oracle::Problem problem) {
  for (oracle::Matrix* m : {&problem.x, &problem.y}) {
    const std::vector<oracle::Real> once = m->data;
    m->data.insert(m->data.end(), once.begin(), once.end());
    m->cols *= 2;
  }
  return problem;
}

// A wrong factor 1/N would show here. The eigenvectors that E-KFAC keeps F in turn with the rounding.
TEST_P(R4, DuplicatingTheBatchChangesNothing) {
  run([this]<class R>(Backend<R>& backend) {
    each_problem<R>(75, most_samples(),
                    [&](const oracle::Problem& problem, ScoreKind kind, const std::string& net) {
                      for (const Structure structure : structures) {
                        if (structure == Structure::ekfac) continue;
                        const auto found = [&](const oracle::Problem& batch) {
                          return FisherOf<R>(backend, batch, kind, structure).fisher.dense();
                        };
                        expect_same("twice the batch", found(twice(problem)), to_matrix(found(problem)),
                                    fmt::format("{}, {}", net, to_string(structure)));
                      }
                    });
  });
}

TEST_P(R4, DrawsGiveTheExactFisherInTheMean) {
  run([this]<class R>(Backend<R>& backend) {
    const std::uint32_t rounds = on_cpu() ? 2000 : 100;
    for (const Likelihood likelihood : all_likelihoods) {
      const ProblemShape shape{{2, 3, 3}, {Activation::tanh}, likelihood, 7};
      const oracle::Problem problem = random_problem<R>(shape, 76);
      const oracle::Matrix exact = oracle::exact_fisher(problem);
      oracle::Matrix mean(exact.rows, exact.cols), square = mean;
      for (std::uint32_t round = 0; round < rounds; ++round) {
        const Scores<R> scores(backend, problem, {ScoreKind::mc, 1, {1, Stream::scores, round}});
        DeviceFisher<R> fisher(backend, scores.rows.shape(), {});
        fisher->update(scores.rows);
        const oracle::Matrix drawn = to_matrix(fisher.dense());
        for (std::size_t k = 0; k < drawn.data.size(); ++k) {
          mean.data[k] += drawn.data[k] / rounds;
          square.data[k] += drawn.data[k] * drawn.data[k] / rounds;
        }
      }
      const double rounding = 64.0 * epsilon<R> * oracle::norm(exact.data);
      for (std::size_t k = 0; k < mean.data.size(); ++k) {
        const double variance = static_cast<double>(square.data[k] - mean.data[k] * mean.data[k]);
        const double error = static_cast<double>(std::abs(mean.data[k] - exact.data[k]));
        const double unit = std::sqrt(std::max(variance, 0.0) / rounds) + rounding;
        EXPECT_LE(measured(draw_error, error / unit, text_of(shape)), standard_errors)
            << shape << ", element " << k;
      }
    }
  });
}

}  // namespace
}  // namespace natgrad
