/// The step αd + μs that minimises the quadratic model along a direction and the step before.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/backends.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {
namespace {

using QuadraticStep = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, QuadraticStep, ::testing::ValuesIn(backend_cases()), backend_case_name);

/// The slots read, in the order of their names below.
struct Model {
  double f_dd, f_ds, f_ss, n_dd, n_ds, n_ss, g_d, g_s;
};
constexpr Slot inputs[] = {Slot::fisher_dd, Slot::fisher_ds, Slot::fisher_ss, Slot::norm_dd,
                           Slot::norm_ds,   Slot::norm_ss,   Slot::slope_d,   Slot::slope_s};

struct Step {
  double alpha, mu, quadratic;
};

template <class R>
Step step(Backend<R>& b, const Model& m, double kappa) {
  const double values[] = {m.f_dd, m.f_ds, m.f_ss, m.n_dd, m.n_ds, m.n_ss, m.g_d, m.g_s};
  for (std::size_t k = 0; k < std::size(inputs); ++k) b.set_scalar(inputs[k], values[k]);
  for (const Slot output : {Slot::rate, Slot::momentum, Slot::quadratic}) b.set_scalar(output, -7.0);
  b.quadratic_step(kappa);
  const Scalars scalars = b.read_scalars();
  return {scalars[Slot::rate], scalars[Slot::momentum], scalars[Slot::quadratic]};
}

/// Of random d, s and positive definite F, all of order 3.
Model random_model(std::uint64_t seed) {
  Random random(seed);
  const HostMatrix<double> f = random.spd<double>(3, 20.0), d = random.matrix<double>(3, 1),
                           s = random.matrix<double>(3, 1), g = random.matrix<double>(3, 1);
  const auto form = [&](const HostMatrix<double>& x, const HostMatrix<double>& y) {
    double sum = 0.0;
    for (Index j = 0; j < 3; ++j)
      for (Index i = 0; i < 3; ++i) sum += x(i, 0) * f(i, j) * y(j, 0);
    return sum;
  };
  const auto dot = [](const HostMatrix<double>& x, const HostMatrix<double>& y) {
    return x(0, 0) * y(0, 0) + x(1, 0) * y(1, 0) + x(2, 0) * y(2, 0);
  };
  return {form(d, d), form(d, s), form(s, s), dot(d, d), dot(d, s), dot(s, s), dot(g, d), dot(g, s)};
}

TEST_P(QuadraticStep, SolvesTheSystemOfItsModel) {
  run([]<class R>(Backend<R>& backend) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed)
      for (const double kappa : {0.0, 0.01, 10.0}) {
        const Model m = random_model(seed);
        const Step found = step(backend, m, kappa), wanted = step(*make_reference_backend<R>(), m, kappa);
        const double dd = m.f_dd + kappa * m.n_dd, ds = m.f_ds + kappa * m.n_ds, ss = m.f_ss + kappa * m.n_ss;
        const double condition = 1.0 / (1.0 - ds * ds / (dd * ss));  // of the system scaled to unit diagonal
        const double allowed = 32.0 * epsilon<double> * condition;
        const double length_d = std::abs(wanted.alpha) * std::sqrt(dd),
                     length_s = std::abs(wanted.mu) * std::sqrt(ss), length = length_d + length_s;
        EXPECT_TRUE(near(found.alpha, wanted.alpha, allowed * length / std::sqrt(dd))) << "seed " << seed;
        EXPECT_TRUE(near(found.mu, wanted.mu, allowed * length / std::sqrt(ss))) << "seed " << seed;
        EXPECT_TRUE(near(found.quadratic, wanted.quadratic, 4.0 * allowed * length * length))
            << "seed " << seed;
      }
  });
}

TEST_P(QuadraticStep, DoesNotDependOnTheLengthsOfDAndS) {
  run([]<class R>(Backend<R>& backend) {
    const double by_d = 0x1p-40, by_s = 0x1p30;
    const Model m = random_model(3);
    const Model scaled{m.f_dd * by_d * by_d, m.f_ds * by_d * by_s, m.f_ss * by_s * by_s, m.n_dd * by_d * by_d,
                       m.n_ds * by_d * by_s, m.n_ss * by_s * by_s, m.g_d * by_d,         m.g_s * by_s};
    const Step once = step(backend, m, 0.5), again = step(backend, scaled, 0.5);
    const double few = 16.0 * epsilon<double>;
    EXPECT_TRUE(near(again.alpha * by_d, once.alpha, few * std::abs(once.alpha)));
    EXPECT_TRUE(near(again.mu * by_s, once.mu, few * std::abs(once.mu)));
    EXPECT_TRUE(near(again.quadratic, once.quadratic, few * std::abs(once.quadratic)));
  });
}

TEST_P(QuadraticStep, HasNoMomentumWhereTheStepBeforeIsZeroOrAlongTheDirection) {
  run([]<class R>(Backend<R>& backend) {
    const double few = 8.0 * epsilon<double>;
    const auto along = [&](double t) {  // s = td, with F = 3 along d
      const Step found = step(backend, {3.0, 3.0 * t, 3.0 * t * t, 1.0, t, t * t, 6.0, 6.0 * t}, 1.0);
      EXPECT_EQ(found.mu, 0.0) << "s = " << t << "d";
      EXPECT_TRUE(near(found.alpha, 1.5, few * 1.5)) << "s = " << t << "d";
      EXPECT_TRUE(near(found.quadratic, 1.5 * 1.5 * 3.0, few * 6.75)) << "of F alone, s = " << t << "d";
    };
    for (const double t : {0.0, 1.0, -1.0, 1e-8, 1e8, 1.0 / 3.0}) along(t);
    const double nearly = 1e-12;  // 1 − cos² of the angle between both
    EXPECT_EQ(step(backend, {1.0, 1.0, 1.0 + nearly, 0.0, 0.0, 0.0, 1.0, 2.0}, 0.0).mu, 0.0);
    EXPECT_NE(step(backend, {1.0, 1.0, 1.0 + 1e-6, 0.0, 0.0, 0.0, 1.0, 2.0}, 0.0).mu, 0.0);
  });
}

TEST_P(QuadraticStep, IsZeroWhereThereIsNoDirection) {
  run([]<class R>(Backend<R>& backend) {
    const Step found = step(backend, {0, 0, 0, 0, 0, 0, 0, 0}, 0.1);
    EXPECT_EQ(found.alpha, 0.0);
    EXPECT_EQ(found.mu, 0.0);
    EXPECT_EQ(found.quadratic, 0.0);
  });
}

TEST_P(QuadraticStep, IsNanWhereAnInputIsNotFinite) {
  run([]<class R>(Backend<R>& backend) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    for (double Model::*input : {&Model::f_dd, &Model::f_ds, &Model::f_ss, &Model::n_dd, &Model::n_ds,
                                 &Model::n_ss, &Model::g_d, &Model::g_s})
      for (const double bad : {std::numeric_limits<double>::quiet_NaN(), infinity, -infinity}) {
        Model m = random_model(4);
        m.*input = bad;
        const Step found = step(backend, m, 0.1);
        EXPECT_TRUE(std::isnan(found.alpha)) << bad;
        EXPECT_TRUE(std::isnan(found.mu)) << bad;
        EXPECT_TRUE(std::isnan(found.quadratic)) << bad;
      }
  });
}

}  // namespace
}  // namespace natgrad
