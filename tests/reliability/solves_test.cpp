/// R1: every way to solve a damped system is backward stable. LAPACK's test ratios, which LAPACK itself
/// allows to be 30.
#include <cmath>

#include "reliability/promise.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {
namespace {

constexpr double allowed = 3.0;
constexpr Index orders[] = {0, 1, 2, 3, 5, 10, 15, 16, 17, 31, 32, 33, 50, 63, 64, 65, 127, 128, 129, 200};
constexpr Index largest_order = 1000;

const char* const factor_ratio = "‖LLᵀ − A‖₁/(n‖A‖₁ε)";
const char* const solution_ratio = "‖b − Ax‖₁/(‖A‖₁‖x‖₁ε)";
// The bounds of an eigendecomposition, and of what is computed with it, grow with n.
const char* const spectral_ratio = "of eigendecompositions, over n,";

class R1 : public PromiseTest {
 public:
  static void TearDownTestSuite() {
    if (!any_device()) return;
    std::string figure = fmt::format("solves on {}: largest", devices());
    for (const char* ratio : {factor_ratio, solution_ratio, spectral_ratio}) {
      const Worst& found = worst(ratio);
      figure += fmt::format("{} {} {:.2f} of {} ({})", ratio == factor_ratio ? "" : ",", ratio, found.value,
                            found.count, found.where);
    }
    report_figure("R1", fmt::format("{} (allowed: < {} each)", figure, allowed));
  }

 protected:
  /// The reference takes its time; order 1000 is for the CPU's libraries.
  std::vector<Index> orders_here() const {
    std::vector<Index> result;
    for (const Index n : orders)
      if (GetParam().backend != "reference" || n <= 33) result.push_back(n);
    if (on_cpu()) result.push_back(largest_order);
    return result;
  }

