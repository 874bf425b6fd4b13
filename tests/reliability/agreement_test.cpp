/// R3: devices agree with the reference, products and rows componentwise; solves are R1's.
#include "reliability/promise.hpp"
#include "support/layer_factors.hpp"
#include "support/property.hpp"

namespace natgrad {
namespace {

const char* const excess = "error over 4·k·ε·Σ|products|";

class R3 : public PromiseTest {
 public:
  static void TearDownTestSuite() {
    if (!any_device()) return;
    const Worst& found = worst(excess);
    report_figure(
        "R3", fmt::format("{} products and rows of random shapes and strides on {}: largest {} {:.3f} ({}) "
                          "(allowed: 1)",
                          found.count, devices(), excess, found.value, found.where));
  }

 protected:
  int cases() const { return on_cpu() ? 400 : 60; }

  /// Whether operation(backend, operands), elements of which are sums of k products, is the reference's.
  template <class R, class Operands, class Operation>
  bool agrees(Backend<R>& backend, const Operands& operands, Index k, Operation operation,
              const std::string& where, Part part = Part::all) const;
};
INSTANTIATE_TEST_SUITE_P(Backends, R3, ::testing::ValuesIn(backend_cases()), backend_case_name);

/// The largest |found − wanted| / (unit · scale); infinite where something is written above the diagonal.
template <class R>
double largest_excess(const HostMatrix<R>& found, const HostMatrix<R>& wanted, double unit,
                      const HostMatrix<R>& scale, Part part) {
  double largest = 0.0;
  for (Index j = 0; j < found.cols; ++j)
    for (Index i = 0; i < found.rows; ++i) {
      if (part == Part::lower && i < j % found.rows) {
        if (!is_poison(found(i, j))) return std::numeric_limits<double>::infinity();
        continue;
      }
      const double error = std::abs(static_cast<double>(found(i, j)) - static_cast<double>(wanted(i, j)));
      const double over = error == 0.0 ? 0.0 : error / (unit * static_cast<double>(scale(i, j)));
      if (!(over <= largest)) largest = over;
      if (std::isnan(largest)) return largest;
    }
  return largest;
}

template <class R, class Operands, class Operation>
bool R3::agrees(Backend<R>& backend, const Operands& operands, Index k, Operation operation,
                const std::string& where, Part part) const {
  const auto reference = make_reference_backend<R>();
  const double unit = 4.0 * static_cast<double>(std::max<Index>(k, 1)) * epsilon<R>;
  const double over = largest_excess(operation(backend, operands), operation(*reference, operands), unit,
                                     operation(*reference, operands.absolute_values()), part);
  if (over > 1.0) RC_LOG() << where << ": " << over << " times the allowed error\n";
  return measured(excess, over, where) <= 1.0;
}

/// C ← α op(A) op(B) + βC; C is NaN on entry where β = 0.
template <class R>
struct Product {
  HostMatrix<R> a, b, c;
  R alpha, beta;

  Product absolute_values() const {
    return {absolute(a), absolute(b), absolute(c), std::abs(alpha), std::abs(beta)};
  }
};

template <class R>
HostMatrix<R> any_matrix(Index rows, Index cols) {
  return Random(static_cast<std::uint64_t>(*any::index(1000))).matrix<R>(rows, cols);
}

template <class R>
HostMatrix<R> any_addend(Index rows, Index cols, R beta) {
  return beta == R(0) ? poisoned<R>(rows, cols) : any_matrix<R>(rows, cols);
}

TEST_P(R3, ProductsOfMatrices) {
  run([this]<class R>(Backend<R>& backend) {
    check_property(cases(), [&] {
      const Index m = *any::awkward_size(), n = *any::awkward_size(), k = *any::awkward_size();
      const Index pad_a = *any::index(4), pad_b = *any::index(4), pad_c = *any::index(4);
      const bool ta = *any::index(2) == 1, tb = *any::index(2) == 1;
      const R alpha = *rc::gen::element(R(1), R(-0.7)), beta = *rc::gen::element(R(0), R(1), R(-2.5));
      const std::string where = fmt::format("{} × {} × {}, strides + {}, {}, {}, transposed {}, {}, β {}", m,
                                            n, k, pad_a, pad_b, pad_c, ta, tb, beta);
      const Product<R> general{any_matrix<R>(ta ? k : m, ta ? m : k), any_matrix<R>(tb ? n : k, tb ? k : n),
                               any_addend(m, n, beta), alpha, beta};
      RC_ASSERT(agrees(
          backend, general, k + 1,
          [&](Backend<R>& on, const Product<R>& p) {
            const DeviceMatrix<R> a(on, p.a, pad_a), b(on, p.b, pad_b), c(on, p.c, pad_c);
            on.gemm(ta ? Transpose::yes : Transpose::no, tb ? Transpose::yes : Transpose::no, p.alpha, a, b,
                    p.beta, c);
            return c.download();
          },
          "gemm, " + where));
      const Product<R> symmetric{any_matrix<R>(n, k), {}, lower_only(any_addend(n, n, beta)), alpha, beta};
      RC_ASSERT(agrees(
          backend, symmetric, k + 1,
          [&](Backend<R>& on, const Product<R>& p) {
            const DeviceMatrix<R> a(on, p.a, pad_a), c(on, lower_only(p.c), pad_c);
            on.syrk(p.alpha, a, p.beta, c);
            return c.download();
          },
          "syrk, " + where, Part::lower));
      const Product<R> vector{any_matrix<R>(n, n), any_matrix<R>(n, 1), {}, R(1), R(0)};
      RC_ASSERT(agrees(
          backend, vector, n,
          [&](Backend<R>& on, const Product<R>& p) {
            const DeviceMatrix<R> a(on, lower_only(p.a), pad_a);
            const DeviceVector<R> x(on, p.b), y(on, n);
            on.symv(a, x, y);
            return y.download();
          },
          "symv, " + where));
    });
  });
}

/// A layer's factors with weights of the rows and something of the shape of the units.
template <class R>
struct RowsOfALayer {
  HostMatrix<R> a, d, w, t;
  bool bias;
  Index pad_a, pad_d;

