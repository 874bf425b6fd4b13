#include "support/reference_backend.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "random.hpp"
#include "shape_check.hpp"
#include "support/reference_algebra.hpp"
#include "support/reference_device.hpp"
#include "support/reference_formulas.hpp"
#include "support/reference_signals.hpp"

namespace natgrad {
namespace {

using reference::at;
using reference::Column;
using reference::Real;

template <class T>
void require_shape(const char* operation, const char* what, MatrixView<T> found, Index rows, Index cols) {
  require_size(operation, what, found.rows, rows);
  require_size(operation, what, found.cols, cols);
}

/// Column j of a matrix, in long double.
template <class R>
Column column(MatrixView<const R> m, Index j) {
  return Column(m.data + j * m.stride, m.data + j * m.stride + m.rows);
}

template <class R>
class ReferenceBackend final : public ReferenceDevice<R> {
  using ReferenceDevice<R>::gather_info;
  using ReferenceDevice<R>::set;
  using ReferenceDevice<R>::slot;
  using In = MatrixView<const R>;
  using Out = MatrixView<R>;
  using VectorIn = VectorView<const R>;
  using Vector = VectorView<R>;

 public:
  using AdamRates = typename Backend<R>::AdamRates;

  // --- vectors and matrices --------------------------------------------------------------------------------
  void copy(In from, Out to) override {
    require_shape("copy", "the target", to, from.rows, from.cols);
    each(to, [&](Index i, Index j) { at(to, i, j) = at(from, i, j); });
  }
  void fill(Out x, R value) override {
    each(x, [&](Index i, Index j) { at(x, i, j) = value; });
  }
  void axpy(R alpha, VectorIn x, Vector y) override { add_scaled("axpy", alpha, x, y); }
  void axpy(R alpha, Slot factor, VectorIn x, Vector y) override {
    add_scaled("axpy", Real(alpha) * slot(factor), x, y);
  }
  void scale(R alpha, Vector x) override {
    for (Index i = 0; i < x.size; ++i) x.data[i] *= alpha;
  }
  void dot(VectorIn x, VectorIn y, Slot result) override {
    require_size("dot", "the size of y", y.size, x.size);
    Real sum = 0;
    for (Index i = 0; i < x.size; ++i) sum += Real(x.data[i]) * y.data[i];
    set(result, sum);
  }
  void gemm(Transpose ta, Transpose tb, R alpha, In a, In b, R beta, Out c) override {
    const bool a_turned = ta == Transpose::yes, b_turned = tb == Transpose::yes;
    const Index inner = a_turned ? a.rows : a.cols;
    require_size("gemm", "the rows of C", c.rows, a_turned ? a.cols : a.rows);
    require_size("gemm", "the columns of C", c.cols, b_turned ? b.rows : b.cols);
    require_size("gemm", "the inner size of B", b_turned ? b.cols : b.rows, inner);
    each(c, [&](Index i, Index j) {
      Real sum = 0;
      for (Index k = 0; k < inner; ++k)
        sum += Real(a_turned ? at(a, k, i) : at(a, i, k)) * (b_turned ? at(b, j, k) : at(b, k, j));
      store(at(c, i, j), alpha * sum, beta);
    });
  }
  void syrk(R alpha, In a, R beta, Out c) override {
    require_shape("syrk", "C", c, a.rows, a.rows);
    each(c, [&](Index i, Index j) {
      if (i < j) return;
      Real sum = 0;
      for (Index k = 0; k < a.cols; ++k) sum += Real(at(a, i, k)) * at(a, j, k);
      store(at(c, i, j), alpha * sum, beta);
    });
  }
  void symv(In a, VectorIn x, Vector y) override {
    require_shape("symv", "A", a, y.size, y.size);
    require_size("symv", "the size of x", x.size, y.size);
    for (Index i = 0; i < y.size; ++i) {
      Real sum = 0;
      for (Index j = 0; j < x.size; ++j) sum += reference::symmetric_at<R>(a, i, j) * x.data[j];
      y.data[i] = static_cast<R>(sum);
    }
  }

