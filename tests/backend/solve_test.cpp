/// Damping, Cholesky, eigenproblems: judged by residuals in units of n·ε.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {
namespace {

using Solve = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Solve, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr Index orders[] = {0, 1, 2, 3, 5, 10, 15, 16, 17, 31, 32, 33, 50, 63, 64, 65, 127, 128, 129, 200};
constexpr std::pair<Index, Index> batches[] = {{3, 0}, {0, 3},   {1, 3},  {2, 33},
                                               {5, 3}, {11, 10}, {31, 2}, {65, 3}};
constexpr double condition = 1e3;
constexpr double threshold = 3.0;  // of residuals, in units of n·ε

/// Matrix k of a batch that lies side by side.
template <class R>
HostMatrix<R> matrix_of(const HostMatrix<R>& batch, Index k) {
  HostMatrix<R> m(batch.rows, batch.rows);
  std::copy_n(batch.data.begin() + k * m.view().size(), m.view().size(), m.data.begin());
  return m;
}

template <class R>
HostMatrix<R> side_by_side(const std::vector<HostMatrix<R>>& matrices, Index n) {
  HostMatrix<R> batch(n, 0);
  for (const HostMatrix<R>& m : matrices) batch.data.insert(batch.data.end(), m.data.begin(), m.data.end());
  batch.cols = n * static_cast<Index>(matrices.size());
  return batch;
}

template <class R>
std::vector<HostMatrix<R>> random_spd_matrices(Index n, Index count) {
  Random random(static_cast<std::uint64_t>(100 * n + count));
  std::vector<HostMatrix<R>> matrices;
  for (Index k = 0; k < count; ++k) matrices.push_back(random.spd<R>(n, condition));
  return matrices;
}

/// Slot factor_info after the Cholesky factorisation of lower triangles.
template <class R>
double factor_info(Backend<R>& backend, const std::vector<HostMatrix<R>>& matrices) {
  const Index n = matrices[0].rows, count = static_cast<Index>(matrices.size());
  const DeviceBatch<R> batch(backend, lower_only(side_by_side(matrices, n)), count);
  backend.set_scalar(Slot::factor_info, 0.0);
  backend.cholesky(batch);
  return backend.read_scalars()[Slot::factor_info];
}

/// Factors a batch and solves for columns right-hand sides; checks every residual.
template <class R>
void check_cholesky(Backend<R>& backend, Index n, Index count, Index columns) {
  const std::string where = std::to_string(count) + " of order " + std::to_string(n);
  const std::vector<HostMatrix<R>> a = random_spd_matrices<R>(n, count);
  const DeviceBatch<R> d_a(backend, lower_only(side_by_side(a, n)), count);
  backend.set_scalar(Slot::factor_info, 0.0);
  backend.cholesky(d_a);
  EXPECT_EQ(backend.read_scalars()[Slot::factor_info], 0.0) << where;

  const HostMatrix<R> factors = d_a.download();
  if (count == 1) {  // cuSOLVER works in the upper triangles of a batch; those of a single matrix stay
    EXPECT_TRUE(identical(factors, factors, Part::lower)) << where;
  }
  for (Index k = 0; k < count; ++k)
    EXPECT_LT(cholesky_ratio(matrix_of(factors, k), a[static_cast<std::size_t>(k)]), threshold)
        << "LLᵀ − A, matrix " << k << ", " << where;

  const HostMatrix<R> b = Random(1).matrix<R>(n, columns);
  const DeviceMatrix<R> d_b(backend, b);
  backend.cholesky_solve(d_a, d_b);
  const HostMatrix<R> x = d_b.download();
  for (Index k = 0; k < columns; ++k) {
    const HostMatrix<R>& matrix = a[static_cast<std::size_t>(count == 1 ? 0 : k)];
    HostMatrix<R> x_k(n, 1), b_k(n, 1);
    std::copy_n(x.data.begin() + k * n, n, x_k.data.begin());
    std::copy_n(b.data.begin() + k * n, n, b_k.data.begin());
    EXPECT_LT(backward_error(matrix, x_k, b_k), threshold) << "b − Ax, column " << k << ", " << where;
  }
}

TEST_P(Solve, DampAddsToTheDiagonalAndFindsTheLargest) {
  run([]<class R>(Backend<R>& backend) {
    for (const auto& [n, count] :
         {std::pair<Index, Index>{0, 1}, {1, 1}, {2, 3}, {31, 2}, {33, 1}, {65, 3}}) {
      const HostMatrix<R> f = lower_only(side_by_side(random_spd_matrices<R>(n, count), n));
      double largest = poison<double>();
      const auto damp = [&](Backend<R>& b) {
        const DeviceBatch<R> d_f(b, f, count), d_out(b, n, count);
        b.set_scalar(Slot::largest_diagonal, 0.0);
        b.damp(d_f, R(0.3), d_out);
        largest = b.read_scalars()[Slot::largest_diagonal];
        EXPECT_TRUE(f.data.empty() ||
                    std::memcmp(d_f.download().data.data(), f.data.data(), f.data.size() * sizeof(R)) == 0)
            << "damp changed its input";
        return d_out.download();
      };
      const HostMatrix<R> found = damp(backend);
      const double found_largest = largest;
      const HostMatrix<R> wanted = damp(*make_reference_backend<R>());
      const std::string where = std::to_string(count) + " of order " + std::to_string(n);
      EXPECT_TRUE(identical(found, wanted, Part::lower)) << where;
      EXPECT_EQ(found_largest, largest) << where;
    }
  });
}

TEST_P(Solve, ASingleMatrixMayHaveAStride) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index n : {1, 2, 31, 33, 70}) {
      const HostMatrix<R> f = Random(10).spd<R>(n, condition), b = Random(11).matrix<R>(n, 3);
      const R lambda = R(0.25);
      HostMatrix<R> damped = f;
      for (Index i = 0; i < n; ++i) damped(i, i) += lambda;
      const DeviceMatrix<R> d_f(backend, lower_only(f), 1), bordered(backend, n + 1, n + 1), d_b(backend, b);
      const BatchView<R> l(bordered.view().block(0, 0, n, n));
      backend.damp(BatchView<R>(d_f.view()), lambda, l);
      const HostMatrix<R> border = bordered.download();
      for (Index j = 0; j <= n; ++j)
        for (Index i = 0; i <= n; ++i)
          if (i < n && i >= j)
            EXPECT_EQ(border(i, j), damped(i, j)) << "(" << i << ", " << j << ") of order " << n;
          else
            EXPECT_TRUE(is_poison(border(i, j))) << "(" << i << ", " << j << ") of order " << n;
      backend.set_scalar(Slot::factor_info, 0.0);
      backend.cholesky(l);
      backend.cholesky_solve(l, d_b);
      EXPECT_EQ(backend.read_scalars()[Slot::factor_info], 0.0) << "order " << n;
      EXPECT_LT(backward_error(damped, d_b.download(), b), threshold) << "order " << n;
    }
  });
}

