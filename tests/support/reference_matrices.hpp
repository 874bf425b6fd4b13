/// The reference backend's operations on vectors, matrices and symmetric systems.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "operation_shapes.hpp"
#include "support/reference_algebra.hpp"
#include "support/reference_device.hpp"

namespace natgrad::reference {

template <class R>
class Matrices : public ReferenceDevice<R> {
  using In = MatrixView<const R>;
  using Out = MatrixView<R>;
  using VectorIn = VectorView<const R>;
  using Vector = VectorView<R>;

 protected:
  using ReferenceDevice<R>::gather_info;
  using ReferenceDevice<R>::set;
  using ReferenceDevice<R>::slot;

 public:
  // --- vectors and matrices --------------------------------------------------------------------------------
  void copy(In from, Out to) override {
    shapes::copy(from, to);
    each(to, [&](Index i, Index j) { at(to, i, j) = at(from, i, j); });
  }
  void fill(Out x, R value) override {
    each(x, [&](Index i, Index j) { at(x, i, j) = value; });
  }
  void axpy(R alpha, VectorIn x, Vector y) override { add_scaled(alpha, x, y); }
  void axpy(R alpha, Slot factor, VectorIn x, Vector y) override {
    add_scaled(Real(alpha) * slot(factor), x, y);
  }
  void scale(R alpha, Vector x) override {
    for (Index i = 0; i < x.size; ++i) x.data[i] *= alpha;
  }
  void dot(VectorIn x, VectorIn y, Slot result) override {
    shapes::same_size("dot", x, y);
    Real sum = 0;
    for (Index i = 0; i < x.size; ++i) sum += Real(x.data[i]) * y.data[i];
    set(result, sum);
  }
  void gemm(Transpose ta, Transpose tb, R alpha, In a, In b, R beta, Out c) override {
    const bool a_turned = ta == Transpose::yes, b_turned = tb == Transpose::yes;
    const Index inner = shapes::gemm(ta, tb, a, b, c);
    each(c, [&](Index i, Index j) {
      Real sum = 0;
      for (Index k = 0; k < inner; ++k)
        sum += Real(a_turned ? at(a, k, i) : at(a, i, k)) * (b_turned ? at(b, j, k) : at(b, k, j));
      store(at(c, i, j), alpha * sum, beta);
    });
  }
  void hadamard(In x, In y, Out out) override {
    shapes::hadamard(x, y, out);
    each(out, [&](Index i, Index j) { at(out, i, j) = at(x, i, j) * at(y, i, j); });
  }
  void syrk(R alpha, In a, R beta, Out c) override {
    shapes::syrk(a, c);
    each_lower(c, [&](Index i, Index j) {
      Real sum = 0;
      for (Index k = 0; k < a.cols; ++k) sum += Real(at(a, i, k)) * at(a, j, k);
      store(at(c, i, j), alpha * sum, beta);
    });
  }
  void symv(In a, VectorIn x, Vector y) override {
    shapes::symv(a, x, y);
    for (Index i = 0; i < y.size; ++i) {
      Real sum = 0;
      for (Index j = 0; j < x.size; ++j) sum += symmetric_at<R>(a, i, j) * x.data[j];
      y.data[i] = static_cast<R>(sum);
    }
  }

  // --- symmetric systems -----------------------------------------------------------------------------------
  void damp(BatchView<const R> f, R lambda, BatchView<R> out) override {
    shapes::damp(f, out);
    for (Index k = 0; k < f.count; ++k) damp_matrix(f[k], lambda, out[k]);
  }
  void cholesky(BatchView<R> a) override {
    for (Index k = 0; k < a.count; ++k) gather_info(reference::cholesky(a[k]));
  }
  void cholesky_solve(BatchView<const R> l, Out b) override {
    shapes::cholesky_solve(l, b);
    for (Index j = 0; j < b.cols; ++j) reference::cholesky_solve<R>(l[l.count == 1 ? 0 : j], b.column(j));
  }
  // Left: op(L)X = B, column by column. Right: X op(L) = B, that is op(L)ᵀXᵀ = Bᵀ, row by row.
  void triangular_solve(Side side, Transpose t, In l, Out b) override {
    shapes::triangular_solve(side, l, b);
    const bool left = side == Side::left;
    for (Index k = 0; k < (left ? b.cols : b.rows); ++k) {
      const auto element = [&](Index i) -> R& { return left ? at(b, i, k) : at(b, k, i); };
      std::vector<Real> x;
      for (Index i = 0; i < l.rows; ++i) x.push_back(element(i));
      reference::triangular_solve(left == (t == Transpose::yes), l, x);
      for (Index i = 0; i < l.rows; ++i) element(i) = static_cast<R>(x[i]);
    }
  }
  void eigen(Out a, Vector w) override {
    shapes::eigen(a, w);
    gather_info(reference::eigen(a, w) ? 0 : -1);
  }
  void spectral_solve(VectorIn w, R cutoff, Vector c) override {
    shapes::same_size("spectral_solve", w, c);
    if (w.size == 0) return;
    const R max = *std::max_element(w.data, w.data + w.size);
    double &largest = slot(Slot::largest_eigenvalue), &smallest = slot(Slot::smallest_eigenvalue);
    largest = largest == 0 ? max : std::max<double>(largest, max);
    for (Index i = 0; i < w.size; ++i) {
      const bool keep = w.data[i] > cutoff * max;
      c.data[i] = keep ? static_cast<R>(Real(c.data[i]) / Real(w.data[i])) : R(0);
      slot(Slot::rank) += keep;
      if (keep) smallest = smallest == 0 ? w.data[i] : std::min<double>(smallest, w.data[i]);
    }
  }
  void damped_quotient(VectorIn b, VectorIn f, R lambda, Vector x) override {
    shapes::damped_quotient(b, f, x);
    for (Index i = 0; i < x.size; ++i) {
      const Real denominator = Real(f.data[i]) + lambda;
      x.data[i] =
          denominator == 0 ? R(0) : static_cast<R>(b.data[i] / denominator + (denominator - denominator));
    }
  }
  void damp_factors(In a, In g, R gamma, Out out_a, Out out_g) override {
    shapes::damp_factors(a, g, out_a, out_g);
    const Real trace_a = trace(a), trace_g = trace(g);
    const Real pi = trace_a == 0 || trace_g == 0 ? 1 : std::sqrt((trace_a / a.rows) / (trace_g / g.rows));
    damp_matrix(a, pi * gamma, out_a);
    damp_matrix(g, gamma / pi, out_g);
  }

 private:
  static void add_scaled(Real alpha, VectorIn x, Vector y) {
    shapes::same_size("axpy", x, y);
    for (Index i = 0; i < x.size; ++i) y.data[i] = static_cast<R>(y.data[i] + alpha * x.data[i]);
  }
  static Real trace(In a) {
    Real sum = 0;
    for (Index i = 0; i < a.rows; ++i) sum += at(a, i, i);
    return sum;
  }
  /// out ← F + λI; slot largest_diagonal.
  void damp_matrix(In f, Real lambda, Out out) {
    double& largest = slot(Slot::largest_diagonal);
    each_lower(out, [&](Index i, Index j) {
      const R value = at(f, i, j);
      at(out, i, j) = i == j ? static_cast<R>(value + lambda) : value;
      if (i == j) largest = std::max<double>(largest, value);
    });
  }
};

}  // namespace natgrad::reference
