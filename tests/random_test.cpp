/// The reproducible random numbers behind initialisation, shuffling and draws.
#include "random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "support/rulers.hpp"

namespace natgrad {
namespace {

constexpr RandomKey key{7, Stream::scores, 3};

TEST(RandomStreams, BitsAreThoseOfPhilox) {
  // Known answers of Random123's kat_vectors for philox4x32 with 10 rounds, all bits 0 and all bits 1.
  const auto zeros = random_bits({0, Stream{0}, 0}, 0);
  EXPECT_EQ(zeros, (r123::Philox4x32::ctr_type{{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}));
  const auto ones = random_bits({~0ull, Stream{~0u}, ~0u}, ~0ull);
  EXPECT_EQ(ones, (r123::Philox4x32::ctr_type{{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}));
}

TEST(RandomStreams, UniformNumbersStayInsideTheOpenInterval) {
  EXPECT_GT(to_uniform(0, 0), 0.0);
  EXPECT_LT(to_uniform(~0u, ~0u), 1.0);
  EXPECT_EQ(to_uniform(0, 0), 1.0 - to_uniform(~0u, ~0u));
}

TEST(RandomStreams, UniformNumbersFillTheIntervalEvenly) {
  constexpr std::size_t bins = 64;
  constexpr int count = 64000;
  std::vector<double> found(bins);
  for (int i = 0; i < count; ++i)
    found[static_cast<std::size_t>(random_uniform(key, static_cast<std::uint64_t>(i)) * bins)] += 1.0;
  double chi_squared = 0.0;
  for (const double n : found) chi_squared += (n - 1000.0) * (n - 1000.0) / 1000.0;
  EXPECT_TRUE(near(chi_squared, bins - 1.0, 5.0 * std::sqrt(2.0 * (bins - 1.0))));
}

TEST(RandomStreams, NormalNumbersHaveTheNormalsMoments) {
  constexpr int count = 100000;
  double moments[5] = {};
  for (int i = 0; i < count; ++i) {
    const double x = random_normal(key, static_cast<std::uint64_t>(i));
    for (int k = 1; k <= 4; ++k) moments[k] += std::pow(x, k) / count;
  }
  // E x^k, and the variance E x^2k − (E x^k)² of its estimate from one number.
  const double expected[] = {1, 0, 1, 0, 3}, variance[] = {0, 1, 2, 15, 96};
  for (int k = 1; k <= 4; ++k)
    EXPECT_TRUE(near(moments[k], expected[k], 5.0 * std::sqrt(variance[k] / count))) << "moment " << k;
}

TEST(RandomStreams, NeighbouringNumbersAreIndependent) {
  constexpr int count = 100000;
  double products = 0.0;
  for (std::uint64_t i = 0; i < count; ++i)
    products += random_normal(key, i) * random_normal(key, i + 1) / count;
  EXPECT_TRUE(near(products, 0.0, 5.0 / std::sqrt(count)));
}

TEST(RandomStreams, StreamsOfOtherSeedsUsesAndRoundsAreIndependent) {
  constexpr int count = 10000;
  for (const RandomKey& other :
       {RandomKey{8, Stream::scores, 3}, RandomKey{7ull + (1ull << 32), Stream::scores, 3},
        RandomKey{7, Stream::shuffle, 3}, RandomKey{7, Stream::scores, 4}}) {
    double products = 0.0;
    for (std::uint64_t i = 0; i < count; ++i)
      products += random_normal(key, i) * random_normal(other, i) / count;
    EXPECT_TRUE(near(products, 0.0, 5.0 / std::sqrt(count)));
    EXPECT_NE(random_permutation(key, 100), random_permutation(other, 100));
  }
}

TEST(RandomStreams, PermutationsHoldEveryIndexOnce) {
  for (const Index n : {0, 1, 2, 31, 1000}) {
    std::vector<Index> permutation = random_permutation(key, n), all(permutation.size());
    EXPECT_EQ(permutation, random_permutation(key, n));
    std::ranges::sort(permutation);
    std::iota(all.begin(), all.end(), Index{0});
    EXPECT_EQ(permutation, all);
  }
}

TEST(RandomStreams, PermutationsPutEveryIndexAnywhere) {
  constexpr int rounds = 6000, n = 5;
  double counts[n][n] = {};
  for (std::uint32_t round = 0; round < rounds; ++round) {
    const std::vector<Index> permutation = random_permutation({1, Stream::shuffle, round}, n);
    for (std::size_t i = 0; i < n; ++i) counts[i][permutation[i]] += 1.0;
  }
  const double expected = rounds / static_cast<double>(n);
  for (const auto& row : counts)
    for (const double count : row)
      EXPECT_TRUE(near(count, expected, 5.0 * std::sqrt(expected * (1.0 - 1.0 / n))));
}

}  // namespace
}  // namespace natgrad
