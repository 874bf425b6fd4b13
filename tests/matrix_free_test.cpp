/// Conjugate gradients on products with S: what they report of themselves.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/backends.hpp"
#include "support/device_fisher.hpp"
#include "support/stepping.hpp"

namespace natgrad {
namespace {

using MatrixFree = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, MatrixFree, ::testing::ValuesIn(backend_cases()), backend_case_name);

TEST_P(MatrixFree, ReportsTheTrueResidual) {
  run([]<class R>(Backend<R>& backend) {
    const RowsShape shape{{{5, 4}, {4, 3}}, 33, 2};
    const RandomRows<R> rows(backend, shape, 76);
    const oracle::Matrix f = oracle::fisher(rows);
    const R damping = static_cast<R>(damping_for(f, 1e3));
    const HostMatrix<R> b = Random(77).matrix<R>(f.rows, 1);
    const double size = norm(to_vector(b.data));
    for (const Structure preconditioner : {Structure::diagonal, Structure::kronecker})
      for (const double tolerance : {1e-1, 1e-3})
        for (const int most : {1, 2, 1000}) {
          SCOPED_TRACE(::testing::Message() << to_string(preconditioner) << ", tolerance " << tolerance
                                            << ", at most " << most << " iterations");
          DeviceFisher<R> fisher(backend, shape,
                                 {.structure = Structure::matrix_free,
                                  .preconditioner = preconditioner,
                                  .tolerance = tolerance,
                                  .max_iterations = most});
          fisher->update(rows.rows());
          const HostMatrix<R> d = fisher.solve(SolveMethod::cholesky, damping, b);
          oracle::Vector r = oracle::multiply(f, to_vector(d.data));
          for (std::size_t k = 0; k < r.size(); ++k) r[k] = b.data[k] - (r[k] + damping * d.data[k]);
          // The products Fd and λd are rounded; their sum may be much smaller than they are.
          const double rounding = allowed_error<R>() * (norm(f.data) * norm(to_vector(d.data)) + size);
          const double residual = std::sqrt(fisher.scalars[Slot::residual_norm2]);
          EXPECT_TRUE(near(residual, norm(r), rounding));
          EXPECT_TRUE(close(std::sqrt(fisher.scalars[Slot::right_side_norm2]), size, allowed_error<R>()));
          EXPECT_EQ(fisher.scalars[Slot::factor_info], 0.0);
          EXPECT_GE(fisher->iterations(), 1);
          EXPECT_LE(fisher->iterations(), most);
          if (most == 1000) {
            EXPECT_LE(residual, tolerance * size);
          } else {
            EXPECT_GT(residual, 1e-3 * size) << "so few iterations cannot do";
          }
        }
  });
}

TEST_P(MatrixFree, TakesNoMoreIterationsThanEigenvaluesDiffer) {
  run([]<class R>(Backend<R>& backend) {
    // S has 2 rows: F + λI has 3 different eigenvalues at most, and one of them b = Sᵀw never meets.
    const RowsShape shape{{{7, 5}}, 2, 1};
    const RandomRows<R> rows(backend, shape, 78);
    DeviceFisher<R> fisher(backend, shape, {.structure = Structure::matrix_free, .tolerance = 1e-4});
    fisher->update(rows.rows());
    const HostMatrix<R> b = fisher.multiply(Random(79).matrix<R>(shape.parameters(), 1));
    fisher.solve(SolveMethod::eigen, 0.0, b);
    EXPECT_LE(fisher->iterations(), 2);
    EXPECT_LE(std::sqrt(fisher.scalars[Slot::residual_norm2]),
              1e-4 * std::sqrt(fisher.scalars[Slot::right_side_norm2]));
  });
}

TEST_P(MatrixFree, EndsWhereThereIsNoSolution) {
  run([]<class R>(Backend<R>& backend) {
    const RowsShape shape{{{7, 5}}, 2, 1};
    const RandomRows<R> rows(backend, shape, 80);
    DeviceFisher<R> fisher(backend, shape, {.structure = Structure::matrix_free, .max_iterations = 100000});
    fisher->update(rows.rows());
    fisher.solve(SolveMethod::eigen, 0.0, Random(81).matrix<R>(shape.parameters(), 1));
    EXPECT_LT(fisher->iterations(), 1000);
    EXPECT_GT(fisher.scalars[Slot::residual_norm2], 0.1 * fisher.scalars[Slot::right_side_norm2])
        << "40 parameters, 2 rows: most of a random b is out of reach";
  });
}

TEST_P(MatrixFree, OfNothingIsNothing) {
  run([]<class R>(Backend<R>& backend) {
    const RowsShape shape{{{3, 2}}, 7, 1};
    const RandomRows<R> rows(backend, shape, 82);
    DeviceFisher<R> fisher(backend, shape, {.structure = Structure::matrix_free});
    fisher->update(rows.rows());
    const HostMatrix<R> zero(shape.parameters(), 1);
    EXPECT_TRUE(identical(fisher.solve(SolveMethod::cholesky, 0.5, zero), zero));
    EXPECT_EQ(fisher->iterations(), 0);
    EXPECT_EQ(fisher.scalars[Slot::quadratic], 0.0);
    EXPECT_EQ(fisher.scalars[Slot::factor_info], 0.0);
  });
}

TEST_P(MatrixFree, SaysWhereItsResultIsNotFinite) {
  run([]<class R>(Backend<R>& backend) {
    const RowsShape shape{{{3, 2}}, 7, 1};
    const RandomRows<R> rows(backend, shape, 83);
    DeviceFisher<R> fisher(backend, shape, {.structure = Structure::matrix_free});
    fisher->update(rows.rows());
    HostMatrix<R> b = Random(84).matrix<R>(shape.parameters(), 1);
    b(1, 0) = std::numeric_limits<R>::quiet_NaN();
    fisher.solve(SolveMethod::cholesky, 0.5, b);
    EXPECT_LT(fisher.scalars[Slot::factor_info], 0.0);
  });
}

// With u the residual is Sᵀ(u − Sd) + λ(v − d), whose rounding errors reach d by ‖S‖/√λ, not ‖F‖/λ.
TEST_P(MatrixFree, LosesOnlyTheRootOfTheConditionWhereUIsGiven) {
  run([]<class R>(Backend<R>& backend) {
    if (sizeof(R) == 4) GTEST_SKIP() << "f32 does not resolve such a condition";
    const double condition = 1e9;
    for (const ScoreKind kind : {ScoreKind::exact, ScoreKind::empirical})
      for (const Index samples : {3, 33}) {
        const oracle::Problem problem =
            random_problem<R>({{3, 3, 2}, {Activation::tanh}, Likelihood::bernoulli, samples}, 97);
        const oracle::Matrix f =
            kind == ScoreKind::exact ? oracle::exact_fisher(problem) : oracle::empirical_fisher(problem);
        const double damping = static_cast<double>(damping_for(f, condition));
        NaturalGradientOptions options{.kind = kind, .kl = 1e-6, .damping = {.start = damping}};
        options.fisher = {.structure = Structure::matrix_free, .tolerance = 1e-17, .max_iterations = 20000};
        Stepping<R> stepping(backend, problem, options);
        stepping.step();
        EXPECT_TRUE(close(stepping.direction(), oracle::solve(f, damping, oracle::gradient(problem)),
                          4.0 * allowed_error<R>(std::sqrt(condition))))  // four products a pass
            << to_string(kind) << ", N " << samples;
      }
  });
}

}  // namespace
}  // namespace natgrad
