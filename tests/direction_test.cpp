/// Directions for a caller's own score rows: explicit in every layout, or factored.
#include "natgrad/direction.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "support/backends.hpp"
#include "support/stepping.hpp"

namespace natgrad {
namespace {

using Direction = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Direction, ::testing::ValuesIn(backend_cases()), backend_case_name);

/// S, R × P, with S·Sᵀ or SᵀS of a moderate condition.
template <class R>
HostMatrix<R> random_rows(Index rows, Index parameters, std::uint64_t seed) {
  const double size = 1.0 / std::sqrt(static_cast<double>(rows));
  return Random(seed).matrix<R>(rows, parameters, -size, size);
}

/// How S lies in memory: `major` elements longer than needed from one row (column) to the next.
struct Layout {
  bool row_major;
  Index padding;
  Memory memory;
};

constexpr Layout layouts[] = {{true, 0, Memory::host},    {true, 3, Memory::host},
                              {false, 0, Memory::host},   {false, 3, Memory::host},
                              {true, 0, Memory::device},  {true, 3, Memory::device},
                              {false, 0, Memory::device}, {false, 3, Memory::device}};

std::ostream& operator<<(std::ostream& out, const Layout& layout) {
  return out << (layout.row_major ? "row-major" : "column-major") << ", padding " << layout.padding
             << (layout.memory == Memory::host ? ", on the host" : ", on the device");
}

/// ExplicitRows of S in a layout, with the memory that they may view; poison in the padding.
template <class R>
class LaidOut {
 public:
  LaidOut(Backend<R>& backend, const HostMatrix<R>& s, const Layout& layout) {
    const Index steps = layout.row_major ? s.rows : s.cols, run = layout.row_major ? s.cols : s.rows;
    const Index stride = run + layout.padding;
    host_.assign(static_cast<std::size_t>((steps - 1) * stride + run), poison<R>());
    for (Index j = 0; j < s.cols; ++j)
      for (Index i = 0; i < s.rows; ++i)
        host_[static_cast<std::size_t>(layout.row_major ? i * stride + j : i + j * stride)] = s(i, j);
    const R* data = host_.data();
    if (layout.memory == Memory::device) {
      device_ = Buffer<R>(backend, static_cast<Index>(host_.size()));
      device_.upload(data);
      data = device_.data();
    }
    rows_.emplace(backend, data, s.rows, s.cols, layout.row_major ? stride : 1, layout.row_major ? 1 : stride,
                  layout.memory);
  }

  const Rows<R>& rows() const { return rows_->rows(); }

