/// Products over pairs of layers' rows and their places in the Fisher matrix, CPU backend.
#include <algorithm>
#include <utility>

#include "cpu/cpu_backend.hpp"
#include "fisher_shapes.hpp"

namespace natgrad {
namespace {

// out_pq ← Σ_k x_pk y_qk for the pairs of one sample; x: n × r, y: n' × r, with a bias a last row of ones
// below.
template <class R>
void sample_pairs(Pairs pairs, MatrixView<const R> x, bool x_bias, MatrixView<const R> y, bool y_bias,
                  R* out) {
  const Index rows = x.rows + (x_bias ? 1 : 0), cols = y.rows + (y_bias ? 1 : 0);
  for (Index q = 0; q < cols; ++q) {
    const Index first = pairs == Pairs::unique ? q : 0;
    std::fill_n(out, rows - first, R(0));
    for (Index k = 0; k < x.cols; ++k) {
      const R *xk = column(x, k), yq = q < y.rows ? column(y, k)[q] : R(1);
      for (Index p = first; p < x.rows; ++p) out[p - first] += xk[p] * yq;
      if (x_bias) out[x.rows - first] += yq;
    }
    out += rows - first;
  }
}

// The pair that stands at `index` among those of m rows with others.
std::pair<Index, Index> pair_at(Pairs pairs, Index m, Index index) {
  if (pairs == Pairs::all) return {index % m, index / m};
  Index q = 0;
  for (; index >= m - q; ++q) index -= m - q;
  return {q + index, q};
}

// f ← βf + q.
template <class R>
void accumulate(R beta, const R* q, Index count, R* f) {
  if (beta == R(0))
    std::copy_n(q, count, f);
  else
    for (Index i = 0; i < count; ++i) f[i] = beta * f[i] + q[i];
}

// The products of the signal pair (j, j2) of two layers to their places in F; q: pairs of inputs.
template <class R>
void place_all(const LayerFactors<R>& x, const LayerFactors<R>& y, Index j, Index j2, const R* q, R beta,
               MatrixView<R> f) {
  const Index n = x.a.rows, n2 = y.a.rows;
  for (Index i = 0; i < y.inputs(); ++i, q += x.inputs()) {
    R* to = column(f, i < n2 ? j2 * n2 + i : y.units() * n2 + j2);
    accumulate(beta, q, n, to + j * n);
    if (x.bias) accumulate(beta, q + n, 1, to + x.units() * n + j);
  }
}

// The same of one layer with itself, j ≥ j2, to the lower triangle. The block of two different units is all
// there; its upper half has the same input pairs as its lower one.
template <class R>
void place_unique(const LayerFactors<R>& x, Index j, Index j2, const R* q, R beta, MatrixView<R> f) {
  const Index n = x.a.rows, inputs = x.inputs(), biases = x.units() * n;
  const R* packed = q;  // its pairs with i
  for (Index i = 0; i < n; packed += inputs - i, ++i) {
    R* to = column(f, j2 * n + i);
    accumulate(beta, packed, n - i, to + j * n + i);
    if (x.bias) accumulate(beta, packed + n - i, 1, to + biases + j);
    if (j == j2) continue;
    const R* mirrored = q + i;  // pair (i, p), p < i
    for (Index p = 0; p < i; mirrored += inputs - p - 1, ++p) accumulate(beta, mirrored, 1, to + j * n + p);
    if (x.bias) accumulate(beta, packed + n - i, 1, column(f, j * n + i) + biases + j2);
  }
  if (x.bias) accumulate(beta, packed, 1, column(f, biases + j2) + biases + j);
}

}  // namespace

template <class R>
void CpuBackend<R>::input_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y,
                                MatrixView<R> out) {
  shapes::input_pairs(pairs, x, y, out);
  parallel_for(threads_, out.cols, out.rows, [&](Index n) {
    sample_pairs<R>(pairs, x.a.columns(n, 1), x.bias, y.a.columns(n, 1), y.bias, column(out, n));
  });
}

template <class R>
void CpuBackend<R>::signal_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y,
                                 MatrixView<R> out) {
  const Index r = shapes::signal_pairs(pairs, x, y, out);
  parallel_for(threads_, out.cols, r * out.rows, [&](Index n) {
    sample_pairs<R>(pairs, x.d.columns(n * r, r), false, y.d.columns(n * r, r), false, column(out, n));
  });
}

template <class R>
void CpuBackend<R>::unpack_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y,
                                 MatrixView<const R> q, Index first, R beta, MatrixView<R> f) {
  shapes::unpack_pairs(pairs, x, y, q, first, f);
  parallel_for(threads_, q.cols, q.rows, [&](Index c) {
    const auto [j, j2] = pair_at(pairs, x.units(), first + c);
    if (pairs == Pairs::all)
      place_all(x, y, j, j2, column(q, c), beta, f);
    else
      place_unique(x, j, j2, column(q, c), beta, f);
  });
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace natgrad
