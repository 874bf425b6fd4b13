/// The operations on one layer's factors, inputs a: n × N and signals d: m × N·r.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "support/layer_factors.hpp"
#include "support/shape_errors.hpp"

namespace natgrad {
namespace {

using Fisher = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Fisher, ::testing::ValuesIn(backend_cases()), backend_case_name);

template <class R>
struct Factors : HostFactors<R> {
  HostMatrix<R> t, w;  // m × N, one number a row

  explicit Factors(const LayerSize& size) : HostFactors<R>(size) {
    Random random(static_cast<std::uint64_t>(size.m));
    t = random.matrix<R>(size.m, size.samples);
    w = random.matrix<R>(size.rows(), 1);
  }
  Factors absolute_values() const {
    Factors sizes = *this;
    for (HostMatrix<R>* m : {&sizes.a, &sizes.d, &sizes.t, &sizes.w}) *m = absolute(*m);
    return sizes;
  }
};

/// Compares operation(backend, factors), sums of `terms` products, with the reference.
template <class R, class Operation>
void check_sums(Backend<R>& backend, const LayerSize& layer, Index terms, Operation operation,
                Part part = Part::all) {
  EXPECT_TRUE(sums_match<R>(backend, Factors<R>(layer), terms, operation, part)) << layer;
}

TEST_P(Fisher, KhatriRaoMatchesTheReferenceBitForBit) {
  run([]<class R>(Backend<R>& backend) {
    for (const LayerSize& layer : layer_sizes()) {
      const HostFactors<R> f(layer);
      const auto [found, wanted] = on_both(backend, [&](Backend<R>& b) { return khatri_rao(b, f); });
      EXPECT_TRUE(identical(found, wanted)) << layer;
    }
  });
}

/// F ← αΣδ²ããᵀ + βF, side by side; F is poison on entry where β = 0, else 1 everywhere.
template <class R>
HostMatrix<R> unit_blocks(Backend<R>& b, const HostFactors<R>& f, R alpha, R beta) {
  const DeviceFactors<R> layer(b, f);
  HostMatrix<R> before = poisoned<R>(f.inputs(), f.parameters());
  if (beta != R(0)) std::fill(before.data.begin(), before.data.end(), R(1));
  const DeviceBatch<R> blocks(b, before, f.d.rows);
  b.unit_blocks(layer, alpha, beta, blocks);
  return blocks.download();
}

TEST_P(Fisher, UnitBlocksMatchTheReferenceAndAddToAMultiple) {
  run([]<class R>(Backend<R>& backend) {
    for (const LayerSize& layer : layer_sizes())
      for (const auto& [alpha, beta] : {std::pair{R(1), R(0)}, {R(0.3), R(0)}, {R(0.3), R(0.7)}})
        check_sums<R>(
            backend, layer, layer.rows() + 2,
            [&](Backend<R>& b, const HostFactors<R>& f) { return unit_blocks(b, f, alpha, beta); },
            beta == R(0) ? Part::lower : Part::all);
  });
}

TEST_P(Fisher, UnitBlocksAreTheDiagonalBlocksOfTheDenseFisher) {
  run([]<class R>(Backend<R>& backend) {
    for (const LayerSize& layer :
         {LayerSize{3, 2, 5, 1}, {5, 4, 31, 3}, {31, 2, 33, 1}, {5, 4, 31, 3, false}}) {
      const HostFactors<R> f(layer);
      const Index n = layer.n, m = layer.m, inputs = layer.inputs();
      const DeviceMatrix<R> s(backend, khatri_rao(backend, f)),
          dense(backend, layer.parameters(), layer.parameters());
      backend.syrk(R(1), s, R(0), dense);
      const HostMatrix<R> fisher = dense.download(), blocks = unit_blocks(backend, f, R(1), R(0));
      HostMatrix<R> wanted = blocks, scale = blocks;
      for (Index j = 0; j < m; ++j) {
        const auto row = [&](Index i) { return i < n ? j * n + i : m * n + j; };  // of ã_i in θ's order
        for (Index k = 0; k < inputs; ++k)
          for (Index i = k; i < inputs; ++i) {
            wanted(i, j * inputs + k) = fisher(row(i), row(k));
            scale(i, j * inputs + k) = std::sqrt(fisher(row(i), row(i)) * fisher(row(k), row(k)));
          }
      }
      EXPECT_TRUE(componentwise(blocks, wanted, 8.0 * static_cast<double>(f.d.cols), scale, Part::lower))
          << layer;
    }
  });
}

TEST_P(Fisher, ColumnDotsAddToAMultipleAndIgnoreWhatBetaZeroHides) {
  run([]<class R>(Backend<R>& backend) {
    for (const LayerSize& layer : layer_sizes())
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
    for (const LayerSize& layer : layer_sizes())
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
    for (const LayerSize& layer : layer_sizes())
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
    for (const LayerSize& layer : layer_sizes())
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
    const Factors<R> f(LayerSize{16, 5, 97, 3});
    const auto blocks = [&] { return unit_blocks(backend, f, R(1), R(0)); };
    EXPECT_TRUE(identical(blocks(), blocks(), Part::lower));
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
    const DeviceFactors<R> layer(backend, LayerSize{n, m, samples, 2});
    const DeviceMatrix<R>& d = layer.d;
    const DeviceMatrix<R> odd(backend, m, 2 * samples - 1);
    const LayerFactors<R> odd_layer{layer.a, odd, true}, no_bias{layer.a, d, false};
    const DeviceMatrix<R> t(backend, m, samples), narrow(backend, m - 1, samples), fewer(backend, m, 3);
    const DeviceMatrix<R> s(backend, m * (n + 1), 2 * samples), low_s(backend, m * (n + 1) - 1, 2 * samples),
        short_s(backend, m * (n + 1), samples), odd_s(backend, m * (n + 1), 2 * samples - 1);
    const DeviceBatch<R> blocks(backend, n + 1, m), few(backend, n + 1, m - 1), small(backend, n, m);
    const DeviceVector<R> w(backend, 2 * samples), short_w(backend, samples), b(backend, m),
        short_b(backend, m - 1);
    EXPECT_TRUE(rejects_shapes("khatri_rao", [&] { backend.khatri_rao(odd_layer, odd_s); }));
    EXPECT_TRUE(rejects_shapes("khatri_rao", [&] { backend.khatri_rao(layer, low_s); }));
    EXPECT_TRUE(rejects_shapes("khatri_rao", [&] { backend.khatri_rao(layer, short_s); }));
    EXPECT_TRUE(rejects_shapes("khatri_rao", [&] { backend.khatri_rao(no_bias, s); }));
    const auto blocks_rejected = [&](const LayerFactors<R>& factors, const DeviceBatch<R>& f) {
      return rejects_shapes("unit_blocks", [&] { backend.unit_blocks(factors, R(1), R(0), f); });
    };
    EXPECT_TRUE(blocks_rejected(odd_layer, blocks));
    EXPECT_TRUE(blocks_rejected(no_bias, blocks));
    EXPECT_TRUE(blocks_rejected(layer, few));
    EXPECT_TRUE(blocks_rejected(layer, small));
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
