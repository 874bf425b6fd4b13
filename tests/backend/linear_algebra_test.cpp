/// Copies, vector operations and products.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {
namespace {

using LinearAlgebra = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, LinearAlgebra, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr std::pair<Index, Index> shapes[] = {{0, 2}, {2, 0}, {1, 1}, {2, 31}, {31, 33}, {33, 1}, {597, 43}};
constexpr Index lengths[] = {0, 1, 2, 31, 33, 597 * 43};

TEST_P(LinearAlgebra, CopyGoesBetweenAnyStrides) {
  run([]<class R>(Backend<R>& backend) {
    for (const auto& [rows, cols] : shapes) {
      const HostMatrix<R> values = Random(1).matrix<R>(rows, cols);
      const DeviceMatrix<R> wide(backend, values, 5), tight(backend, rows, cols, 0),
          padded(backend, rows, cols);
      backend.copy(wide, tight);
      backend.copy(tight, padded);
      EXPECT_TRUE(identical(padded.download(), values)) << rows << " × " << cols;
    }
  });
}

TEST_P(LinearAlgebra, CopyMovesARowAsAMatrixOfOneRow) {
  run([]<class R>(Backend<R>& backend) {
    const HostMatrix<R> values = Random(2).matrix<R>(3, 33);
    const DeviceMatrix<R> from(backend, values), to(backend, 33, 1);
    backend.copy(from.view().block(1, 0, 1, 33), MatrixView<R>(to.view().data, 1, 33));
    const HostMatrix<R> found = to.download();
    for (Index j = 0; j < 33; ++j) EXPECT_EQ(found(j, 0), values(1, j)) << "column " << j;
  });
}

TEST_P(LinearAlgebra, FillSetsNothingBesideItsView) {
  run([]<class R>(Backend<R>& backend) {
    for (const auto& [rows, cols] : shapes) {
      const HostMatrix<R> values = Random(3).matrix<R>(rows + 3, cols + 2);
      const DeviceMatrix<R> x(backend, values);
      backend.fill(x.view().block(1, 1, rows, cols), R(7));
      HostMatrix<R> wanted = values;
      for (Index j = 1; j < cols + 1; ++j)
        for (Index i = 1; i < rows + 1; ++i) wanted(i, j) = R(7);
      EXPECT_TRUE(identical(x.download(), wanted)) << rows << " × " << cols;
    }
  });
}

TEST_P(LinearAlgebra, AxpyAddsAMultiple) {
  run([]<class R>(Backend<R>& backend) {
    const R alpha = R(-0.7);
    for (const Index size : lengths) {
      Random random(4);
      const HostMatrix<R> x = random.matrix<R>(size, 1), y = random.matrix<R>(size, 1);
      const auto add = [&](Backend<R>& b) {
        const DeviceVector<R> d_x(b, x), d_y(b, y);
        b.axpy(alpha, d_x, d_y);
        return d_y.download();
      };
      const auto [found, wanted] = on_both(backend, add);
      EXPECT_TRUE(within(
          found, wanted,
          [&](Index i, Index) { return 2 * epsilon<R> * (std::abs(y(i, 0)) + std::abs(alpha * x(i, 0))); }))
          << "size " << size;
    }
  });
}

TEST_P(LinearAlgebra, AxpyTakesAFactorFromASlot) {
  run([]<class R>(Backend<R>& backend) {
    const double factor = 1.0 / 3.0;
    for (const Index size : lengths) {
      Random random(5);
      const HostMatrix<R> x = random.matrix<R>(size, 1), y = random.matrix<R>(size, 1);
      const auto add = [&](Backend<R>& b) {
        const DeviceVector<R> d_x(b, x), d_y(b, y);
        b.set_scalar(Slot::beta, factor);
        b.axpy(R(-1), Slot::beta, d_x, d_y);
        b.set_scalar(Slot::beta, 99.0);  // comes after the operation in the device's order
        return d_y.download();
      };
      const auto [found, wanted] = on_both(backend, add);
      EXPECT_TRUE(within(
          found, wanted,
          [&](Index i, Index) { return 3 * epsilon<R> * (std::abs(y(i, 0)) + factor * std::abs(x(i, 0))); }))
          << "size " << size;
    }
  });
}

TEST_P(LinearAlgebra, ScaleMultipliesEveryElement) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index size : lengths) {
      const HostMatrix<R> x = Random(6).matrix<R>(size, 1);
      const auto scale = [&](Backend<R>& b) {
        const DeviceVector<R> d_x(b, x);
        b.scale(R(-1.7), d_x);
        return d_x.download();
      };
      const auto [found, wanted] = on_both(backend, scale);
      EXPECT_TRUE(identical(found, wanted)) << "size " << size;
    }
  });
}

