/// What Kronecker-factored and diagonal structures need: element-wise products and quotients, and damping
/// shared between two factors.
#include <gtest/gtest.h>

#include <cmath>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"
#include "support/shape_errors.hpp"

namespace natgrad {
namespace {

using Kronecker = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Kronecker, ::testing::ValuesIn(backend_cases()), backend_case_name);

TEST_P(Kronecker, HadamardMultipliesElementsAlsoInPlace) {
  run([]<class R>(Backend<R>& backend) {
    for (const auto& [rows, cols] :
         {std::pair<Index, Index>{0, 2}, {2, 0}, {1, 1}, {2, 31}, {31, 33}, {33, 2}, {70, 597}}) {
      Random random(1);
      const HostMatrix<R> x = random.matrix<R>(rows, cols), y = random.matrix<R>(rows, cols);
      for (const int into : {0, 1, 2}) {  // a matrix of its own, x, y
        const auto [found, wanted] = on_both(backend, [&](Backend<R>& b) {
          const DeviceMatrix<R> d_x(b, x, 5), d_y(b, y), out(b, rows, cols, 1);
          const DeviceMatrix<R>& target = into == 0 ? out : into == 1 ? d_x : d_y;
          b.hadamard(d_x, d_y, target);
          return target.download();
        });
        EXPECT_TRUE(identical(found, wanted)) << rows << " × " << cols << ", into " << into;
      }
    }
  });
}

TEST_P(Kronecker, DampedQuotientsMatchTheReferenceAlsoInPlace) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index size : {0, 1, 2, 31, 33, 70, 597})
      for (const R lambda : {R(0), R(0.3)})
        for (const bool in_place : {false, true}) {
          Random random(2);
          const HostMatrix<R> b = random.matrix<R>(size, 1);
          HostMatrix<R> f = random.matrix<R>(size, 1, 0.0, 2.0);
          for (Index i = 0; i < size; i += 3) f(i, 0) = R(0);
          const auto [found, wanted] = on_both(backend, [&](Backend<R>& on) {
            const DeviceVector<R> d_b(on, b), d_f(on, f), x(on, size);
            on.damped_quotient(d_b, d_f, lambda, in_place ? d_b : x);
            return (in_place ? d_b : x).download();
          });
          EXPECT_TRUE(relative(found, wanted, 2.0)) << "size " << size << ", lambda " << lambda;
        }
  });
}

TEST_P(Kronecker, DampedQuotientsAreZeroWhereTheDenominatorIs) {
  run([]<class R>(Backend<R>& backend) {
    HostMatrix<R> b(3, 1), f(3, 1), wanted(3, 1);
    b.data = {R(3), R(3), R(0)};
    f.data = {R(-0.5), R(1), R(-0.5)};
    wanted.data = {R(0), R(2), R(0)};
    const DeviceVector<R> d_b(backend, b), d_f(backend, f), x(backend, 3);
    backend.damped_quotient(d_b, d_f, R(0.5), x);
    EXPECT_TRUE(identical(x.download(), wanted));
  });
}

template <class R>
struct Damped {
  HostMatrix<R> a, g;
  double largest;
};

template <class R>
Damped<R> damp_factors(Backend<R>& b, const HostMatrix<R>& a, const HostMatrix<R>& g, R gamma) {
  const DeviceMatrix<R> d_a(b, lower_only(a)), d_g(b, lower_only(g)), out_a(b, a.rows, a.rows, 1),
      out_g(b, g.rows, g.rows, 5);
  b.set_scalar(Slot::largest_diagonal, 0.0);
  b.damp_factors(d_a, d_g, gamma, out_a, out_g);
  return {out_a.download(), out_g.download(), b.read_scalars()[Slot::largest_diagonal]};
}

TEST_P(Kronecker, DampFactorsMatchesTheReferenceInTheLowerTriangles) {
  run([]<class R>(Backend<R>& backend) {
    for (const auto& [n, m] :
         {std::pair<Index, Index>{0, 0}, {0, 2}, {3, 0}, {1, 1}, {1, 33}, {31, 2}, {33, 70}, {257, 5}})
      for (const R gamma : {R(0), R(0.1), R(3)}) {
        Random random(3);
        HostMatrix<R> a = random.spd<R>(n, 10.0);
        const HostMatrix<R> g = random.spd<R>(m, 1e3);
        for (R& value : a.data) value *= R(100);
        const auto [found, wanted] =
            on_both(backend, [&](Backend<R>& b) { return damp_factors(b, a, g, gamma); });
        // π by the sum of the diagonals, in f64 or by pairs; a root, two quotients, a product, the sum.
        const double roundings = 8.0 + static_cast<double>(n + m);
        EXPECT_TRUE(relative(found.a, wanted.a, roundings, Part::lower))
            << "A of " << n << ", " << m << ", gamma " << gamma;
        EXPECT_TRUE(relative(found.g, wanted.g, roundings, Part::lower))
            << "G of " << n << ", " << m << ", gamma " << gamma;
        EXPECT_EQ(found.largest, wanted.largest) << n << ", " << m;
      }
  });
}

