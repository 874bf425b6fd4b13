/// The reference backend's operations on layers' factors against numbers worked out by hand.
#include <gtest/gtest.h>

#include "support/hand_numbers.hpp"

namespace natgrad {
namespace {

class ReferenceFisher : public HandNumbers {};

TEST_F(ReferenceFisher, OneLayersRowsAndBlocks) {
  const Matrix a = matrix(rows({{2, -1}, {3, 0}}));              // n = 2, N = 2
  const Matrix d = matrix(rows({{5, 1, 0, 2}, {7, 0, -1, 1}}));  // m = 2, r = 2
  const Matrix t = matrix(rows({{1, 10}, {2, 20}}));
  const Matrix s = result(6, 4);
  backend->khatri_rao({a, d, true}, s);
  EXPECT_TRUE(is(
      s, rows({{10, 2, 0, -2}, {15, 3, 0, 0}, {14, 0, 1, -1}, {21, 0, 0, 0}, {5, 1, 0, 2}, {7, 0, -1, 1}})));

  const Matrix without_bias = result(4, 4);
  backend->khatri_rao({a, d, false}, without_bias);
  EXPECT_TRUE(is(without_bias, rows({{10, 2, 0, -2}, {15, 3, 0, 0}, {14, 0, 1, -1}, {21, 0, 0, 0}})));

  const Batch f(*backend, 3, 2);
  // Σδ² of the samples: 26 and 4 for the first unit, 49 and 2 for the second
  const HostMatrix<double> blocks = rows({{4 * 26 + 4, x, x, 4 * 49 + 2, x, x},
                                          {6 * 26, 9 * 26, x, 6 * 49, 9 * 49, x},
                                          {2 * 26 - 4, 3 * 26, 30, 2 * 49 - 2, 3 * 49, 51}});
  backend->unit_blocks({a, d, true}, 1, 0, f);
  EXPECT_TRUE(is(f, blocks, Part::lower));
  backend->unit_blocks({a, d, true}, 2, -1, f);
  EXPECT_TRUE(is(f, blocks, Part::lower));
  const Batch small(*backend, 2, 2);
  backend->unit_blocks({a, d, false}, 1, 0, small);
  EXPECT_TRUE(is(small, rows({{108, x, 198, x}, {156, 234, 294, 441}}), Part::lower));

  const Vector w = vector({1, 2, 3, 4});
  backend->column_dots(d, t, 10, w);
  EXPECT_TRUE(is(w, column({10 + 19, 20 + 1, 30 - 20, 40 + 40})));
  const Matrix e = result(2, 2);
  backend->weighted_signals(d, vector({1, 2, 3, 4}), e);
  EXPECT_TRUE(is(e, rows({{7, 8}, {7, 1}})));
  backend->squared_signals(d, t, e);
  EXPECT_TRUE(is(e, rows({{26, 40}, {98, 40}})));
  const Vector sums(*backend, 2);
  backend->row_sums(t, sums);
  EXPECT_TRUE(is(sums, column({11, 22})));
}

TEST_F(ReferenceFisher, GramOfSeveralLayers) {
  const Matrix a = matrix(rows({{2, -1}, {3, 0}})), d = matrix(rows({{5, 1, 0, 2}, {7, 0, -1, 1}}));
  const Matrix k = result(4, 4);
  // ÃᵀÃ = [14, −1; −1, 2] ∘ DᵀD
  const std::vector<LayerFactors<double>> one = {{a, d, true}};
  backend->gram(one, k);
  EXPECT_TRUE(
      is(k, rows({{14 * 74, x, x, x}, {14 * 5, 14, x, x}, {7, 0, 2, x}, {-17, -2, -2, 10}}), Part::lower));
  // and a matrix given as it is: (1, 1, 2, 3)ᵀ(1, 1, 2, 3)
  const Matrix none = result(0, 2), row = matrix(rows({{1, 1, 2, 3}}));
  const std::vector<LayerFactors<double>> two = {{a, d, true}, {none, row, true}};
  backend->gram(two, k);
  EXPECT_TRUE(is(k, rows({{1037, x, x, x}, {71, 15, x, x}, {9, 2, 6, x}, {-14, 1, 4, 19}}), Part::lower));
}

TEST_F(ReferenceFisher, PairsOfInputsAndSignals) {
  const Matrix a = matrix(rows({{2, -1}, {3, 0}})), d = matrix(rows({{5, 1, 0, 2}, {7, 0, -1, 1}}));
  const Matrix other_a = matrix(rows({{1, 2}})), other_d = matrix(rows({{1, 0, 1, 1}}));
  const LayerFactors<double> layer{a, d, true}, other{other_a, other_d, false};
  const Matrix inputs = result(6, 2), signals = result(3, 2);
  backend->input_pairs(Pairs::unique, layer, layer, inputs);  // of ã = (2, 3, 1) and (−1, 0, 1)
  EXPECT_TRUE(is(inputs, rows({{4, 1}, {6, 0}, {2, -1}, {9, 0}, {3, 0}, {1, 1}})));
  backend->signal_pairs(Pairs::unique, layer, layer, signals);
  EXPECT_TRUE(is(signals, rows({{26, 4}, {35, 2}, {49, 2}})));
  const Matrix all_inputs = result(3, 2), all_signals = result(2, 2);
  backend->input_pairs(Pairs::all, layer, other, all_inputs);
  EXPECT_TRUE(is(all_inputs, rows({{2, -2}, {3, 0}, {1, 2}})));
  backend->signal_pairs(Pairs::all, layer, other, all_signals);
  EXPECT_TRUE(is(all_signals, rows({{5, 2}, {7, 0}})));
}

TEST_F(ReferenceFisher, PairsUnpackToTheBlocksOfTwoLayers) {
  const Matrix a = result(2, 1), d = result(2, 1), other_a = result(1, 1), other_d = result(1, 1);
  const LayerFactors<double> layer{a, d, true}, other{other_a, other_d, false};
  const Matrix f = result(6, 1);  // θ: unit 0's weights, unit 1's, both biases
  backend->unpack_pairs(Pairs::all, layer, other, matrix(rows({{1, 4}, {2, 5}, {3, 6}})), 0, 0, f);
  EXPECT_TRUE(is(f, column({1, 2, 4, 5, 3, 6})));
  backend->unpack_pairs(Pairs::all, layer, other, matrix(rows({{7}, {8}, {9}})), 1, 10, f);
  EXPECT_TRUE(is(f, column({1, 2, 47, 58, 3, 69})));
}

TEST_F(ReferenceFisher, UniquePairsUnpackToTheLowerTriangle) {
  const Matrix a = result(1, 1), d = result(2, 1), f = result(4, 4);
  const LayerFactors<double> layer{a, d, true};
  const HostMatrix<double> q = rows({{1, 4, 7}, {2, 5, 8}, {3, 6, 9}});  // aa, ba, bb by 00, 10, 11
  const HostMatrix<double> wanted = rows({{1, x, x, x}, {4, 7, x, x}, {2, 5, 3, x}, {5, 8, 6, 9}});
  backend->unpack_pairs(Pairs::unique, layer, layer, matrix(q), 0, 0, f);
  EXPECT_TRUE(is(f, wanted, Part::lower));
  backend->unpack_pairs(Pairs::unique, layer, layer, matrix(rows({{4}, {5}, {6}})), 1, 2, f);
  EXPECT_TRUE(is(f, rows({{1, x, x, x}, {12, 7, x, x}, {2, 15, 3, x}, {15, 8, 18, 9}}), Part::lower));
}

}  // namespace
}  // namespace natgrad
