/// The operations on one layer's factors, inputs a: n × N and signals d: m × N·r.
#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <utility>

#include "support/backends.hpp"
#include "support/device_matrix.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {
namespace {

using Fisher = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Fisher, ::testing::ValuesIn(backend_cases()), backend_case_name);

/// Inputs n, units m, samples N, rows r per sample.
struct Layer {
  Index n, m, samples, r;
};

constexpr Layer layers[] = {{0, 2, 3, 1},   {2, 0, 3, 1},   {2, 3, 0, 1},  {2, 3, 4, 0},   {1, 1, 1, 1},
                            {1, 1, 1, 3},   {2, 1, 31, 3},  {1, 2, 33, 1}, {31, 2, 33, 1}, {33, 31, 2, 3},
                            {2, 33, 31, 3}, {43, 5, 97, 1}, {16, 3, 5, 3}, {64, 2, 65, 1}, {3, 70, 129, 3}};

std::ostream& operator<<(std::ostream& out, const Layer& layer) {
  return out << "n " << layer.n << ", m " << layer.m << ", N " << layer.samples << ", r " << layer.r;
}

template <class R>
struct Factors {
  HostMatrix<R> a, d, t, w;  // inputs, signals, m × N, one number a row

  explicit Factors(const Layer& layer) {
    Random random(static_cast<std::uint64_t>(layer.n + 100 * layer.m));
    a = random.matrix<R>(layer.n, layer.samples);
    d = random.matrix<R>(layer.m, layer.samples * layer.r);
    t = random.matrix<R>(layer.m, layer.samples);
    w = random.matrix<R>(layer.samples * layer.r, 1);
  }
  Factors absolute_values() const {
    Factors sizes = *this;
    for (HostMatrix<R>* m : {&sizes.a, &sizes.d, &sizes.t, &sizes.w}) *m = absolute(*m);
    return sizes;
  }
};

/// Compares operation(backend, factors), sums of `terms` products, with the reference, element by element
/// within 4·terms·ε·Σ|products|.
template <class R, class Operation>
void check_sums(Backend<R>& backend, const Layer& layer, Index terms, Operation operation,
                Part part = Part::all) {
  const Factors<R> factors(layer);
  const auto reference = make_reference_backend<R>();
  EXPECT_TRUE(componentwise(operation(backend, factors), operation(*reference, factors),
                            4.0 * static_cast<double>(terms + 1),
                            operation(*reference, factors.absolute_values()), part))
      << layer;
}

TEST_P(Fisher, KhatriRaoMatchesTheReferenceBitForBit) {
  run([]<class R>(Backend<R>& backend) {
    for (const Layer& layer : layers) {
      const Factors<R> f(layer);
      const auto [found, wanted] = on_both(backend, [&](Backend<R>& b) {
        const DeviceMatrix<R> a(b, f.a), d(b, f.d), s(b, layer.m * (layer.n + 1), f.d.cols);
        b.khatri_rao(a, d, s);
        return s.download();
      });
      EXPECT_TRUE(identical(found, wanted)) << layer;
    }
  });
}

template <class R>
HostMatrix<R> unit_blocks(Backend<R>& b, const Factors<R>& f) {
  const DeviceMatrix<R> a(b, f.a), d(b, f.d);
  const DeviceBatch<R> blocks(b, f.a.rows + 1, f.d.rows);
  b.unit_blocks(a, d, blocks);
  return blocks.download();
}

TEST_P(Fisher, UnitBlocksMatchTheReference) {
  run([]<class R>(Backend<R>& backend) {
    for (const Layer& layer : layers)
      check_sums<R>(backend, layer, layer.samples * layer.r, unit_blocks<R>, Part::lower);
  });
}

TEST_P(Fisher, UnitBlocksAreTheDiagonalBlocksOfTheDenseFisher) {
  run([]<class R>(Backend<R>& backend) {
    for (const Layer& layer : {Layer{3, 2, 5, 1}, Layer{5, 4, 31, 3}, Layer{31, 2, 33, 1}}) {
      const Factors<R> f(layer);
      const Index n = layer.n, m = layer.m, parameters = m * (n + 1);
      const DeviceMatrix<R> a(backend, f.a), d(backend, f.d), s(backend, parameters, f.d.cols);
      const DeviceMatrix<R> dense(backend, parameters, parameters);
      backend.khatri_rao(a, d, s);
      backend.syrk(R(1), s, R(0), dense);
      const HostMatrix<R> fisher = dense.download(), blocks = unit_blocks(backend, f);
      HostMatrix<R> wanted = blocks, scale = blocks;
      for (Index j = 0; j < m; ++j) {
        const auto row = [&](Index i) { return i < n ? j * n + i : m * n + j; };  // of ã_i in θ's order
        for (Index k = 0; k <= n; ++k)
          for (Index i = k; i <= n; ++i) {
            wanted(i, j * (n + 1) + k) = fisher(row(i), row(k));
            scale(i, j * (n + 1) + k) = std::sqrt(fisher(row(i), row(i)) * fisher(row(k), row(k)));
          }
      }
      EXPECT_TRUE(componentwise(blocks, wanted, 8.0 * static_cast<double>(f.d.cols), scale, Part::lower))
          << layer;
    }
  });
}