 private:
  std::vector<R> host_;
  Buffer<R> device_;
  std::optional<ExplicitRows<R>> rows_;
};

oracle::Matrix fisher_of(const oracle::Matrix& s) { return oracle::multiply(oracle::transpose(s), s); }

/// Checks d and what is reported of it.
template <class R>
void check(const DirectionReport& report, const DeviceVector<R>& d, const oracle::Matrix& f, double damping,
           const oracle::Vector& g) {
  const double allowed = allowed_error<R>(tested_condition<R>);
  const oracle::Vector wanted = oracle::solve(f, damping, g);
  EXPECT_TRUE(close(d.download(), wanted, allowed));
  EXPECT_TRUE(close(report.quadratic, oracle::product(wanted, f, wanted), allowed));
  EXPECT_TRUE(close(report.slope, oracle::dot(g, wanted), allowed));
  EXPECT_EQ(report.method, SolveMethod::cholesky);
  EXPECT_EQ(report.damping, damping);
  EXPECT_EQ(report.retries, 0);
  EXPECT_EQ(report.iterations, 0);
  EXPECT_TRUE(std::isnan(report.rank));
  if (report.structure == Structure::gram) {
    EXPECT_LT(report.residual, allowed);
  }
}

TEST_P(Direction, OfExplicitRowsIsTheOraclesInEveryLayout) {
  run([]<class R>(Backend<R>& backend) {
    for (const auto& [count, parameters] : {std::pair<Index, Index>{1, 1}, {2, 9}, {7, 7}, {9, 2}, {5, 33}})
      for (const Layout& layout : layouts) {
        SCOPED_TRACE(::testing::Message() << count << " rows of " << parameters << ", " << layout);
        const HostMatrix<R> s = random_rows<R>(count, parameters, 131);
        const LaidOut<R> laid_out(backend, s, layout);
        const oracle::Matrix f = fisher_of(to_matrix(s));
        const double damping = static_cast<R>(damping_for(f, tested_condition<R>));
        DirectionSolver<R> solver(backend, {});

        // Any g.
        const HostMatrix<R> g = Random(132).matrix<R>(parameters, 1);
        const DeviceVector<R> device_g(backend, g), d(backend, parameters);
        const DirectionReport report = solver.solve(laid_out.rows(), device_g, damping, d);
        check(report, d, f, damping, to_vector(g.data));
        EXPECT_EQ(report.structure, parameters <= count ? Structure::dense : Structure::gram);
        std::vector<R> host_d;
        solver.solve(laid_out.rows(), g.data, damping, host_d);
        EXPECT_EQ(host_d, d.download().data) << "through host memory";

        // g = Sᵀu.
        const HostMatrix<R> u = Random(133).matrix<R>(count, 1);
        const oracle::Vector stu = oracle::multiply(oracle::transpose(to_matrix(s)), to_vector(u.data));
        const DeviceVector<R> device_u(backend, u), device_stu(backend, rounded<R>(stu));
        Rows<R> rows = laid_out.rows();
        rows.u = device_u;
        check(solver.solve(rows, device_stu, damping, d), d, f, damping, stu);
      }
  });
}

// Rounded to f32, g has lost what a small λ would show; u has not.
TEST_P(Direction, TakesGFromUWhereItIsGiven) {
  run([]<class R>(Backend<R>& backend) {
    const Index count = 6, parameters = 20;
    const HostMatrix<R> s = random_rows<R>(count, parameters, 134), u = Random(135).matrix<R>(count, 1);
    const LaidOut<R> laid_out(backend, s, layouts[0]);
    Rows<R> rows = laid_out.rows();
    const DeviceVector<R> device_u(backend, u), unrelated(backend, Random(136).matrix<R>(parameters, 1)),
        d(backend, parameters);
    rows.u = device_u;
    const double damping = 1e-3 * epsilon<R>;
    DirectionSolver<R> solver(backend, {});
    EXPECT_EQ(solver.solve(rows, unrelated, damping, d).retries, 0);
    const oracle::Matrix exact = to_matrix(s), st = oracle::transpose(exact);
    const oracle::Vector y = oracle::solve(oracle::multiply(exact, st), damping, to_vector(u.data));
    EXPECT_TRUE(close(d.download(), oracle::multiply(st, y), allowed_error<R>(100.0)));
  });
}

TEST_P(Direction, OfANetworksRowsIsThatOfTheSameRowsWrittenOut) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index samples : {3, 33}) {  // fewer rows than parameters, and more
      const oracle::Problem problem =
          random_problem<R>({{3, 4, 3}, {Activation::tanh}, Likelihood::categorical, samples}, 137);
      const OnDevice<R> device(backend, problem);
      Activations<R> acts;
      Signals<R> signals;
      forward(device.net, device.batch().x, acts);
      const Rows<R> factored =
          score_rows(device.net, acts, {}, problem.likelihood, device.batch().y, signals);
      const Index p = factored.parameters(), count = factored.count();
      const DeviceMatrix<R> transposed(backend, p, count);  // Sᵀ
      expand(factored, transposed.view());
      const ExplicitRows<R> written_out(backend, transposed.view().data, count, p, transposed.view().stride,
                                        1, Memory::device);
      const oracle::Vector g = oracle::gradient(problem);
      const oracle::Matrix f = oracle::exact_fisher(problem);
      const double damping = static_cast<R>(damping_for(f, tested_condition<R>));
      const DeviceVector<R> device_g(backend, rounded<R>(g)), d(backend, p);
      DirectionSolver<R> solver(backend, {});
      check(solver.solve(factored, device_g, damping, d), d, f, damping, g);
      check(solver.solve(written_out.rows(), device_g, damping, d), d, f, damping, g);
      for (const Structure structure : {Structure::layer, Structure::diagonal}) {
        DirectionSolver<R> block(backend, {.structure = structure});
        const DirectionReport report = block.solve(factored, device_g, damping, d);
        EXPECT_EQ(report.structure, structure);
        check(report, d, oracle::batch_fisher(problem, ScoreKind::exact, structure), damping, g);
      }
    }
  });
}