  RowsOfALayer absolute_values() const {
    return {absolute(a), absolute(d), absolute(w), absolute(t), bias, pad_a, pad_d};
  }
};

/// Calls operation(layer, its operands) with these on a device.
template <class R, class Operation>
auto with_layer(Backend<R>& on, const RowsOfALayer<R>& rows, Operation operation) {
  const DeviceMatrix<R> a(on, rows.a, rows.pad_a), d(on, rows.d, rows.pad_d);
  return operation(LayerFactors<R>{a, d, rows.bias});
}

TEST_P(R3, RowsOfScores) {
  run([this]<class R>(Backend<R>& backend) {
    check_property(cases(), [&] {
      const LayerSize size{*any::awkward_size(), *any::index(34), *any::index(34), 1 + *any::index(3),
                           *any::index(2) == 1};
      const RowsOfALayer<R> rows{any_matrix<R>(size.n, size.samples),
                                 any_matrix<R>(size.m, size.rows()),
                                 any_matrix<R>(size.rows(), 1),
                                 any_matrix<R>(size.m, size.samples),
                                 size.bias,
                                 *any::index(4),
                                 *any::index(4)};
      const std::string where = fmt::format("{}, strides + {}, {}", text_of(size), rows.pad_a, rows.pad_d);
      const auto check = [&](const char* name, Index k, auto operation, Part part = Part::all) {
        RC_ASSERT(agrees(
            backend, rows, k,
            [&](Backend<R>& on, const RowsOfALayer<R>& here) {
              return with_layer(on, here,
                                [&](const LayerFactors<R>& layer) { return operation(on, here, layer); });
            },
            fmt::format("{}, {}", name, where), part));
      };
      using Operands = RowsOfALayer<R>;
      using Layer = LayerFactors<R>;
      check("khatri_rao", 1, [&](Backend<R>& on, const Operands&, const Layer& layer) {
        const DeviceMatrix<R> s(on, size.parameters(), size.rows());
        on.khatri_rao(layer, s);
        return s.download();
      });
      check(
          "gram", size.inputs() + size.m,
          [&](Backend<R>& on, const Operands&, const Layer& layer) {
            const DeviceMatrix<R> k(on, size.rows(), size.rows());
            on.gram({&layer, 1}, k);
            return k.download();
          },
          Part::lower);
      check("column_dots", size.m, [&](Backend<R>& on, const Operands& here, const Layer& layer) {
        const DeviceMatrix<R> t(on, here.t);
        const DeviceVector<R> w(on, size.rows());
        on.column_dots(layer.d, t, R(0), w);
        return w.download();
      });
      check("weighted_signals", size.r, [&](Backend<R>& on, const Operands& here, const Layer& layer) {
        const DeviceVector<R> w(on, here.w);
        const DeviceMatrix<R> e(on, size.m, size.samples);
        on.weighted_signals(layer.d, w, e);
        return e.download();
      });
      if (size.parameters() > 400) return;  // the reference takes its time
      check(
          "outer_products", size.rows(),
          [&](Backend<R>& on, const Operands&, const Layer& layer) {
            const DeviceMatrix<R> s(on, size.parameters(), 2 * size.r),
                f(on, size.parameters(), size.parameters());
            on.outer_products({&layer, 1}, R(1), R(0), s, f);
            return f.download();
          },
          Part::lower);
      check(
          "unit_blocks", size.rows() + 2,
          [&](Backend<R>& on, const Operands&, const Layer& layer) {
            const DeviceBatch<R> f(on, size.inputs(), size.m);
            on.unit_blocks(layer, R(1), R(0), f);
            return f.download();
          },
          Part::lower);
    });
  });
}

}  // namespace
}  // namespace natgrad