TEST_P(LinearAlgebra, DotAccumulatesInDouble) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index size : lengths) {
      Random random(7);
      const HostMatrix<R> x = random.matrix<R>(size, 1), y = random.matrix<R>(size, 1);
      const auto dot = [&](Backend<R>& b, const HostMatrix<R>& left, const HostMatrix<R>& right) {
        const DeviceVector<R> d_x(b, left), d_y(b, right);
        b.set_scalar(Slot::gradient_step, poison<double>());
        b.dot(d_x, d_y, Slot::gradient_step);
        return b.read_scalars()[Slot::gradient_step];
      };
      const auto reference = make_reference_backend<R>();
      const double scale = dot(*reference, absolute(x), absolute(y));  // Σ|x||y|
      EXPECT_TRUE(near(dot(backend, x, y), dot(*reference, x, y),
                       4 * static_cast<double>(size) * epsilon<double> * scale))
          << "size " << size;
    }
  });
}

TEST_P(LinearAlgebra, DotGivesTheSameBitsAgainAndAtAnyAddress) {
  run([]<class R>(Backend<R>& backend) {
    const Index size = 597 * 43;
    HostMatrix<R> values = Random(8).matrix<R>(size + 1, 1);
    const DeviceVector<R> x(backend, values);
    std::rotate(values.data.begin(), values.data.end() - 1, values.data.end());
    const DeviceVector<R> shifted(backend, values);
    const auto dot = [&](const VectorView<const R> v) {
      backend.dot(v, v, Slot::gradient_norm2);
      return backend.read_scalars()[Slot::gradient_norm2];
    };
    const double first = dot({x.view().data, size});
    EXPECT_EQ(first, dot({x.view().data, size}));
    EXPECT_EQ(first, dot({shifted.view().data + 1, size}));
  });
}

/// Compares alpha·op(A)·op(B) + beta·C; C is NaN on entry where beta = 0.
template <class R>
void check_gemm(Backend<R>& backend, bool ta, bool tb, Index m, Index n, Index k, R alpha, R beta) {
  Random random(9);
  const HostMatrix<R> a = random.matrix<R>(ta ? k : m, ta ? m : k),
                      b = random.matrix<R>(tb ? n : k, tb ? k : n);
  const HostMatrix<R> c = beta == R(0) ? poisoned<R>(m, n) : random.matrix<R>(m, n);
  const auto gemm = [&](Backend<R>& on, R alpha_, const HostMatrix<R>& a_, const HostMatrix<R>& b_, R beta_,
                        const HostMatrix<R>& c_) {
    const DeviceMatrix<R> d_a(on, a_), d_b(on, b_), d_c(on, c_);
    on.gemm(ta ? Transpose::yes : Transpose::no, tb ? Transpose::yes : Transpose::no, alpha_, d_a, d_b, beta_,
            d_c);
    return d_c.download();
  };
  const auto reference = make_reference_backend<R>();
  const HostMatrix<R> scale =
      gemm(*reference, std::abs(alpha), absolute(a), absolute(b), std::abs(beta), absolute(c));
  EXPECT_TRUE(componentwise(gemm(backend, alpha, a, b, beta, c), gemm(*reference, alpha, a, b, beta, c),
                            4.0 * static_cast<double>(k + 1), scale))
      << "A" << (ta ? "ᵀ" : "") << "B" << (tb ? "ᵀ" : "") << ", m " << m << ", n " << n << ", k " << k
      << ", alpha " << alpha << ", beta " << beta;
}

TEST_P(LinearAlgebra, GemmMatchesTheReference) {
  run([]<class R>(Backend<R>& backend) {
    for (const bool ta : {false, true})
      for (const bool tb : {false, true}) {
        for (const auto& [m, n] : {std::pair<Index, Index>{0, 2}, {2, 0}, {1, 1}, {2, 31}, {31, 33}, {33, 1}})
          for (const Index k : awkward_sizes) {
            check_gemm<R>(backend, ta, tb, m, n, k, R(1), R(0));
            check_gemm<R>(backend, ta, tb, m, n, k, R(-0.5), R(2));
          }
        check_gemm<R>(backend, ta, tb, 597, 43, 31, R(1), R(1));
        check_gemm<R>(backend, ta, tb, 31, 43, 597, R(1), R(0));
      }
  });
}