TEST_P(Solve, TheLargestDiagonalGathersOverCalls) {
  run([]<class R>(Backend<R>& backend) {
    HostMatrix<R> f(2, 2);
    f.data = {R(3), R(0), R(0), R(5)};
    const DeviceBatch<R> d_f(backend, f, 1), d_out(backend, 2, 1);
    backend.set_scalar(Slot::largest_diagonal, 0.0);
    backend.damp(d_f, R(100), d_out);
    EXPECT_EQ(backend.read_scalars()[Slot::largest_diagonal], 5.0) << "of F, not of F + λI";
    backend.set_scalar(Slot::largest_diagonal, 8.0);
    backend.damp(d_f, R(100), d_out);
    EXPECT_EQ(backend.read_scalars()[Slot::largest_diagonal], 8.0) << "an earlier call's is larger";
    backend.damp(DeviceBatch<R>(backend, 0, 1), R(1), DeviceBatch<R>(backend, 0, 1));
    EXPECT_EQ(backend.read_scalars()[Slot::largest_diagonal], 8.0) << "an empty matrix changes nothing";
  });
}

TEST_P(Solve, TheFirstFailureOfSeveralCallsStays) {
  run([]<class R>(Backend<R>& backend) {
    HostMatrix<R> bad(2, 2);
    bad.data = {R(1), R(0), R(0), R(-1)};
    const DeviceBatch<R> indefinite(backend, bad, 1), negative(backend, HostMatrix<R>(3, 3), 1);
    const DeviceBatch<R> good(backend, Random(7).spd<R>(3, condition), 1), empty(backend, 0, 1);
    const DeviceVector<R> w(backend, 3);
    backend.set_scalar(Slot::factor_info, 0.0);
    backend.cholesky(indefinite);
    backend.cholesky(negative);
    backend.cholesky(good);
    backend.cholesky(empty);
    backend.eigen(DeviceMatrix<R>(backend, Random(8).spd<R>(3, condition)), w);
    EXPECT_EQ(backend.read_scalars()[Slot::factor_info], 2.0);
  });
}