TEST_P(Direction, WithoutDampingIsOfMinimumNormAndTellsTheRank) {
  run([]<class R>(Backend<R>& backend) {
    const Index rank = 3;
    for (const auto& [count, parameters] : {std::pair<Index, Index>{5, 12}, {12, 5}}) {
      // Of `rank` independent rows, the others sums of them with small whole numbers.
      const HostMatrix<R> base = random_rows<R>(rank, parameters, 138);
      HostMatrix<R> s(count, parameters);
      for (Index i = 0; i < count; ++i)
        for (Index j = 0; j < parameters; ++j)
          s(i, j) = i < rank ? base(i, j) : base(i % rank, j) + static_cast<R>(i) * base((i + 1) % rank, j);
      const oracle::Matrix exact = to_matrix(s), f = fisher_of(exact);
      oracle::Vector w = oracle::eigen(f).values;
      std::ranges::sort(w, std::greater{});
      const double condition = static_cast<double>(w[0] / w[rank - 1]);
      const oracle::Real cutoff = 1 / static_cast<oracle::Real>(10.0 * condition);

      const HostMatrix<R> u = Random(139).matrix<R>(count, 1);
      const oracle::Vector g = oracle::multiply(oracle::transpose(exact), to_vector(u.data));
      const oracle::Vector wanted = oracle::minimum_norm(f, g, cutoff);
      const LaidOut<R> laid_out(backend, s, layouts[0]);
      const DeviceVector<R> device_u(backend, u), device_g(backend, rounded<R>(g)), d(backend, parameters);
      for (const auto& [with_u, refine] : {std::pair{false, 0}, {true, 0}, {true, 2}}) {
        SCOPED_TRACE(::testing::Message()
                     << count << " rows of " << parameters << ", u " << with_u << ", refined " << refine);
        Rows<R> rows = laid_out.rows();
        if (with_u) rows.u = device_u;
        DirectionSolver<R> solver(backend, {.fisher = {.refine = refine}});
        const DirectionReport report = solver.solve(rows, device_g, 0.0, d);
        EXPECT_EQ(report.method, SolveMethod::eigen);
        EXPECT_EQ(report.damping, 0.0);
        EXPECT_EQ(report.retries, 0);
        EXPECT_TRUE(std::isnan(report.residual))
            << "a part of u that no direction reaches is no error of the solve";
        EXPECT_EQ(report.rank, static_cast<double>(rank));
        EXPECT_TRUE(close(report.condition, w[0] / w[rank - 1], allowed_error<R>(condition)));
        EXPECT_TRUE(close(report.smallest_eigenvalue, w[rank - 1], allowed_error<R>(condition)));
        EXPECT_TRUE(close(d.download(), wanted, allowed_error<R>(condition * condition)));
        EXPECT_TRUE(close(report.quadratic, oracle::product(wanted, f, wanted),
                          allowed_error<R>(condition * condition)));
      }
    }
  });
}

/// Rows all equal to (1, …, 1): of rank 1, with exact zeros where elimination goes on.
template <class R>
HostMatrix<R> equal_rows(Index count, Index parameters) {
  HostMatrix<R> s(count, parameters);
  std::ranges::fill(s.data, R(1));
  return s;
}

TEST_P(Direction, ClimbsTheLadderAsFarAsTheSolverMay) {
  run([]<class R>(Backend<R>& backend) {
    const LaidOut<R> laid_out(backend, equal_rows<R>(4, 2), layouts[0]);
    const DeviceVector<R> g(backend, equal_rows<R>(2, 1)), d(backend, 2);
    const auto solve = [&](Solver solver, double damping) {
      return DirectionSolver<R>(backend, {.solver = solver}).solve(laid_out.rows(), g, damping, d);
    };
    const double lost = 1e-2 * epsilon<R>;  // in 4 + λ
    for (const Solver solver : {Solver::automatic, Solver::cholesky}) {
      const DirectionReport report = solve(solver, lost);
      EXPECT_EQ(report.method, SolveMethod::cholesky);
      EXPECT_GE(report.retries, 2);
      EXPECT_TRUE(close(report.damping, lost * std::pow(10.0, report.retries), 1e-12));
    }
    const DirectionReport last = solve(Solver::automatic, 1e-30);
    EXPECT_EQ(last.method, SolveMethod::eigen);
    EXPECT_EQ(last.retries, 7);
    EXPECT_EQ(last.rank, 1.0);
    EXPECT_TRUE(close(d.download(), oracle::Vector(2, 0.125L), allowed_error<R>())) << "F⁺g, F = 4·11ᵀ";
    EXPECT_EQ(solve(Solver::eigen, 1e-30).retries, 0);
    EXPECT_THROW(solve(Solver::cholesky, 1e-30), NumericError);
  });
}