TEST_P(LinearAlgebra, SyrkMatchesTheReferenceInTheLowerTriangle) {
  run([]<class R>(Backend<R>& backend) {
    for (const auto& [n, k] :
         {std::pair<Index, Index>{0, 2}, {2, 0}, {1, 1}, {2, 31}, {31, 33}, {33, 2}, {43, 597}})
      for (const R beta : {R(0), R(-2)}) {
        Random random(10);
        const HostMatrix<R> a = random.matrix<R>(n, k);
        const HostMatrix<R> c = lower_only(beta == R(0) ? poisoned<R>(n, n) : random.matrix<R>(n, n));
        const auto syrk = [&](Backend<R>& b, R alpha, const HostMatrix<R>& a_, R beta_,
                              const HostMatrix<R>& c_) {
          const DeviceMatrix<R> d_a(b, a_), d_c(b, c_);
          b.syrk(alpha, d_a, beta_, d_c);
          return d_c.download();
        };
        const auto reference = make_reference_backend<R>();
        const HostMatrix<R> scale = syrk(*reference, R(1.5), absolute(a), std::abs(beta), absolute(c));
        EXPECT_TRUE(componentwise(syrk(backend, R(1.5), a, beta, c), syrk(*reference, R(1.5), a, beta, c),
                                  4.0 * static_cast<double>(k + 1), scale, Part::lower))
            << "n " << n << ", k " << k << ", beta " << beta;
      }
  });
}

TEST_P(LinearAlgebra, SymvReadsTheLowerTriangleOnly) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index n : {0, 1, 2, 31, 33, 129}) {
      Random random(11);
      const HostMatrix<R> a = lower_only(random.matrix<R>(n, n)), x = random.matrix<R>(n, 1);
      const auto symv = [&](Backend<R>& b, const HostMatrix<R>& a_, const HostMatrix<R>& x_) {
        const DeviceMatrix<R> d_a(b, a_);
        const DeviceVector<R> d_x(b, x_), d_y(b, n);
        b.symv(d_a, d_x, d_y);
        return d_y.download();
      };
      const auto reference = make_reference_backend<R>();
      const HostMatrix<R> scale = symv(*reference, lower_only(absolute(a)), absolute(x));
      EXPECT_TRUE(
          componentwise(symv(backend, a, x), symv(*reference, a, x), 4.0 * static_cast<double>(n), scale))
          << "n " << n;
    }
  });
}

TEST_P(LinearAlgebra, RejectsShapesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceMatrix<R> m23(backend, 2, 3), m32(backend, 3, 2), m22(backend, 2, 2), m33(backend, 3, 3);
    const DeviceVector<R> v2(backend, 2), v3(backend, 3);
    const auto no = Transpose::no, yes = Transpose::yes;
    EXPECT_THROW(backend.copy(m23, m32), ShapeError);
    EXPECT_THROW(backend.copy(m23, m22), ShapeError);
    EXPECT_THROW(backend.copy(m23, m33), ShapeError);
    EXPECT_THROW(backend.axpy(R(1), v2, v3), ShapeError);
    EXPECT_THROW(backend.axpy(R(1), Slot::beta, v2, v3), ShapeError);
    EXPECT_THROW(backend.dot(v2, v3, Slot::loss), ShapeError);
    EXPECT_THROW(backend.gemm(no, no, R(1), m23, m23, R(0), m22), ShapeError);
    EXPECT_THROW(backend.gemm(no, yes, R(1), m23, m32, R(0), m22), ShapeError);
    EXPECT_THROW(backend.gemm(yes, no, R(1), m23, m32, R(0), m32), ShapeError);
    EXPECT_THROW(backend.gemm(no, no, R(1), m23, m32, R(0), m32), ShapeError);
    EXPECT_THROW(backend.gemm(no, no, R(1), m23, m32, R(0), m23), ShapeError);
    EXPECT_THROW(backend.syrk(R(1), m23, R(0), m33), ShapeError);
    EXPECT_THROW(backend.syrk(R(1), m23, R(0), m23), ShapeError);
    EXPECT_THROW(backend.syrk(R(1), m23, R(0), m32), ShapeError);
    EXPECT_THROW(backend.symv(m23, v3, v2), ShapeError);
    EXPECT_THROW(backend.symv(m22, v3, v2), ShapeError);
    EXPECT_THROW(backend.symv(m22, v2, v3), ShapeError);
  });
}

}  // namespace
}  // namespace natgrad