  template <class R>
  void check_factor(const HostMatrix<R>& l, const HostMatrix<R>& a, const std::string& where) const;
  template <class R>
  void check_solution(const HostMatrix<R>& a, const HostMatrix<R>& x, const HostMatrix<R>& b,
                      const std::string& where) const;
  /// Calls body(n, λ, F, where); F semidefinite with ‖F‖₂ = 1, its eigenvalues down to ε.
  template <class R, class Body>
  void each_system(Body body) const;
};
INSTANTIATE_TEST_SUITE_P(Backends, R1, ::testing::ValuesIn(backend_cases()), backend_case_name);

/// LLᵀ of the lower triangle L, by columns: at order 1000 the ruler's loops over rows take too long.
template <class R>
HostMatrix<long double> times_transposed(const HostMatrix<R>& l) {
  const Index n = l.rows;
  HostMatrix<long double> c(n, n);
  for (Index j = 0; j < n; ++j) {
    for (Index k = 0; k <= j; ++k)
      for (Index i = j; i < n; ++i) c(i, j) += static_cast<long double>(l(i, k)) * l(j, k);
    for (Index i = j; i < n; ++i) c(j, i) = c(i, j);
  }
  return c;
}

template <class R>
void R1::check_factor(const HostMatrix<R>& l, const HostMatrix<R>& a, const std::string& where) const {
  EXPECT_LT(measured(factor_ratio, residual_ratio(times_transposed(l), a, a.rows, norm1(a)), where), allowed)
      << where;
}

template <class R>
void R1::check_solution(const HostMatrix<R>& a, const HostMatrix<R>& x, const HostMatrix<R>& b,
                        const std::string& where) const {
  const double ratio = static_cast<double>(a.rows) * backward_error(a, x, b);
  EXPECT_LT(measured(solution_ratio, ratio, where), allowed) << where;
}

template <class R, class Body>
void R1::each_system(Body body) const {
  for (const Index n : orders_here()) {
    const HostMatrix<R> f = Random(static_cast<std::uint64_t>(n)).spd<R>(n, 1.0 / epsilon<R>);
    // Below the first of these a factorisation may fail, and is tried again with a larger λ.
    const double least = 10.0 * static_cast<double>(std::max<Index>(n, 1)) * epsilon<R>;
    for (const double lambda : {least, std::sqrt(epsilon<R>), 1e-2, 1.0, 1e2, 1.0 / epsilon<R>}) {
      if (n == largest_order && lambda != least && lambda != 1.0) continue;
      body(n, static_cast<R>(lambda), f, fmt::format("n = {}, λ = {:.1e}", n, lambda));
    }
  }
}

template <class R>
HostMatrix<R> damped(HostMatrix<R> f, R lambda) {
  for (Index i = 0; i < f.rows; ++i) f(i, i) += lambda;
  return f;
}

TEST_P(R1, ADampedMatrixFactoredAndSolvedWithInOne) {
  run([this]<class R>(Backend<R>& backend) {
    each_system<R>([&](Index n, R lambda, const HostMatrix<R>& f, const std::string& where) {
      const HostMatrix<R> b = Random(2).matrix<R>(n, 1), a = damped(f, lambda);
      const DeviceMatrix<R> d_f(backend, lower_only(f)), bordered(backend, n + 1, n + 1);
      const DeviceVector<R> d_b(backend, b);
      backend.set_scalar(Slot::factor_info, 0.0);
      backend.factor_and_solve(d_f, lambda, bordered, d_b);
      EXPECT_EQ(backend.read_scalars()[Slot::factor_info], 0.0) << where;
      const HostMatrix<R> all = bordered.download();
      HostMatrix<R> l(n, n);
      for (Index j = 0; j < n; ++j)
        for (Index i = j; i < n; ++i) l(i, j) = all(i, j);
      check_factor(l, a, "factor_and_solve, " + where);
      check_solution(a, d_b.download(), b, "factor_and_solve, " + where);
    });
  });
}

TEST_P(R1, CholeskyAndSeveralRightHandSides) {
  run([this]<class R>(Backend<R>& backend) {
    each_system<R>([&](Index n, R lambda, const HostMatrix<R>& f, const std::string& where) {
      const HostMatrix<R> b = Random(3).matrix<R>(n, 3), a = damped(f, lambda);
      const DeviceBatch<R> l(backend, lower_only(a), 1);
      const DeviceMatrix<R> d_b(backend, b);
      backend.set_scalar(Slot::factor_info, 0.0);
      backend.cholesky(l);
      backend.cholesky_solve(l, d_b);
      EXPECT_EQ(backend.read_scalars()[Slot::factor_info], 0.0) << where;
      check_factor(l.download(), a, "cholesky, " + where);
      check_solution(a, d_b.download(), b, "cholesky, " + where);
    });
  });
}

TEST_P(R1, CholeskyOfABatch) {
  run([this]<class R>(Backend<R>& backend) {
    constexpr Index count = 3;
    each_system<R>([&](Index n, R lambda, const HostMatrix<R>& f, const std::string& where) {
      if (n == largest_order) return;  // such a batch is no use of ours
      const HostMatrix<R> b = Random(4).matrix<R>(n, count);
      const std::vector<HostMatrix<R>> a = {damped(f, lambda), damped(f, 2 * lambda), damped(f, 3 * lambda)};
      HostMatrix<R> side_by_side(n, 0);
      for (const HostMatrix<R>& m : a)
        side_by_side.data.insert(side_by_side.data.end(), m.data.begin(), m.data.end());
      side_by_side.cols = n * count;
      const DeviceBatch<R> l(backend, lower_only(side_by_side), count);
      const DeviceMatrix<R> d_b(backend, b);
      backend.set_scalar(Slot::factor_info, 0.0);
      backend.cholesky(l);
      backend.cholesky_solve(l, d_b);
      EXPECT_EQ(backend.read_scalars()[Slot::factor_info], 0.0) << where;
      const HostMatrix<R> factors = l.download(), x = d_b.download();
      for (Index k = 0; k < count; ++k) {
        const auto part = [&](const HostMatrix<R>& m, Index cols) {
          HostMatrix<R> result(n, cols);
          std::copy_n(m.data.begin() + k * n * cols, n * cols, result.data.begin());
          return result;
        };
        check_factor(part(factors, n), a[static_cast<std::size_t>(k)], "batch, " + where);
        check_solution(a[static_cast<std::size_t>(k)], part(x, 1), part(b, 1), "batch, " + where);
      }
    });
  });
}

TEST_P(R1, TheEigendecomposition) {
  run([this]<class R>(Backend<R>& backend) {
    each_system<R>([&](Index n, R lambda, const HostMatrix<R>& f, const std::string& where) {
      if (n == largest_order) return;
      const HostMatrix<R> b = Random(5).matrix<R>(n, 1), a = damped(f, lambda);
      const DeviceMatrix<R> v(backend, lower_only(a));
      const DeviceVector<R> w(backend, n), d_b(backend, b), c(backend, n), x(backend, n);
      for (const Slot slot :
           {Slot::factor_info, Slot::rank, Slot::largest_eigenvalue, Slot::smallest_eigenvalue})
        backend.set_scalar(slot, 0.0);
      backend.eigen(v, w);
      backend.gemm(Transpose::yes, Transpose::no, R(1), v, d_b, R(0), c);
      backend.spectral_solve(w, R(0), c);
      backend.gemm(Transpose::no, Transpose::no, R(1), v, c, R(0), x);
      const Scalars scalars = backend.read_scalars();
      EXPECT_EQ(scalars[Slot::factor_info], 0.0) << where;
      EXPECT_EQ(scalars[Slot::rank], static_cast<double>(n)) << where;
      const auto check = [&](const char* what, double ratio) {
        EXPECT_LT(measured(spectral_ratio, ratio, fmt::format("{}, {}", what, where)), allowed) << where;
      };
      check("‖b − Ax‖₁/(‖A‖₁‖x‖₁ε)", backward_error(a, x.download(), b));
      if (lambda > R(1)) return;  // A is nearly λI
      const HostMatrix<R> vectors = v.download(), values = w.download();
      HostMatrix<R> identity(n, n), scaled = vectors;
      for (Index j = 0; j < n; ++j) {
        identity(j, j) = R(1);
        for (Index i = 0; i < n; ++i) scaled(i, j) *= values(j, 0);
      }
      check("‖AV − VW‖₁/(‖A‖₁ε)", residual_ratio(product(a, vectors), scaled, n, norm1(a)));
      check("‖VᵀV − I‖₁/ε", residual_ratio(product(vectors, vectors, true, false), identity, n, 1.0));
    });
  });
}

}  // namespace
}  // namespace natgrad