TEST_P(Direction, OfRowsThatAreNotFiniteIsRefused) {
  run([]<class R>(Backend<R>& backend) {
    for (const R bad : {std::numeric_limits<R>::quiet_NaN(), std::numeric_limits<R>::infinity()})
      for (const auto& [count, parameters] : {std::pair<Index, Index>{3, 7}, {7, 3}}) {
        HostMatrix<R> s = random_rows<R>(count, parameters, 140);
        const DeviceVector<R> g(backend, Random(141).matrix<R>(parameters, 1)), d(backend, parameters);
        DirectionSolver<R> solver(backend, {});
        {
          const LaidOut<R> good(backend, s, layouts[0]);
          EXPECT_NO_THROW(solver.solve(good.rows(), g, 0.1, d));
          HostMatrix<R> bad_g = Random(141).matrix<R>(parameters, 1);
          bad_g(1, 0) = bad;
          EXPECT_THROW(solver.solve(good.rows(), DeviceVector<R>(backend, bad_g), 0.1, d), NumericError);
        }
        s(1, 2) = bad;
        const LaidOut<R> laid_out(backend, s, layouts[0]);
        for (const double damping : {0.1, 0.0}) {
          try {
            solver.solve(laid_out.rows(), g, damping, d);
            ADD_FAILURE() << "with " << bad << ", damping " << damping;
          } catch (const NumericError& error) {
            EXPECT_NE(std::string(error.what()).find("must be finite"), std::string::npos) << error.what();
          }
        }
      }
  });
}

TEST_P(Direction, RejectsShapesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const HostMatrix<R> s = random_rows<R>(3, 4, 142);
    const auto rows = [&](Index row_stride, Index column_stride) {
      ExplicitRows<R>(backend, s.data.data(), 3, 4, row_stride, column_stride, Memory::host);
    };
    EXPECT_NO_THROW(rows(4, 1));
    EXPECT_NO_THROW(rows(1, 3));
    for (const auto& [row_stride, column_stride] :
         {std::pair<Index, Index>{3, 1}, {1, 2}, {2, 2}, {0, 1}, {-4, 1}, {1, 1}})
      EXPECT_THROW(rows(row_stride, column_stride), ShapeError) << row_stride << ", " << column_stride;

    const LaidOut<R> laid_out(backend, s, layouts[0]);
    DirectionSolver<R> solver(backend, {});
    const DeviceVector<R> g(backend, Random(143).matrix<R>(4, 1)), d(backend, 4), short_g(backend, 3),
        short_d(backend, 3);
    EXPECT_NO_THROW(solver.solve(laid_out.rows(), g, 0.1, d));
    EXPECT_THROW(solver.solve(laid_out.rows(), short_g, 0.1, d), ShapeError);
    EXPECT_THROW(solver.solve(laid_out.rows(), g, 0.1, short_d), ShapeError);
    std::vector<R> host_d;
    EXPECT_THROW(solver.solve(laid_out.rows(), std::vector<R>(3), 0.1, host_d), ShapeError);
  });
}

TEST_P(Direction, KeepsItsMemoryWhileTheShapeStays) {
  run([]<class R>(Backend<R>& backend) {
    DirectionSolver<R> solver(backend, {});
    const LaidOut<R> wide(backend, random_rows<R>(3, 9, 144), layouts[0]),
        tall(backend, random_rows<R>(12, 9, 145), layouts[0]);
    const DeviceVector<R> g(backend, Random(146).matrix<R>(9, 1)), d(backend, 9);
    EXPECT_EQ(solver.solve(wide.rows(), g, 0.1, d).structure, Structure::gram);
    const HostMatrix<R> first = d.download();
    solver.solve(wide.rows(), g, 0.1, d);
    const std::size_t allocations = backend.allocations();
    solver.solve(wide.rows(), g, 0.1, d);
    EXPECT_EQ(backend.allocations(), allocations);
    EXPECT_TRUE(identical(d.download(), first));
    EXPECT_EQ(solver.solve(tall.rows(), g, 0.1, d).structure, Structure::dense);
  });
}

}  // namespace
}  // namespace natgrad