TEST_P(Fisher, ColumnDotsAddToAMultipleAndIgnoreWhatBetaZeroHides) {
  run([]<class R>(Backend<R>& backend) {
    for (const Layer& layer : layers)
      for (const R beta : {R(0), R(1), R(2.5)})
        check_sums<R>(backend, layer, layer.m, [&](Backend<R>& b, const Factors<R>& f) {
          const DeviceMatrix<R> d(b, f.d), t(b, f.t);
          const DeviceVector<R> w(b, beta == R(0) ? poisoned<R>(f.w.rows, 1) : f.w);
          b.column_dots(d, t, beta, w);
          return w.download();
        });
  });
}

TEST_P(Fisher, WeightedSignalsSumTheRowsOfASample) {
  run([]<class R>(Backend<R>& backend) {
    for (const Layer& layer : layers)
      check_sums<R>(backend, layer, layer.r, [&](Backend<R>& b, const Factors<R>& f) {
        const DeviceMatrix<R> d(b, f.d), e(b, layer.m, layer.samples);
        const DeviceVector<R> w(b, f.w);
        b.weighted_signals(d, w, e);
        return e.download();
      });
  });
}

TEST_P(Fisher, SquaredSignalsWeightASquaredSumAlsoInPlace) {
  run([]<class R>(Backend<R>& backend) {
    for (const Layer& layer : layers)
      for (const bool in_place : {false, true})
        check_sums<R>(backend, layer, layer.r + 1, [&](Backend<R>& b, const Factors<R>& f) {
          const DeviceMatrix<R> d(b, f.d), t(b, f.t), e(b, layer.m, layer.samples);
          b.squared_signals(d, t, in_place ? t : e);
          return (in_place ? t : e).download();
        });
  });
}

TEST_P(Fisher, RowSumsAddUpTheSamples) {
  run([]<class R>(Backend<R>& backend) {
    for (const Layer& layer : layers)
      check_sums<R>(backend, layer, layer.samples, [&](Backend<R>& b, const Factors<R>& f) {
        const DeviceMatrix<R> t(b, f.t);
        const DeviceVector<R> sums(b, layer.m);
        b.row_sums(t, sums);
        return sums.download();
      });
    check_sums<R>(backend, {0, 43, 597, 1}, 597, [&](Backend<R>& b, const Factors<R>& f) {
      const DeviceMatrix<R> t(b, f.t);
      const DeviceVector<R> sums(b, 43);
      b.row_sums(t, sums);
      return sums.download();
    });
  });
}

TEST_P(Fisher, SumsGiveTheSameBitsAgain) {
  run([]<class R>(Backend<R>& backend) {
    const Factors<R> f(Layer{16, 5, 97, 3});
    EXPECT_TRUE(identical(unit_blocks(backend, f), unit_blocks(backend, f), Part::lower));
    const DeviceMatrix<R> d(backend, f.d), t(backend, f.t);
    const auto sums = [&] {
      const DeviceVector<R> rows(backend, f.t.rows), w(backend, f.w.rows);
      backend.row_sums(d, rows);
      backend.column_dots(d, t, R(0), w);
      return std::pair{rows.download(), w.download()};
    };
    const auto first = sums(), second = sums();
    EXPECT_TRUE(identical(second.first, first.first));
    EXPECT_TRUE(identical(second.second, first.second));
  });
}

TEST_P(Fisher, RejectsShapesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const Index n = 2, m = 3, samples = 4;
    const DeviceMatrix<R> a(backend, n, samples), d(backend, m, 2 * samples),
        odd(backend, m, 2 * samples - 1);
    const DeviceMatrix<R> t(backend, m, samples), narrow(backend, m - 1, samples), fewer(backend, m, 3);
    const DeviceMatrix<R> s(backend, m * (n + 1), 2 * samples), low_s(backend, m * (n + 1) - 1, 2 * samples),
        short_s(backend, m * (n + 1), samples), odd_s(backend, m * (n + 1), 2 * samples - 1);
    const DeviceBatch<R> blocks(backend, n + 1, m), few(backend, n + 1, m - 1), small(backend, n, m);
    const DeviceVector<R> w(backend, 2 * samples), short_w(backend, samples), b(backend, m),
        short_b(backend, m - 1);
    EXPECT_THROW(backend.khatri_rao(a, odd, odd_s), ShapeError);
    EXPECT_THROW(backend.khatri_rao(a, d, low_s), ShapeError);
    EXPECT_THROW(backend.khatri_rao(a, d, short_s), ShapeError);
    EXPECT_THROW(backend.unit_blocks(a, odd, blocks), ShapeError);
    EXPECT_THROW(backend.unit_blocks(a, d, few), ShapeError);
    EXPECT_THROW(backend.unit_blocks(a, d, small), ShapeError);
    EXPECT_THROW(backend.column_dots(d, narrow, R(0), w), ShapeError);
    EXPECT_THROW(backend.column_dots(d, fewer, R(0), w), ShapeError);
    EXPECT_THROW(backend.column_dots(d, t, R(0), short_w), ShapeError);
    EXPECT_THROW(backend.weighted_signals(d, short_w, t), ShapeError);
    EXPECT_THROW(backend.weighted_signals(d, w, narrow), ShapeError);
    EXPECT_THROW(backend.weighted_signals(d, w, fewer), ShapeError);
    EXPECT_THROW(backend.squared_signals(d, t, narrow), ShapeError);
    EXPECT_THROW(backend.squared_signals(d, narrow, t), ShapeError);
    EXPECT_THROW(backend.squared_signals(d, fewer, t), ShapeError);
    EXPECT_THROW(backend.squared_signals(odd, t, t), ShapeError);
    EXPECT_THROW(backend.row_sums(t, short_b), ShapeError);
    EXPECT_THROW(backend.row_sums(narrow, b), ShapeError);
  });
}

}  // namespace
}  // namespace natgrad