TEST_P(Kronecker, DampFactorsKeepsTheProductOfTheDampings) {
  run([]<class R>(Backend<R>& backend) {
    HostMatrix<R> a = Random(4).spd<R>(5, 10.0);
    const HostMatrix<R> g = Random(5).spd<R>(3, 10.0);
    for (R& value : a.data) value *= R(256);
    const R gamma = R(0.25);
    const Damped<R> damped = damp_factors(backend, a, g, gamma);
    const double of_a = static_cast<double>(damped.a(2, 2)) - a(2, 2),
                 of_g = static_cast<double>(damped.g(1, 1)) - g(1, 1);
    const double rounding = epsilon<R> * (std::abs(a(2, 2)) / of_a + std::abs(g(1, 1)) / of_g + 32.0);
    EXPECT_TRUE(near(of_a * of_g, gamma * gamma, rounding * gamma * gamma));
    EXPECT_GT(of_a, of_g) << "the larger factor takes the larger damping";
  });
}

TEST_P(Kronecker, DampFactorsHalvesItselfEvenlyWhereATraceIsZero) {
  run([]<class R>(Backend<R>& backend) {
    const HostMatrix<R> zero(2, 2), some = Random(6).spd<R>(3, 10.0);
    for (const auto& [a, g] : {std::pair{zero, some}, {some, zero}, {zero, zero}}) {
      const Damped<R> damped = damp_factors(backend, a, g, R(0.5));
      EXPECT_EQ(damped.a(0, 0), a(0, 0) + R(0.5));
      EXPECT_EQ(damped.g(0, 0), g(0, 0) + R(0.5));
    }
  });
}

TEST_P(Kronecker, DampFactorsGathersTheLargestDiagonalOfBoth) {
  run([]<class R>(Backend<R>& backend) {
    HostMatrix<R> a(1, 1), g(1, 1);
    a(0, 0) = R(3), g(0, 0) = R(5);
    EXPECT_EQ(damp_factors(backend, a, g, R(100)).largest, 5.0) << "of G, undamped";
    EXPECT_EQ(damp_factors(backend, g, a, R(100)).largest, 5.0) << "of A, undamped";
    const DeviceMatrix<R> d_a(backend, a), d_g(backend, g), out_a(backend, 1, 1), out_g(backend, 1, 1);
    backend.set_scalar(Slot::largest_diagonal, 8.0);
    backend.damp_factors(d_a, d_g, R(1), out_a, out_g);
    EXPECT_EQ(backend.read_scalars()[Slot::largest_diagonal], 8.0) << "an earlier call's is larger";
  });
}

TEST_P(Kronecker, RejectsShapesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceMatrix<R> m23(backend, 2, 3), m32(backend, 3, 2), m22(backend, 2, 2), m33(backend, 3, 3);
    const DeviceVector<R> v2(backend, 2), v3(backend, 3);
    EXPECT_TRUE(rejects_shapes("hadamard", [&] { backend.hadamard(m23, m32, m23); }));
    EXPECT_TRUE(rejects_shapes("hadamard", [&] { backend.hadamard(m23, m23, m33); }));
    EXPECT_TRUE(rejects_shapes("damped_quotient", [&] { backend.damped_quotient(v2, v3, R(1), v2); }));
    EXPECT_TRUE(rejects_shapes("damped_quotient", [&] { backend.damped_quotient(v2, v2, R(1), v3); }));
    const auto damp = [&](const DeviceMatrix<R>& a, const DeviceMatrix<R>& g, const DeviceMatrix<R>& out_a,
                          const DeviceMatrix<R>& out_g) {
      return rejects_shapes("damp_factors", [&] { backend.damp_factors(a, g, R(1), out_a, out_g); });
    };
    EXPECT_TRUE(damp(m23, m33, m22, m33));
    EXPECT_TRUE(damp(m22, m32, m22, m33));
    EXPECT_TRUE(damp(m22, m33, m33, m33));
    EXPECT_TRUE(damp(m22, m33, m22, m22));
  });
}

}  // namespace
}  // namespace natgrad