  // --- symmetric systems -----------------------------------------------------------------------------------
  void damp(BatchView<const R> f, R lambda, BatchView<R> out) override {
    require_size("damp", "the order of the result", out.n, f.n);
    require_size("damp", "the number of results", out.count, f.count);
    double& largest = slot(Slot::largest_diagonal);
    for (Index k = 0; k < f.count; ++k)
      each(out[k], [&](Index i, Index j) {
        if (i < j) return;
        const R value = at(f[k], i, j);
        at(out[k], i, j) = i == j ? value + lambda : value;
        if (i == j) largest = std::max<double>(largest, value);
      });
  }
  void cholesky(BatchView<R> a) override {
    for (Index k = 0; k < a.count; ++k) gather_info(reference::cholesky(a[k]));
  }
  void cholesky_solve(BatchView<const R> l, Out b) override {
    require_size("cholesky_solve", "the rows of B", b.rows, l.n);
    if (l.count != 1) require_size("cholesky_solve", "the columns of B", b.cols, l.count);
    for (Index j = 0; j < b.cols; ++j)
      reference::cholesky_solve<R>(l[l.count == 1 ? 0 : j], {b.data + j * b.stride, b.rows});
  }
  void eigen(Out a, Vector w) override {
    require_shape("eigen", "A", a, w.size, w.size);
    gather_info(reference::eigen(a, w) ? 0 : -1);
  }
  void spectral_solve(VectorIn w, R cutoff, Vector c) override {
    require_size("spectral_solve", "the size of c", c.size, w.size);
    if (w.size == 0) return;
    const R largest = *std::max_element(w.data, w.data + w.size);
    for (Index i = 0; i < w.size; ++i) {
      const bool keep = w.data[i] > cutoff * largest;
      c.data[i] = keep ? static_cast<R>(Real(c.data[i]) / Real(w.data[i])) : R(0);
      slot(Slot::rank) += keep;
    }
  }

  // --- network ---------------------------------------------------------------------------------------------
  void activate(Activation phi, VectorIn bias, Out z, Out a) override {
    require_size("activate", "the size of the bias", bias.size, z.rows);
    require_shape("activate", "A", a, z.rows, z.cols);
    each(z, [&](Index i, Index j) {
      const Real x = Real(at(z, i, j)) + bias.data[i];
      at(z, i, j) = static_cast<R>(reference::activation_slope(phi, x));
      at(a, i, j) = static_cast<R>(reference::activation_value(phi, x));
    });
  }
  void multiply_slopes(In slopes, Out d) override {
    require_size("multiply_slopes", "the rows of D", d.rows, slopes.rows);
    const Index r = rows_per_sample("multiply_slopes", d.cols, slopes.cols);
    each(d, [&](Index i, Index c) { at(d, i, c) *= at(slopes, i, c / r); });
  }

