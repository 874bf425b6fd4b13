/// Division by eigenvalues, with a cut-off, and what the slots tell of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"
#include "support/shape_errors.hpp"

namespace natgrad {
namespace {

using Spectral = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Spectral, ::testing::ValuesIn(backend_cases()), backend_case_name);

TEST_P(Spectral, SolveCutsOffAndAddsToTheRank) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index n : {0, 1, 2, 31, 33, 597}) {
      HostMatrix<R> w(n, 1);
      for (Index i = 0; i < n; ++i)
        w(i, 0) = static_cast<R>(std::pow(2.0, static_cast<double>(i - n + 1) / 4.0));
      if (n > 1) w(0, 0) = R(-1);
      if (n > 2) w(1, 0) = R(0);
      const HostMatrix<R> c = Random(6).matrix<R>(n, 1);
      const R cutoff = R(0x1p-20);
      double rank = 0.0;
      const auto solve = [&](Backend<R>& b) {
        const DeviceVector<R> d_w(b, w), d_c(b, c);
        b.set_scalar(Slot::rank, 5.0);
        b.spectral_solve(d_w, cutoff, d_c);
        rank = b.read_scalars()[Slot::rank];
        return d_c.download();
      };
      const HostMatrix<R> found = solve(backend);
      const Index kept = std::count_if(w.data.begin(), w.data.end(), [&](R x) { return x > cutoff; });
      EXPECT_EQ(rank, static_cast<double>(5 + kept)) << "n " << n;
      EXPECT_TRUE(relative(found, solve(*make_reference_backend<R>()), 2.0)) << "n " << n;
    }
  });
}

TEST_P(Spectral, SolvesGatherTheLargestEigenvalueAndTheSmallestKept) {
  run([]<class R>(Backend<R>& backend) {
    const auto solve = [&](std::vector<R> values) {
      HostMatrix<R> w(static_cast<Index>(values.size()), 1);
      w.data = values;
      backend.spectral_solve(DeviceVector<R>(backend, w), R(0.125), DeviceVector<R>(backend, w));
      const Scalars scalars = backend.read_scalars();
      return std::pair{scalars[Slot::smallest_eigenvalue], scalars[Slot::largest_eigenvalue]};
    };
    const auto extremes = [](double smallest, double largest) { return std::pair{smallest, largest}; };
    backend.set_scalar(Slot::smallest_eigenvalue, 0.0);
    backend.set_scalar(Slot::largest_eigenvalue, 0.0);
    EXPECT_EQ(solve({}), extremes(0, 0)) << "no matrix";
    EXPECT_EQ(solve({R(-1), R(0), R(0.25), R(1), R(4)}), extremes(1, 4)) << "kept are those above ½";
    EXPECT_EQ(solve({R(2), R(3)}), extremes(1, 4)) << "between those before";
    EXPECT_EQ(solve({R(0.75)}), extremes(0.75, 4));
    EXPECT_EQ(solve({R(0.25), R(8)}), extremes(0.75, 8));
    EXPECT_EQ(solve({}), extremes(0.75, 8)) << "no matrix changes nothing";
    EXPECT_EQ(solve({R(0), R(0)}), extremes(0.75, 8)) << "a matrix of zeros keeps none";
  });
}

TEST_P(Spectral, SolveRejectsShapesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceVector<R> v2(backend, 2), v3(backend, 3);
    EXPECT_TRUE(rejects_shapes("spectral_solve", [&] { backend.spectral_solve(v3, R(0), v2); }));
  });
}

}  // namespace
}  // namespace natgrad
