/// The factorisation in mixed precision, with blocks so small that a small matrix has several.
#include "cuda/blocked_cholesky.hpp"

#include <gtest/gtest.h>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {
namespace {

constexpr float lambda = 1e-3f;
constexpr double threshold = 3.0;  // of residuals, in units of ε: n·ε would let TF32 pass

struct Outcome {
  HostMatrix<float> l, x;
  double info, largest;
};

class MixedCholeskyTest : public ::testing::Test {
 protected:
  Outcome solve(const HostMatrix<float>& f, const HostMatrix<float>& b, const MixedCholesky& options) {
    const Index n = f.rows;
    const DeviceMatrix<float> d_f(*memory_, lower_only(f)), bordered(*memory_, n + 1, n + 1);
    const DeviceVector<float> d_b(*memory_, b), workspace(*memory_, 2 * n);
    device_.set_scalar(Slot::factor_info, 0.0);
    device_.set_scalar(Slot::largest_diagonal, 0.0);
    mixed_factor_and_solve(device_, d_f, lambda, bordered, d_b, workspace.view().data, options);
    const Scalars scalars = device_.read_scalars();
    const HostMatrix<float> f_after = d_f.download(), f_before = lower_only(f);
    EXPECT_EQ(std::memcmp(f_after.data.data(), f_before.data.data(), f_after.data.size() * sizeof(float)), 0)
        << "F has changed";
    workspace.download();  // fails where something was written behind its end
    HostMatrix<float> l(n, n);
    const HostMatrix<float> all = bordered.download();
    for (Index j = 0; j < n; ++j)
      for (Index i = j; i < n; ++i) l(i, j) = all(i, j);
    return {l, d_b.download(), scalars[Slot::factor_info], scalars[Slot::largest_diagonal]};
  }

 private:
  StreamHandle stream_ = make_stream();
  std::unique_ptr<Backend<float>> memory_ = make_cuda_backend<float>(0, stream_.get());
  CudaDevice device_{0, stream_.get()};
};

/// ‖b − Ax‖₁ / (‖A‖₁ ‖x‖₁ ε)
double residual_in_epsilons(const HostMatrix<float>& a, const HostMatrix<float>& x,
                            const HostMatrix<float>& b) {
  return static_cast<double>(a.rows) * backward_error(a, x, b);
}

HostMatrix<float> damped(HostMatrix<float> f) {
  for (Index i = 0; i < f.rows; ++i) f(i, i) += lambda;
  return f;
}

TEST_F(MixedCholeskyTest, SolvesToTheBackwardErrorOfF32FromAFactorRoundedToTf32) {
  for (const auto& [n, panel, tile] : {std::array<Index, 3>{1, 16, 16},
                                       {16, 16, 16},
                                       {17, 16, 32},
                                       {100, 32, 48},
                                       {128, 16, 32},
                                       {150, 32, 16}}) {
    const HostMatrix<float> f = Random(static_cast<std::uint64_t>(n)).spd<float>(n, 1e4);
    const HostMatrix<float> b = Random(1).matrix<float>(n, 1);
    const Outcome found = solve(f, b, {panel, tile});
    EXPECT_EQ(found.info, 0.0) << "order " << n;
    double largest = 0.0;
    for (Index i = 0; i < n; ++i) largest = std::max(largest, static_cast<double>(f(i, i)));
    EXPECT_EQ(found.largest, largest) << "order " << n;
    EXPECT_LT(cholesky_ratio(found.l, damped(f)) * epsilon<float>, threshold * 0x1p-11)
        << "LLᵀ − F − λI, order " << n;
    EXPECT_LT(residual_in_epsilons(damped(f), found.x, b), threshold) << "b − (F + λI)x, order " << n;
  }
}

TEST_F(MixedCholeskyTest, WithoutRefinementTheSolutionHasTheErrorOfTf32) {
  const Index n = 150;
  const HostMatrix<float> f = Random(4).spd<float>(n, 1e4), b = Random(1).matrix<float>(n, 1);
  const auto error = [&](int refinements) {
    return residual_in_epsilons(damped(f), solve(f, b, {16, 32, refinements}).x, b);
  };
  EXPECT_GT(error(0), threshold) << "products in full f32";
  EXPECT_LT(error(1), threshold);
}

TEST_F(MixedCholeskyTest, ReportsTheFirstFailedMinorOfAllPanelsAndOfTheRightHandSide) {
  const Index n = 70;
  const HostMatrix<float> b = Random(1).matrix<float>(n, 1);
  for (const Index minor : {0, 15, 16, 40, 69}) {
    HostMatrix<float> f = Random(2).spd<float>(n, 1e3);
    f(minor, minor) = -1.0f;
    const Outcome found = solve(f, b, {16, 32});
    EXPECT_EQ(found.info, static_cast<double>(minor + 1));
    for (const float x : found.x.data) EXPECT_TRUE(std::isnan(x)) << "minor " << minor;
    f(minor, minor) = std::numeric_limits<float>::quiet_NaN();
    EXPECT_NE(solve(f, b, {16, 32}).info, 0.0) << "NaN at " << minor;
  }
  HostMatrix<float> huge = b;
  huge(3, 0) = 1e30f;
  EXPECT_NE(solve(Random(2).spd<float>(n, 1e3), huge, {16, 32}).info, 0.0);
}

}  // namespace
}  // namespace natgrad