  // --- likelihood ------------------------------------------------------------------------------------------
  void loss(Likelihood likelihood, In z, In y) override {
    require_targets("loss", likelihood, z, y);
    Real sum = 0;
    for (Index n = 0; n < z.cols; ++n) sum += reference::loss(likelihood, column<R>(z, n), column<R>(y, n));
    set(Slot::loss, mean(sum, z.cols));
  }
  void signals(const ScoreSpec& spec, Likelihood likelihood, In z, In y, Out d) override {
    const Index r = spec.rows_per_sample(likelihood, z.rows);
    require_shape("signals", "D", d, z.rows, z.cols * r);
    if (spec.kind == ScoreKind::empirical) require_targets("signals", likelihood, z, y);
    const Real scale = 1 / std::sqrt(Real(z.cols));
    for (Index n = 0; n < z.cols; ++n) {
      const Column target = spec.kind == ScoreKind::empirical ? column<R>(y, n) : Column();
      const HostMatrix<Real> rows = reference::sample_signals(spec, likelihood, column<R>(z, n), target, n);
      for (Index k = 0; k < r; ++k)
        for (Index j = 0; j < z.rows; ++j) at(d, j, n * r + k) = static_cast<R>(scale * rows(j, k));
    }
  }
  void divergence(Likelihood likelihood, In z_old, In z_new, In y) override {
    require_shape("divergence", "the new z", z_new, z_old.rows, z_old.cols);
    require_targets("divergence", likelihood, z_old, y);
    Real kl = 0, change = 0;
    for (Index n = 0; n < z_old.cols; ++n) {
      const Column from = column<R>(z_old, n), to = column<R>(z_new, n), target = column<R>(y, n);
      kl += reference::kl(likelihood, from, to);
      change += reference::loss(likelihood, to, target) - reference::loss(likelihood, from, target);
    }
    set(Slot::kl, mean(kl, z_old.cols));
    set(Slot::loss_change, mean(change, z_old.cols));
  }
  void means(Likelihood likelihood, In z, Out means) override {
    require_shape("means", "the means", means, z.rows, z.cols);
    for (Index n = 0; n < z.cols; ++n) {
      const Column mean = reference::means(likelihood, column<R>(z, n));
      for (Index j = 0; j < z.rows; ++j) at(means, j, n) = static_cast<R>(mean[j]);
    }
  }
  void count_correct(In z, In y) override {
    require_shape("count_correct", "the classes", y, 1, z.cols);
    Real correct = 0;
    for (Index n = 0; n < z.cols; ++n) {
      const Column outputs = column<R>(z, n);
      correct += std::max_element(outputs.begin(), outputs.end()) - outputs.begin() == at(y, 0, n);
    }
    set(Slot::correct, correct);
  }
  void squared_error(In means, In y, VectorIn weight) override {
    require_shape("squared_error", "the targets", y, means.rows, means.cols);
    require_size("squared_error", "the number of weights", weight.size, means.rows);
    Real sum = 0;
    each(means, [&](Index j, Index n) {
      const Real error = Real(at(means, j, n)) - at(y, j, n);
      sum += weight.data[j] * error * error;
    });
    set(Slot::squared_error, sum);
  }

  // --- Fisher ----------------------------------------------------------------------------------------------
  void khatri_rao(In a, In d, Out s) override {
    const Index r = rows_per_sample("khatri_rao", d.cols, a.cols);
    require_shape("khatri_rao", "S", s, d.rows * (a.rows + 1), d.cols);
    each(d, [&](Index j, Index c) {
      for (Index i = 0; i < a.rows; ++i) at(s, j * a.rows + i, c) = at(d, j, c) * at(a, i, c / r);
      at(s, d.rows * a.rows + j, c) = at(d, j, c);
    });
  }
  void unit_blocks(In a, In d, BatchView<R> f) override {
    const Index r = rows_per_sample("unit_blocks", d.cols, a.cols);
    require_size("unit_blocks", "the number of blocks", f.count, d.rows);
    require_size("unit_blocks", "the order of a block", f.n, a.rows + 1);
    const auto extended = [&](Index i, Index n) { return i < a.rows ? Real(at(a, i, n)) : Real(1); };
    for (Index j = 0; j < f.count; ++j)
      each(f[j], [&](Index i, Index k) {
        if (i < k) return;
        Real sum = 0;
        for (Index c = 0; c < d.cols; ++c)
          sum += Real(at(d, j, c)) * at(d, j, c) * extended(i, c / r) * extended(k, c / r);
        at(f[j], i, k) = static_cast<R>(sum);
      });
  }
  void column_dots(In d, In t, R beta, Vector w) override {
    const Index r = rows_per_sample("column_dots", d.cols, t.cols);
    require_size("column_dots", "the rows of T", t.rows, d.rows);
    require_size("column_dots", "the size of w", w.size, d.cols);
    for (Index c = 0; c < d.cols; ++c) {
      Real sum = 0;
      for (Index j = 0; j < d.rows; ++j) sum += Real(at(d, j, c)) * at(t, j, c / r);
      store(w.data[c], sum, beta);
    }
  }
  void weighted_signals(In d, VectorIn w, Out e) override {
    const Index r = rows_per_sample("weighted_signals", d.cols, e.cols);
    require_size("weighted_signals", "the rows of E", e.rows, d.rows);
    require_size("weighted_signals", "the size of w", w.size, d.cols);
    each(e, [&](Index j, Index n) {
      Real sum = 0;
      for (Index c = n * r; c < n * r + r; ++c) sum += Real(w.data[c]) * at(d, j, c);
      at(e, j, n) = static_cast<R>(sum);
    });
  }
  void squared_signals(In d, In t, Out e) override {
    const Index r = rows_per_sample("squared_signals", d.cols, e.cols);
    require_size("squared_signals", "the rows of D", d.rows, e.rows);
    require_shape("squared_signals", "T", t, e.rows, e.cols);
    each(e, [&](Index j, Index n) {
      Real sum = 0;
      for (Index c = n * r; c < n * r + r; ++c) sum += Real(at(d, j, c)) * at(d, j, c);
      at(e, j, n) = static_cast<R>(sum * at(t, j, n));
    });
  }
  void row_sums(In e, Vector b) override {
    require_size("row_sums", "the size of b", b.size, e.rows);
    for (Index j = 0; j < e.rows; ++j) {
      Real sum = 0;
      for (Index n = 0; n < e.cols; ++n) sum += at(e, j, n);
      b.data[j] = static_cast<R>(sum);
    }
  }

