/// The cooperative Cholesky kernel with every number of blocks: the backend takes as many as its device runs.
#include "small_cholesky.cuh"

#include <gtest/gtest.h>

#include <limits>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {
namespace {

constexpr Index orders[] = {1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 200};
constexpr double condition = 1e3;
constexpr int all_blocks = std::numeric_limits<int>::max();
constexpr double threshold = 3.0;  // of residuals, in units of n·ε

/// What one launch leaves behind.
template <class R>
struct Outcome {
  HostMatrix<R> l, x;
  double info, largest;
};

template <class R>
class SmallCholesky : public ::testing::Test {
 protected:
  /// F + λI factored in place or not, b: n × 1 or empty.
  Outcome<R> factor(const HostMatrix<R>& f, R lambda, const HostMatrix<R>& b, bool in_place = false,
                    int blocks = all_blocks, Index minors_before = 0) {
    Backend<R>& backend = *backend_;
    const DeviceMatrix<R> d_f(backend, lower_only(f)), d_l(backend, f.rows, f.rows, 5), d_b(backend, b);
    const DeviceMatrix<R> workspace(backend, b.rows, b.cols);
    const DeviceMatrix<double> slots(backend, HostMatrix<double>(2, 1));
    backend.synchronize();
    kernels::small_cholesky<R>(d_f, lambda, in_place ? d_f.view() : d_l.view(), {d_b.view().data, b.rows},
                               workspace.view().data,
                               {slots.view().data, slots.view().data + 1, minors_before}, nullptr, blocks);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    if (!in_place) {
      EXPECT_TRUE(identical(d_f.download(), f, Part::lower)) << "F has changed";
    }
    workspace.download();  // fails where something was written behind its end
    const HostMatrix<double> found = slots.download();
    return {(in_place ? d_f : d_l).download(), d_b.download(), found(0, 0), found(1, 0)};
  }

 private:
  std::unique_ptr<Backend<R>> backend_ = make_cuda_backend<R>();
};

using Precisions = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SmallCholesky, Precisions);

template <class R>
HostMatrix<R> damped(HostMatrix<R> f, R lambda) {
  for (Index i = 0; i < f.rows; ++i) f(i, i) += lambda;
  return f;
}

TYPED_TEST(SmallCholesky, FactorsAndSolvesToBackwardErrorOfRounding) {
  using R = TypeParam;
  for (const Index n : orders) {
    const HostMatrix<R> f = Random(n).spd<R>(n, condition), b = Random(1).matrix<R>(n, 1);
    const R lambda = R(0.01);
    const Outcome<R> found = this->factor(f, lambda, b);
    EXPECT_EQ(found.info, 0.0) << "order " << n;
    EXPECT_EQ(found.largest,
              [&] {
                double largest = 0.0;
                for (Index i = 0; i < n; ++i) largest = std::max(largest, static_cast<double>(f(i, i)));
                return largest;
              }())
        << "order " << n;
    EXPECT_TRUE(identical(found.l, found.l, Part::lower)) << "above the diagonal, order " << n;
    EXPECT_LT(cholesky_ratio(found.l, damped(f, lambda)), threshold) << "LLᵀ − F − λI, order " << n;
    EXPECT_LT(backward_error(damped(f, lambda), found.x, b), threshold) << "b − (F + λI)x, order " << n;
  }
}

TYPED_TEST(SmallCholesky, GivesTheSameBitsWithAnyNumberOfBlocksInPlaceAndWithoutARightHandSide) {
  using R = TypeParam;
  for (const Index n : {17, 64, 129, 200}) {
    const HostMatrix<R> f = Random(n).spd<R>(n, condition), b = Random(1).matrix<R>(n, 1);
    const Outcome<R> wanted = this->factor(f, R(0.01), b, false, 1);
    for (const int blocks : {2, 3, 4}) {
      const Outcome<R> found = this->factor(f, R(0.01), b, false, blocks);
      EXPECT_TRUE(identical(found.l, wanted.l, Part::lower))
          << "L, order " << n << ", " << blocks << " blocks";
      EXPECT_TRUE(identical(found.x, wanted.x)) << "x, order " << n << ", " << blocks << " blocks";
    }
    const Outcome<R> in_place = this->factor(f, R(0.01), b, true);
    EXPECT_TRUE(identical(in_place.l, wanted.l, Part::lower)) << "L in place, order " << n;
    EXPECT_TRUE(identical(in_place.x, wanted.x)) << "x in place, order " << n;
    EXPECT_TRUE(identical(this->factor(f, R(0.01), HostMatrix<R>(0, 1)).l, wanted.l, Part::lower))
        << "L alone, order " << n;
  }
}

TYPED_TEST(SmallCholesky, AFailureIsCountedFromTheMinorsBeforeAndLeavesNan) {
  using R = TypeParam;
  for (const Index n : {5, 70, 150})
    for (const Index minor : {Index{0}, n / 2, n - 1}) {
      HostMatrix<R> f = Random(2).spd<R>(n, condition);
      f(minor, minor) = R(-1);
      const Outcome<R> found = this->factor(f, R(0), Random(1).matrix<R>(n, 1), false, all_blocks, 1000);
      EXPECT_EQ(found.info, static_cast<double>(1000 + minor + 1)) << "order " << n;
      for (Index i = 0; i < n; ++i) {
        EXPECT_EQ(std::isnan(found.l(i, i)), i >= minor) << "L, row " << i << " of order " << n;
        EXPECT_TRUE(std::isnan(found.x(i, 0))) << "x, row " << i << " of order " << n;
      }
    }
}

}  // namespace
}  // namespace natgrad