TEST_P(Solve, CholeskySolvesToBackwardErrorOfRounding) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index n : orders) check_cholesky<R>(backend, n, 1, 3);
    for (const Index columns : awkward_sizes) check_cholesky<R>(backend, 33, 1, columns);
  });
}

TEST_P(Solve, CholeskyOfABatchSolvesOneColumnForEachMatrix) {
  run([]<class R>(Backend<R>& backend) {
    for (const auto& [n, count] : batches) check_cholesky<R>(backend, n, count, count);
    for (const Index n : orders) check_cholesky<R>(backend, n, 2, 2);
  });
}

TEST_P(Solve, AnIndefiniteMatrixIsReportedAtItsFirstBadMinor) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index n : orders) {
      if (n == 0) continue;
      for (const Index minor : {Index{0}, n / 2, n - 1}) {
        HostMatrix<R> a = Random(2).spd<R>(n, condition);
        a(minor, minor) = R(-1);  // minors before this one stay positive
        EXPECT_EQ(factor_info<R>(backend, {a}), static_cast<double>(minor + 1)) << "order " << n;
      }
      EXPECT_EQ(factor_info<R>(backend, {HostMatrix<R>(n, n)}), 1.0) << "zero matrix of order " << n;
    }
  });
}

TEST_P(Solve, TheFirstFailingMatrixOfABatchIsReported) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index n : {3, 17, 33, 65}) {
      std::vector<HostMatrix<R>> batch = random_spd_matrices<R>(n, 4);
      batch[1](2, 2) = R(-1);
      batch[2](0, 0) = R(-1);
      EXPECT_EQ(factor_info(backend, batch), 3.0) << "order " << n;
      batch[1](2, 2) = R(2);
      EXPECT_EQ(factor_info(backend, batch), 1.0) << "order " << n;
      batch[2](0, 0) = R(2);
      EXPECT_EQ(factor_info(backend, batch), 0.0) << "order " << n << ", repaired";
    }
  });
}

/// Places (row, column) of the lower triangle: all of a small one, corners, edges and middle of a large one.
std::vector<std::pair<Index, Index>> places(Index n) {
  std::vector<std::pair<Index, Index>> found;
  for (Index j = 0; j < n; ++j)
    for (Index i = j; i < n; ++i)
      if (n <= 5 || ((i == 0 || i == n / 2 || i == n - 1) && (j == 0 || j == n / 2 || j == n - 1)))
        found.emplace_back(i, j);
  return found;
}