  // --- optimisers and data ---------------------------------------------------------------------------------
  void step_size(double kl_budget, double max_beta) override {
    const double quadratic = slot(Slot::quadratic);
    if (!(quadratic >= 0) || std::isinf(quadratic))
      set(Slot::beta, std::numeric_limits<Real>::quiet_NaN());
    else if (quadratic == 0)
      set(Slot::beta, max_beta);
    else
      set(Slot::beta, std::min<Real>(max_beta, std::sqrt(2 * Real(kl_budget) / quadratic)));
  }
  void adam(const AdamRates& rates, VectorIn g, Vector m, Vector v, Vector theta) override {
    for (const Vector& x : {m, v, theta}) require_size("adam", "the size of a vector", x.size, g.size);
    for (Index i = 0; i < g.size; ++i) {
      const Real slope = g.data[i];
      const Real first = rates.beta1 * Real(m.data[i]) + (1 - Real(rates.beta1)) * slope;
      const Real second = rates.beta2 * Real(v.data[i]) + (1 - Real(rates.beta2)) * slope * slope;
      m.data[i] = static_cast<R>(first);
      v.data[i] = static_cast<R>(second);
      theta.data[i] =
          static_cast<R>(theta.data[i] - rates.rate * (first / rates.correction1) /
                                             (std::sqrt(second / rates.correction2) + rates.epsilon));
    }
  }
  void gather_columns(In from, VectorView<const Index> index, Out to) override {
    require_shape("gather_columns", "the target", to, from.rows, index.size);
    each(to, [&](Index i, Index k) { at(to, i, k) = at(from, i, index.data[k]); });
  }
  void permutation(RandomKey key, VectorView<Index> index) override {
    std::vector<std::pair<std::uint64_t, Index>> order;
    for (Index i = 0; i < index.size; ++i)
      order.emplace_back(random_sort_key(key, static_cast<std::uint64_t>(i)), i);
    std::sort(order.begin(), order.end());
    for (Index i = 0; i < index.size; ++i) index.data[i] = order[static_cast<std::size_t>(i)].second;
  }

 private:
  /// The mean over no samples is 0.
  static Real mean(Real sum, Index samples) { return samples > 0 ? sum / samples : 0; }
  /// c ← value + βc; c is not read where β = 0.
  static void store(R& c, Real value, R beta) {
    c = static_cast<R>(beta == 0 ? value : value + Real(beta) * c);
  }
  template <class T, class Function>
  static void each(MatrixView<T> m, Function function) {
    for (Index j = 0; j < m.cols; ++j)
      for (Index i = 0; i < m.rows; ++i) function(i, j);
  }
  static void add_scaled(const char* operation, Real alpha, VectorIn x, Vector y) {
    require_size(operation, "the size of y", y.size, x.size);
    for (Index i = 0; i < x.size; ++i) y.data[i] = static_cast<R>(y.data[i] + alpha * x.data[i]);
  }
  static void require_targets(const char* operation, Likelihood likelihood, In z, In y) {
    require_shape(operation, "the targets", y, likelihood == Likelihood::categorical ? 1 : z.rows, z.cols);
  }
};

}  // namespace

template <class R>
std::unique_ptr<Backend<R>> make_reference_backend() {
  return std::make_unique<ReferenceBackend<R>>();
}

template std::unique_ptr<Backend<float>> make_reference_backend<float>();
template std::unique_ptr<Backend<double>> make_reference_backend<double>();

}  // namespace natgrad
