/// The blocks of the exact Fisher by products over pairs: (ã_p ã'_q) · (Σ_k δ_j δ'_j').
#include <gtest/gtest.h>

#include <ostream>

#include "support/layer_factors.hpp"
#include "support/shape_errors.hpp"

namespace natgrad {
namespace {

using LayerPairs = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, LayerPairs, ::testing::ValuesIn(backend_cases()), backend_case_name);

/// Two layers of the same samples; with `unique` the second is the first.
template <class R>
struct Two {
  Pairs pairs;
  HostFactors<R> x, y;

  Two(const LayerSize& x_size, const LayerSize& y_size) : pairs(Pairs::all), x(x_size), y(y_size) {}
  explicit Two(const LayerSize& size) : pairs(Pairs::unique), x(size), y(size) {}
  Two absolute_values() const {
    Two sizes = *this;
    sizes.x = x.absolute_values();
    sizes.y = y.absolute_values();
    return sizes;
  }
  Index inputs() const { return pair_count(pairs, x.inputs(), y.inputs()); }
  Index signals() const { return pair_count(pairs, x.d.rows, y.d.rows); }
  Part part() const { return pairs == Pairs::unique ? Part::lower : Part::all; }
};

template <class R>
std::ostream& operator<<(std::ostream& out, const Two<R>& two) {
  return out << (two.pairs == Pairs::unique ? "unique" : "all") << " pairs of ñ " << two.x.inputs() << ", m "
             << two.x.d.rows << " with ñ " << two.y.inputs() << ", m " << two.y.d.rows << ", N "
             << two.x.a.cols << ", " << two.x.d.cols << " rows";
}

template <class R>
std::vector<Two<R>> all_twos() {
  std::vector<Two<R>> twos;
  for (const LayerSize& size : {LayerSize{0, 2, 3, 1},
                                {2, 0, 3, 1},
                                {2, 3, 0, 1},
                                {2, 3, 4, 0},
                                {1, 1, 1, 3},
                                {5, 3, 33, 3},
                                {31, 2, 33, 1},
                                {2, 33, 31, 3},
                                {8, 7, 70, 2}})
    for (const bool bias : {true, false}) {
      LayerSize same = size;
      same.bias = bias;
      twos.emplace_back(same);
      twos.emplace_back(same, LayerSize{3, 5, size.samples, size.r});
      twos.emplace_back(same, LayerSize{33, 1, size.samples, size.r, false});
    }
  return twos;
}

template <class R>
HostMatrix<R> input_pairs(Backend<R>& b, const Two<R>& two) {
  const DeviceFactors<R> x(b, two.x), y(b, two.y);
  const DeviceMatrix<R> out(b, two.inputs(), two.x.a.cols);
  b.input_pairs(two.pairs, x, y, out);
  return out.download();
}

template <class R>
HostMatrix<R> signal_pairs(Backend<R>& b, const Two<R>& two) {
  const DeviceFactors<R> x(b, two.x), y(b, two.y);
  const DeviceMatrix<R> out(b, two.signals(), two.x.a.cols);
  b.signal_pairs(two.pairs, x, y, out);
  return out.download();
}

TEST_P(LayerPairs, OfInputsMatchTheReferenceBitForBit) {
  run([]<class R>(Backend<R>& backend) {
    for (const Two<R>& two : all_twos<R>()) {
      const auto [found, wanted] = on_both(backend, [&](Backend<R>& b) { return input_pairs(b, two); });
      EXPECT_TRUE(identical(found, wanted)) << two;
    }
  });
}

TEST_P(LayerPairs, OfSignalsSumTheRowsOfASample) {
  run([]<class R>(Backend<R>& backend) {
    for (const Two<R>& two : all_twos<R>()) {
      const Index r = two.x.a.cols > 0 ? two.x.d.cols / two.x.a.cols : 0;
      EXPECT_TRUE(sums_match<R>(backend, two, r, signal_pairs<R>)) << two;
    }
  });
}

/// F after the signal pairs from `first` on were put in place; q: their products, as many as it has columns.
template <class R>
HostMatrix<R> unpacked(Backend<R>& b, const Two<R>& two, const HostMatrix<R>& q, Index first, R beta,
                       const HostMatrix<R>& f) {
  const DeviceFactors<R> x(b, two.x), y(b, two.y);
  const DeviceMatrix<R> d_q(b, q), d_f(b, f);
  b.unpack_pairs(two.pairs, x, y, d_q, first, beta, d_f);
  return d_f.download();
}

TEST_P(LayerPairs, UnpackToWhereTheyStandInTheBlock) {
  run([]<class R>(Backend<R>& backend) {
    for (const Two<R>& two : all_twos<R>()) {
      Random random(5);
      const HostMatrix<R> q = random.matrix<R>(two.inputs(), two.signals());
      const HostMatrix<R> f = poisoned<R>(two.x.parameters(), two.y.parameters());
      const auto [found, wanted] =
          on_both(backend, [&](Backend<R>& b) { return unpacked(b, two, q, 0, R(0), f); });
      EXPECT_TRUE(identical(found, wanted, two.part())) << two;
    }
  });
}

TEST_P(LayerPairs, UnpackAPartOfTheSignalsAndTouchNothingElse) {
  run([]<class R>(Backend<R>& backend) {
    for (const Two<R>& two : all_twos<R>())
      for (const R beta : {R(0), R(1), R(-2.5)})
        for (const Index first : {Index{0}, two.signals() / 3, two.signals()}) {
          Random random(6);
          const Index count = (two.signals() - first + 1) / 2;
          const HostMatrix<R> q = random.matrix<R>(two.inputs(), count);
          const HostMatrix<R> f = random.matrix<R>(two.x.parameters(), two.y.parameters());
          const auto [found, wanted] =
              on_both(backend, [&](Backend<R>& b) { return unpacked(b, two, q, first, beta, f); });
          const double roundings = beta == R(0) ? 0.0 : 2.0;  // of numbers of at most 1
          EXPECT_TRUE(within(found, wanted,
                             [&](Index, Index) { return roundings * epsilon<R> * (1.0 + std::abs(beta)); }))
              << two << ", " << count << " signal pairs from " << first << ", beta " << beta;
        }
  });
}

TEST_P(LayerPairs, ProductsUnpackToTheBlockOfTheFisher) {
  run([]<class R>(Backend<R>& backend) {
    for (const Two<R>& two : all_twos<R>()) {
      const Index rows = two.x.parameters(), cols = two.y.parameters(), chunk = 4;
      const DeviceFactors<R> x(backend, two.x), y(backend, two.y);
      const DeviceMatrix<R> inputs(backend, input_pairs(backend, two)),
          signals(backend, signal_pairs(backend, two)), f(backend, rows, cols);
      for (Index first = 0; first < two.signals(); first += chunk) {
        const Index count = std::min(chunk, two.signals() - first);
        const DeviceMatrix<R> q(backend, two.inputs(), count);
        backend.gemm(Transpose::no, Transpose::yes, R(1), inputs,
                     signals.view().block(first, 0, count, two.x.a.cols), R(0), q);
        backend.unpack_pairs(two.pairs, x, y, q, first, R(0), f);
      }
      const auto by_rows = [&](const Two<R>& layers) {
        const auto b = make_reference_backend<R>();
        const DeviceMatrix<R> s_x(*b, khatri_rao(*b, layers.x)), s_y(*b, khatri_rao(*b, layers.y)),
            block(*b, rows, cols);
        b->gemm(Transpose::no, Transpose::yes, R(1), s_x, s_y, R(0), block);
        return two.pairs == Pairs::unique ? lower_only(block.download()) : block.download();
      };
      EXPECT_TRUE(componentwise(f.download(), by_rows(two), 4.0 * static_cast<double>(two.x.d.cols + 3),
                                by_rows(two.absolute_values()), two.part()))
          << two;
    }
  });
}

TEST_P(LayerPairs, RejectShapesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceFactors<R> x(backend, LayerSize{2, 3, 4, 2}), y(backend, LayerSize{1, 2, 4, 2}),
        fewer(backend, LayerSize{1, 2, 3, 2}), single(backend, LayerSize{1, 2, 4, 1}),
        no_bias(backend, LayerSize{2, 3, 4, 2, false}), narrow(backend, LayerSize{2, 2, 4, 2});
    const auto all = Pairs::all, unique = Pairs::unique;
    const auto matrix = [&](Index rows, Index cols) { return DeviceMatrix<R>(backend, rows, cols); };
    const auto inputs = [&](Pairs pairs, const DeviceFactors<R>& a, const DeviceFactors<R>& b, Index rows,
                            Index cols) {
      return rejects_shapes("input_pairs", [&] { backend.input_pairs(pairs, a, b, matrix(rows, cols)); });
    };
    EXPECT_TRUE(inputs(all, x, y, 5, 4));
    EXPECT_TRUE(inputs(all, x, y, 6, 8));
    EXPECT_TRUE(inputs(all, x, fewer, 6, 4));
    EXPECT_TRUE(inputs(all, x, single, 6, 4));
    EXPECT_TRUE(inputs(unique, x, x, 9, 4));
    EXPECT_TRUE(inputs(unique, x, no_bias, 6, 4));
    EXPECT_TRUE(inputs(unique, x, narrow, 6, 4));
    const auto signals = [&](Pairs pairs, const DeviceFactors<R>& a, const DeviceFactors<R>& b, Index rows,
                             Index cols) {
      return rejects_shapes("signal_pairs", [&] { backend.signal_pairs(pairs, a, b, matrix(rows, cols)); });
    };
    EXPECT_TRUE(signals(all, x, y, 5, 4));
    EXPECT_TRUE(signals(all, x, y, 6, 8));
    EXPECT_TRUE(signals(all, x, fewer, 6, 4));
    EXPECT_TRUE(signals(unique, x, x, 9, 4));
    EXPECT_TRUE(signals(unique, x, narrow, 6, 4));
    const auto unpack = [&](Pairs pairs, const DeviceFactors<R>& a, const DeviceFactors<R>& b, Index rows,
                            Index cols, Index first, Index f_rows, Index f_cols) {
      return rejects_shapes("unpack_pairs", [&] {
        backend.unpack_pairs(pairs, a, b, matrix(rows, cols), first, R(0), matrix(f_rows, f_cols));
      });
    };
    EXPECT_TRUE(unpack(all, x, y, 5, 6, 0, 9, 4));
    EXPECT_TRUE(unpack(all, x, y, 6, 7, 0, 9, 4)) << "more than the signal pairs";
    EXPECT_TRUE(unpack(all, x, y, 6, 2, 5, 9, 4)) << "beyond the last signal pair";
    EXPECT_TRUE(unpack(all, x, y, 6, 2, -1, 9, 4));
    EXPECT_TRUE(unpack(all, x, y, 6, 6, 0, 4, 9));
    EXPECT_TRUE(unpack(all, x, fewer, 6, 6, 0, 9, 4));
    EXPECT_TRUE(unpack(unique, x, x, 9, 6, 0, 9, 9));
    EXPECT_TRUE(unpack(unique, x, no_bias, 6, 6, 0, 9, 6));
  });
}

}  // namespace
}  // namespace natgrad