TEST_P(Solve, CholeskyReportsNanAndInfinityAnywhere) {
  run([]<class R>(Backend<R>& backend) {
    const R infinity = std::numeric_limits<R>::infinity();
    for (const Index n : {1, 2, 5, 17, 33, 65, 129})
      for (const auto& [i, j] : places(n))
        for (const R bad : {std::numeric_limits<R>::quiet_NaN(), infinity, -infinity}) {
          HostMatrix<R> a = Random(3).spd<R>(n, condition);
          a(i, j) = bad;
          EXPECT_NE(factor_info<R>(backend, {a}), 0.0)
              << bad << " at (" << i << ", " << j << ") of order " << n;
          const HostMatrix<R> good = Random(3).spd<R>(n, condition);
          EXPECT_NE(factor_info<R>(backend, {good, a, good}), 0.0)
              << bad << " at (" << i << ", " << j << ") of the middle matrix of a batch of order " << n;
        }
  });
}

TEST_P(Solve, EigenDiagonalizesWithOrthogonalVectorsInAscendingOrder) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index n : {0, 1, 2, 3, 5, 16, 31, 33, 64, 129}) {
      HostMatrix<R> a = Random(4).spd<R>(n, condition);
      if (n > 1) a(n - 1, n - 1) = R(-0.5);  // one negative eigenvalue
      const DeviceMatrix<R> d_v(backend, lower_only(a));
      const DeviceVector<R> d_w(backend, n);
      backend.set_scalar(Slot::factor_info, 0.0);
      backend.eigen(d_v, d_w);
      EXPECT_EQ(backend.read_scalars()[Slot::factor_info], 0.0) << "order " << n;
      const HostMatrix<R> v = d_v.download(), w = d_w.download();

      HostMatrix<R> identity(n, n), scaled = v;
      for (Index j = 0; j < n; ++j) {
        identity(j, j) = R(1);
        for (Index i = 0; i < n; ++i) scaled(i, j) *= w(j, 0);
        EXPECT_LE(w(std::max<Index>(j - 1, 0), 0), w(j, 0)) << "order " << n << ", eigenvalue " << j;
      }
      EXPECT_LT(residual_ratio(product(v, v, true, false), identity, n, 1.0), threshold)
          << "VᵀV − I, order " << n;
      EXPECT_LT(residual_ratio(product(a, v), scaled, n, norm1(a)), threshold) << "AV − VW, order " << n;
    }
  });
}

TEST_P(Solve, EigenReportsNanAndInfinityAnywhere) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index n : {1, 2, 5, 33})
      for (const auto& [i, j] : places(n))
        for (const R bad : {std::numeric_limits<R>::quiet_NaN(), std::numeric_limits<R>::infinity()}) {
          HostMatrix<R> a = Random(5).spd<R>(n, condition);
          a(i, j) = bad;
          const DeviceMatrix<R> d_a(backend, lower_only(a));
          const DeviceVector<R> d_w(backend, n);
          backend.set_scalar(Slot::factor_info, 0.0);
          backend.eigen(d_a, d_w);
          EXPECT_NE(backend.read_scalars()[Slot::factor_info], 0.0)
              << bad << " at (" << i << ", " << j << ") of order " << n;
        }
  });
}

TEST_P(Solve, RejectsShapesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceBatch<R> two_of_3(backend, 3, 2), three_of_3(backend, 3, 3), two_of_2(backend, 2, 2),
        one_of_3(backend, 3, 1);
    const DeviceMatrix<R> m32(backend, 3, 2), m33(backend, 3, 3), m22(backend, 2, 2);
    const DeviceVector<R> v2(backend, 2), v3(backend, 3);
    EXPECT_THROW(backend.damp(two_of_3, R(1), three_of_3), ShapeError);
    EXPECT_THROW(backend.damp(two_of_3, R(1), two_of_2), ShapeError);
    EXPECT_THROW(backend.cholesky_solve(two_of_3, m33), ShapeError);
    EXPECT_THROW(backend.cholesky_solve(two_of_3, m22), ShapeError);
    EXPECT_THROW(backend.cholesky_solve(one_of_3, m22), ShapeError);
    EXPECT_THROW(backend.eigen(m32, v3), ShapeError);
    EXPECT_THROW(backend.eigen(m32, v2), ShapeError);
    EXPECT_THROW(backend.eigen(m33, v2), ShapeError);
  });
}

}  // namespace
}  // namespace natgrad
