/// Every curvature structure against the textbook: its matrix, products and solves with it, averages over
/// batches, and the memory that it says it takes.
#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "support/backends.hpp"
#include "support/device_fisher.hpp"

namespace natgrad {
namespace {

using Structures = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Structures, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr Structure all_structures[] = {Structure::dense, Structure::gram,    Structure::matrix_free,
                                        Structure::layer, Structure::unit,    Structure::kronecker,
                                        Structure::ekfac, Structure::diagonal};
constexpr Structure averaged_structures[] = {Structure::dense,     Structure::layer, Structure::unit,
                                             Structure::kronecker, Structure::ekfac, Structure::diagonal};
constexpr SolveMethod methods[] = {SolveMethod::cholesky, SolveMethod::eigen};

oracle::Real quadratic_form(const oracle::Matrix& f, const oracle::Vector& v) {
  return oracle::dot(v, oracle::multiply(f, v));
}

/// (F + λI)⁻¹b; of `kronecker` with the factors damped instead.
template <class R>
oracle::Vector damped_solution(const RowsShape& shape, Structure structure, const Textbook<R>& textbook,
                               oracle::Real damping, const HostMatrix<R>& b) {
  if (structure != Structure::kronecker) return oracle::solve(textbook.f, damping, to_vector(b.data));
  const oracle::Factors damped = oracle::damped(textbook.factors, std::sqrt(damping));
  return oracle::solve(oracle::kronecker(shape, damped), 0, to_vector(b.data));
}

/// Calls body(device fisher, textbook) for every shape and structure, after one update.
template <class R, class Body>
void for_each_structure(Backend<R>& backend, std::uint64_t seed, Body body) {
  for (const RowsShape& shape : rows_shapes())
    for (const Structure structure : all_structures) {
      SCOPED_TRACE(::testing::Message() << to_string(structure) << ", " << shape);
      const RandomRows<R> rows(backend, shape, seed);
      const FisherOptions options = options_of<R>(structure);
      DeviceFisher<R> fisher(backend, shape, options);
      fisher->update(rows.rows());
      Textbook<R> textbook;
      textbook.update(rows, options);
      body(fisher, textbook, shape, structure);
    }
}

TEST_P(Structures, AreTheTextbooksMatricesAndSymmetric) {
  run([]<class R>(Backend<R>& backend) {
    for_each_structure(backend, 51, [](auto& fisher, const Textbook<R>& textbook, auto&, Structure) {
      const HostMatrix<R> found = fisher.dense();
      EXPECT_TRUE(close(found, textbook.f, allowed_error<R>(textbook.condition)));
      EXPECT_TRUE(identical(found, rounded<R>(oracle::transpose(to_matrix(found)))));
    });
  });
}

TEST_P(Structures, MultiplyAsTheirMatrices) {
  run([]<class R>(Backend<R>& backend) {
    for_each_structure(backend, 52, [](auto& fisher, const Textbook<R>& textbook, auto&, Structure) {
      const HostMatrix<R> v = Random(53).matrix<R>(textbook.f.rows, 1);
      EXPECT_TRUE(close(fisher.multiply(v), oracle::multiply(textbook.f, to_vector(v.data)),
                        allowed_error<R>(textbook.condition), norm(textbook.f.data)));
    });
  });
}

TEST_P(Structures, SolveTheirDampedSystemsAndReportTheQuadraticForm) {
  run([]<class R>(Backend<R>& backend) {
    const double condition = 1e3;
    for_each_structure(
        backend, 54, [&](auto& fisher, Textbook<R>& textbook, const RowsShape& shape, Structure structure) {
          // Eigenvectors that turn with the rounding would hide what is wrong with the solve.
          if (structure == Structure::ekfac) textbook.f = to_matrix(fisher.dense());
          const R damping = static_cast<R>(damping_for(textbook.f, condition));
          const HostMatrix<R> b = Random(55).matrix<R>(textbook.f.rows, 1);
          const oracle::Vector wanted = damped_solution(shape, structure, textbook, damping, b);
          for (const SolveMethod method : methods) {
            SCOPED_TRACE(to_string(method));
            const HostMatrix<R> d = fisher.solve(method, damping, b);
            EXPECT_EQ(fisher.scalars[Slot::factor_info], 0.0);
            EXPECT_TRUE(close(d, wanted, allowed_error<R>(condition)));
            const double size = norm(textbook.f.data) * norm(wanted) * norm(wanted);
            EXPECT_TRUE(near(fisher.scalars[Slot::quadratic],
                             static_cast<double>(quadratic_form(textbook.f, to_vector(d.data))),
                             allowed_error<R>() * size));
            EXPECT_GE(fisher.scalars[Slot::quadratic], 0.0);
          }
        });
  });
}

TEST_P(Structures, SolveAgainWithAnotherDampingOrRightSide) {
  run([]<class R>(Backend<R>& backend) {
    const double condition = 1e3;
    const RowsShape shape{{{3, 4}, {4, 2, false}}, 7, 2};
    const RandomRows<R> rows(backend, shape, 56);
    for (const Structure structure : all_structures) {
      SCOPED_TRACE(to_string(structure));
      DeviceFisher<R> fisher(backend, shape, options_of<R>(structure));
      fisher->update(rows.rows());
      Textbook<R> textbook;
      textbook.update(rows, options_of<R>(structure));
      if (structure == Structure::ekfac) textbook.f = to_matrix(fisher.dense());
      const R damping = static_cast<R>(damping_for(textbook.f, condition));
      Random random(57);
      const HostMatrix<R> b = random.matrix<R>(textbook.f.rows, 1), c = random.matrix<R>(textbook.f.rows, 1);
      for (const auto& [side, factor] : {std::pair{&b, R(1)}, {&c, R(1)}, {&c, R(8)}, {&b, R(1)}})
        EXPECT_TRUE(close(
            fisher.solve(SolveMethod::cholesky, factor * damping, *side),
            damped_solution(shape, structure, textbook, static_cast<oracle::Real>(factor * damping), *side),
            allowed_error<R>(condition)))
            << "damping times " << factor;
    }
  });
}

TEST_P(Structures, WithoutDampingAreSolvedForTheMinimumNorm) {
  run([]<class R>(Backend<R>& backend) {
    for (const RowsShape& shape : {RowsShape{{{4, 3}}, 2, 1}, {{{3, 2, false}, {2, 3}}, 2, 1}})
      for (const Structure structure : {Structure::matrix_free, Structure::kronecker, Structure::ekfac}) {
        SCOPED_TRACE(::testing::Message() << to_string(structure) << ", " << shape);
        const RandomRows<R> rows(backend, shape, 85);
        DeviceFisher<R> fisher(backend, shape, options_of<R>(structure));
        fisher->update(rows.rows());
        Textbook<R> textbook;
        textbook.update(rows, options_of<R>(structure));
        if (structure == Structure::ekfac) textbook.f = to_matrix(fisher.dense());

        const oracle::Real cutoff = 10.0 * static_cast<double>(textbook.f.rows) * epsilon<R>;
        const oracle::Eigen e = oracle::eigen(textbook.f);
        const oracle::Real largest = *std::ranges::max_element(e.values);
        oracle::Real smallest = largest;
        for (const oracle::Real value : e.values)
          if (value > cutoff * largest) smallest = std::min(smallest, value);
        const double condition = static_cast<double>(largest / smallest);
        ASSERT_LT(condition, static_cast<double>(1e-1 / cutoff)) << "rounding decides what counts";

        const HostMatrix<R> b = fisher.multiply(Random(59).matrix<R>(textbook.f.rows, 1));
        const HostMatrix<R> d = fisher.solve(SolveMethod::eigen, 0.0, b);
        EXPECT_EQ(fisher.scalars[Slot::factor_info], 0.0);
        EXPECT_TRUE(close(d, oracle::minimum_norm(textbook.f, to_vector(b.data), cutoff),
                          allowed_error<R>(condition)));
      }
  });
}

TEST_P(Structures, DiagonalWithoutDampingLeavesWhatHasNoCurvature) {
  run([]<class R>(Backend<R>& backend) {
    const RowsShape shape{{{2, 1, false}}, 1, 1};
    const DeviceMatrix<R> a(backend, rounded<R>(oracle::Vector{2, 0})),
        d(backend, rounded<R>(oracle::Vector{3}));
    DeviceFisher<R> fisher(backend, shape, {.structure = Structure::diagonal});
    fisher->update({&backend, {{a, d, false}}, 1});
    for (const SolveMethod method : methods)
      EXPECT_TRUE(identical(fisher.solve(method, 0.0, rounded<R>(oracle::Vector{72, 5})),
                            rounded<R>(oracle::Vector{2, 0})));
  });
}

TEST_P(Structures, KroneckerAndEkfacAreExactForOneSample) {
  run([]<class R>(Backend<R>& backend) {
    for (const Structure structure : {Structure::kronecker, Structure::ekfac})
      for (const Index r : {1, 3}) {
        const RowsShape shape{{{3, 2}, {2, 4, false}}, 1, r};
        const RandomRows<R> rows(backend, shape, 60);
        DeviceFisher<R> fisher(backend, shape, {.structure = structure});
        fisher->update(rows.rows());
        // One sample's A is of rank 1, and the rows of r = 1 too: no eigenvectors but these count.
        const double gap = static_cast<double>(oracle::eigenbasis(oracle::factors(rows)).gap);
        EXPECT_TRUE(close(fisher.dense(), oracle::restricted(shape, Structure::layer, oracle::fisher(rows)),
                          allowed_error<R>(1.0 / gap)))
            << to_string(structure) << ", r = " << r;
      }
  });
}

TEST_P(Structures, EkfacKeepsTheTraceOfFisherAndComesNearerThanKronecker) {
  run([]<class R>(Backend<R>& backend) {
    const RowsShape shape{{{3, 4}, {4, 3}}, 33, 2};
    const RandomRows<R> rows(backend, shape, 61);
    const oracle::Matrix f = oracle::restricted(shape, Structure::layer, oracle::fisher(rows));
    const auto found = [&](Structure structure) {
      DeviceFisher<R> fisher(backend, shape, {.structure = structure});
      fisher->update(rows.rows());
      return to_matrix(fisher.dense());
    };
    const oracle::Matrix ekfac = found(Structure::ekfac), kronecker = found(Structure::kronecker);
    EXPECT_TRUE(close(static_cast<double>(oracle::trace(ekfac)), oracle::trace(f), allowed_error<R>()));
    EXPECT_LT(norm(oracle::average(ekfac, 1, f, -1).data), norm(oracle::average(kronecker, 1, f, -1).data));
  });
}

TEST_P(Structures, AverageOverUpdatesAndRefreshAsTheTextbookDoes) {
  run([]<class R>(Backend<R>& backend) {
    const double condition = 1e3;
    for (const RowsShape& shape : {RowsShape{{{3, 2}, {2, 3, false}}, 7, 2}, {{{4, 3}}, 2, 1}})
      for (const Structure structure : averaged_structures)
        for (const auto& [decay, refresh] : {std::pair{0.6, 1}, {0.0, 2}, {0.6, 2}}) {
          // Which eigenvectors a factor has for the eigenvalue 0 shows with rows that come later.
          if (structure == Structure::ekfac && refresh > 1 && shape.samples < 7) continue;
          const FisherOptions options{.structure = structure, .decay = decay, .refresh = refresh};
          DeviceFisher<R> fisher(backend, shape, options);
          Textbook<R> textbook;
          for (const std::uint64_t seed : {62, 63, 64, 65, 66}) {
            const RandomRows<R> rows(backend, shape, seed);
            fisher->update(rows.rows());
            textbook.update(rows, options);
            SCOPED_TRACE(::testing::Message() << to_string(structure) << ", " << shape << ", decay " << decay
                                              << ", refresh " << refresh << ", update " << textbook.updates);
            const HostMatrix<R> found = fisher.dense();
            EXPECT_TRUE(close(found, textbook.f, allowed_error<R>(textbook.condition)));

            if (structure == Structure::ekfac) textbook.f = to_matrix(found);
            const R damping = static_cast<R>(damping_for(textbook.f, condition));
            const HostMatrix<R> b = Random(67).matrix<R>(textbook.f.rows, 1);
            const HostMatrix<R> d = fisher.solve(SolveMethod::cholesky, damping, b);
            EXPECT_TRUE(close(d, damped_solution(shape, structure, textbook, damping, b),
                              allowed_error<R>(condition)));
            const oracle::Vector d_64 = to_vector(d.data);
            EXPECT_TRUE(near(fisher.scalars[Slot::quadratic],
                             static_cast<double>(quadratic_form(textbook.f, d_64)),
                             allowed_error<R>() * norm(textbook.f.data) * norm(d_64) * norm(d_64)));
          }
        }
  });
}

TEST_P(Structures, KroneckerInversesServeUntilTheNextRefresh) {
  run([]<class R>(Backend<R>& backend) {
    const double condition = 1e3;
    const RowsShape shape{{{3, 2}, {2, 3, false}}, 7, 2};
    const FisherOptions options{.structure = Structure::kronecker, .refresh = 2};
    DeviceFisher<R> fisher(backend, shape, options);
    const RandomRows<R> first(backend, shape, 68), second(backend, shape, 69), third(backend, shape, 70);
    const auto textbook = [&](const RandomRows<R>& rows) {
      Textbook<R> result;
      result.update(rows, options);
      return result;
    };
    const R damping = static_cast<R>(damping_for(textbook(first).f, condition));
    const HostMatrix<R> b = Random(71).matrix<R>(shape.parameters(), 1);
    const auto expect_solution = [&](R asked, const RandomRows<R>& rows, R served, const char* when) {
      const oracle::Vector wanted = damped_solution(shape, Structure::kronecker, textbook(rows), served, b);
      EXPECT_TRUE(close(fisher.solve(SolveMethod::cholesky, asked, b), wanted, allowed_error<R>(condition)))
          << when;
    };
    fisher->update(first.rows());
    expect_solution(damping, first, damping, "after the first update");
    fisher->update(second.rows());
    expect_solution(3 * damping, first, damping, "between refreshes, whatever the damping");
    expect_solution(3 * damping, first, damping, "once more with the damping that was served");
    expect_solution(5 * damping, first, 5 * damping, "where a solve is tried again with another damping");
    fisher->update(third.rows());
    expect_solution(damping, third, damping, "at the next refresh");
  });
}

TEST_P(Structures, ReportFactorsThatAreNotPositiveDefinite) {
  run([]<class R>(Backend<R>& backend) {
    // One sample, ã = (1, 1) and δ = 1: the factor A is all ones, and elimination leaves an exact zero.
    const RowsShape shape{{{1, 1}}, 1, 1};
    const DeviceMatrix<R> one(backend, rounded<R>(oracle::Vector{1}));
    const HostMatrix<R> b = rounded<R>(oracle::Vector{1, 2});
    for (const Structure structure : {Structure::unit, Structure::kronecker, Structure::matrix_free}) {
      DeviceFisher<R> fisher(backend, shape,
                             {.structure = structure, .preconditioner = Structure::kronecker});
      fisher->update({&backend, {{one, one, true}}, 1});
      const double tiny = sizeof(R) == 8 ? 1e-60 : 1e-30;  // γ = √λ vanishes beside 1
      fisher.solve(SolveMethod::cholesky, tiny, b);
      EXPECT_GT(fisher.scalars[Slot::factor_info], 0.0) << to_string(structure);
      fisher.solve(SolveMethod::cholesky, 0.25, b);
      EXPECT_EQ(fisher.scalars[Slot::factor_info], 0.0) << to_string(structure);
      EXPECT_GT(fisher.scalars[Slot::quadratic], 0.0) << to_string(structure);
    }
  });
}

TEST_P(Structures, TakeTheMemoryOfTheirPlanAndNoMore) {
  if (GetParam().backend.starts_with("cuda"))
    GTEST_SKIP() << "workspaces of libraries and kernels come on top";
  run([]<class R>(Backend<R>& backend) {
    const RowsShape shape{{{5, 4}, {4, 3, false}}, 7, 2};
    const RandomRows<R> rows(backend, shape, 74);
    const DeviceVector<R> b(backend, Random(75).matrix<R>(shape.parameters(), 1)),
        d(backend, shape.parameters());
    for (const Structure structure : all_structures)
      for (const double decay : {0.0, 0.9}) {
        if (decay > 0.0 && (structure == Structure::gram || structure == Structure::matrix_free)) continue;
        for (const Structure preconditioner : {Structure::diagonal, Structure::kronecker}) {
          const FisherOptions options{
              .structure = structure, .decay = decay, .preconditioner = preconditioner};
          SCOPED_TRACE(::testing::Message() << to_string(structure) << ", decay " << decay
                                            << ", preconditioner " << to_string(preconditioner));
          Index planned = 0;
          for (const PlannedBuffer& buffer : plan_fisher(shape, options).buffers) planned += buffer.elements;
          const std::size_t before = backend.bytes_in_use();
          const auto fisher = make_fisher(backend, shape, options);
          EXPECT_EQ(backend.bytes_in_use() - before, static_cast<std::size_t>(planned) * sizeof(R));
          const std::size_t allocations = backend.allocations();
          for (int step = 0; step < 2; ++step) {
            fisher->update(rows.rows());
            fisher->solve(SolveMethod::cholesky, 0.1, {.b = b}, d);
          }
          EXPECT_EQ(backend.allocations(), allocations) << "allocated while at work";
        }
      }
  });
}

}  // namespace
}  // namespace natgrad
