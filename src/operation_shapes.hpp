/// What shapes the operands of each operation of Backend must have; one function per operation, for all
/// backends; those on layers' factors are in fisher_shapes.hpp. Each throws ShapeError naming the operation,
/// what is wrong, the size found and the size wanted.
#pragma once

#include "natgrad/backend.hpp"
#include "shape_check.hpp"

namespace natgrad::shapes {

template <class A, class B>
void copy(const A& from, const B& to) {
  require_shape("copy", "the number of rows", "the number of columns", to, from.rows, from.cols);
}

template <class X, class Y>
void same_size(const char* operation, const X& x, const Y& y) {
  require_size(operation, "the size of a vector", y.size, x.size);
}

/// Returns the inner dimension.
template <class A, class B, class C>
Index gemm(Transpose ta, Transpose tb, const A& a, const B& b, const C& c) {
  const bool at = ta == Transpose::yes, bt = tb == Transpose::yes;
  const Index k = at ? a.rows : a.cols;
  require_shape("gemm", "the number of rows of C", "the number of columns of C", c, at ? a.cols : a.rows,
                bt ? b.rows : b.cols);
  require_size("gemm", "the inner dimension of B", bt ? b.cols : b.rows, k);
  return k;
}

template <class X, class Y, class O>
void hadamard(const X& x, const Y& y, const O& out) {
  require_shape("hadamard", "the number of rows of y", "the number of columns of y", y, x.rows, x.cols);
  require_shape("hadamard", "the number of rows of the product", "the number of columns of the product", out,
                x.rows, x.cols);
}

template <class A, class C>
void syrk(const A& a, const C& c) {
  require_shape("syrk", "the number of rows of C", "the number of columns of C", c, a.rows, a.rows);
}

template <class A, class X, class Y>
void symv(const A& a, const X& x, const Y& y) {
  require_size("symv", "the number of columns of A", a.cols, a.rows);
  require_size("symv", "the size of x", x.size, a.rows);
  require_size("symv", "the size of y", y.size, a.rows);
}

template <class F, class O>
void damp(const F& f, const O& out) {
  require_size("damp", "the order of the matrices", out.n, f.n);
  require_size("damp", "the number of matrices", out.count, f.count);
}

template <class L, class B>
void cholesky_solve(const L& l, const B& b) {
  require_size("cholesky_solve", "the number of rows of B", b.rows, l.n);
  if (l.count != 1) require_size("cholesky_solve", "the number of columns of B", b.cols, l.count);
}

template <class F, class L, class B>
void factor_and_solve(const F& f, const L& bordered, const B& b) {
  require_size("factor_and_solve", "the number of columns of F", f.cols, f.rows);
  require_shape("factor_and_solve", "the number of rows of the bordered matrix",
                "the number of columns of the bordered matrix", bordered, f.rows + 1, f.rows + 1);
  require_size("factor_and_solve", "the size of b", b.size, f.rows);
}

template <class L, class B>
void triangular_solve(Side side, const L& l, const B& b) {
  require_size("triangular_solve", "the number of columns of L", l.cols, l.rows);
  if (side == Side::left)
    require_size("triangular_solve", "the number of rows of B", b.rows, l.rows);
  else
    require_size("triangular_solve", "the number of columns of B", b.cols, l.rows);
}

template <class B, class F, class X>
void damped_quotient(const B& b, const F& f, const X& x) {
  require_size("damped_quotient", "the size of f", f.size, b.size);
  require_size("damped_quotient", "the size of x", x.size, b.size);
}

template <class A, class G, class OA, class OG>
void damp_factors(const A& a, const G& g, const OA& out_a, const OG& out_g) {
  require_size("damp_factors", "the number of columns of A", a.cols, a.rows);
  require_size("damp_factors", "the number of columns of G", g.cols, g.rows);
  require_shape("damp_factors", "the number of rows of the damped A", "the number of columns of the damped A",
                out_a, a.rows, a.rows);
  require_shape("damp_factors", "the number of rows of the damped G", "the number of columns of the damped G",
                out_g, g.rows, g.rows);
}

template <class A, class W>
void eigen(const A& a, const W& w) {
  require_size("eigen", "the number of columns of A", a.cols, a.rows);
  require_size("eigen", "the number of eigenvalues", w.size, a.rows);
}

template <class B, class Z, class A>
void activate(const B& bias, const Z& z, const A& a) {
  require_size("activate", "the size of the bias", bias.size, z.rows);
  require_shape("activate", "the number of rows of A", "the number of columns of A", a, z.rows, z.cols);
}

template <class W, class B, class X, class Z, class A>
void forward_layer(const W& w, const B& bias, const X& x, const Z& z, const A& a) {
  require_size("forward_layer", "the number of rows of W", w.rows, x.rows);
  require_size("forward_layer", "the size of the bias", bias.size, w.cols);
  require_shape("forward_layer", "the number of rows of Z", "the number of columns of Z", z, w.cols, x.cols);
  require_shape("forward_layer", "the number of rows of A", "the number of columns of A", a, w.cols, x.cols);
}

/// Returns r.
template <class S, class D>
Index multiply_slopes(const S& slopes, const D& d) {
  require_size("multiply_slopes", "the number of rows of D", d.rows, slopes.rows);
  return rows_per_sample("multiply_slopes", d.cols, slopes.cols);
}

template <class Z, class N, class Y>
void divergence(Likelihood likelihood, const Z& z_old, const N& z_new, const Y& y) {
  require_targets("divergence", likelihood, z_old, y);
  require_shape("divergence", "the number of rows of the new z", "the number of columns of the new z", z_new,
                z_old.rows, z_old.cols);
}

template <class Z, class M>
void means(const Z& z, const M& means) {
  require_shape("means", "the number of rows of the means", "the number of columns of the means", means,
                z.rows, z.cols);
}

template <class M, class Y, class W>
void squared_error(const M& means, const Y& y, const W& weight) {
  require_shape("squared_error", "the number of rows of y", "the number of columns of y", y, means.rows,
                means.cols);
  require_size("squared_error", "the number of weights", weight.size, means.rows);
}

/// Returns r.
template <class Z, class Y, class D>
Index signals(const ScoreSpec& spec, Likelihood likelihood, const Z& z, const Y& y, const D& d) {
  const Index r = spec.rows_per_sample(likelihood, z.rows);
  require_shape("signals", "the number of rows of D", "the number of columns of D", d, z.rows, z.cols * r);
  if (spec.kind == ScoreKind::empirical) require_targets("signals", likelihood, z, y);
  return r;
}

template <class Z, class Y, class U>
Index residuals(const ScoreSpec& spec, Likelihood likelihood, const Z& z, const Y& y, const U& u) {
  if (spec.kind == ScoreKind::mc)
    throw UsageError("residuals: rows of kind mc have none, for their sum is not the gradient");
  const Index r = spec.rows_per_sample(likelihood, z.rows);
  require_size("residuals", "the size of u", u.size, z.cols * r);
  if (spec.kind == ScoreKind::exact) require_targets("residuals", likelihood, z, y);
  return r;
}

template <class Z, class X, class Y>
void output_fisher(const Z& z, const X& x, const Y& y) {
  require_shape("output_fisher", "the number of rows of x", "the number of columns of x", x, z.rows, z.cols);
  require_shape("output_fisher", "the number of rows of y", "the number of columns of y", y, z.rows, z.cols);
}

template <class G, class M, class V, class T>
void adam(const G& g, const M& m, const V& v, const T& theta) {
  require_size("adam", "the size of m", m.size, g.size);
  require_size("adam", "the size of v", v.size, g.size);
  require_size("adam", "the size of theta", theta.size, g.size);
}

template <class F, class I, class T>
void gather_columns(const F& from, const I& index, const T& to) {
  require_shape("gather_columns", "the number of rows", "the number of columns", to, from.rows, index.size);
}

}  // namespace natgrad::shapes
