/// The Gram kernel with each of its tiles. The backend takes only those that suit its device and the size.
#include "score_gram.cuh"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <vector>

#include "support/outer_products.hpp"

namespace natgrad {
namespace {

/// K, R × R, by operation(factors, k) on the device.
template <class R, class Operation>
HostMatrix<R> gram_by(Backend<R>& backend, const HostLayers<R>& net, Operation operation) {
  std::vector<DeviceFactors<R>> on_device;
  for (const HostFactors<R>& layer : net.layers) on_device.emplace_back(backend, layer);
  const std::vector<LayerFactors<R>> factors(on_device.begin(), on_device.end());
  const DeviceMatrix<R> k(backend, net.samples * net.r, net.samples * net.r);
  backend.synchronize();
  operation(std::span<const LayerFactors<R>>(factors), k.view());
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  return k.download();
}

/// Whether `found` is K within 4ε a product behind an element, and `rounding`, relative to the products'
/// sizes.
template <class R>
::testing::AssertionResult is_gram(const HostMatrix<R>& found, const HostLayers<R>& net,
                                   double rounding = 0.0) {
  const auto reference = make_reference_backend<R>();
  const auto gram = [&](auto factors, MatrixView<R> k) { reference->gram(factors, k); };
  HostLayers<R> sizes = net;
  Index products = 0;
  for (HostFactors<R>& layer : sizes.layers) {
    layer = layer.absolute_values();
    products += layer.inputs() + layer.d.rows;
  }
  return componentwise(found, gram_by(*reference, net, gram),
                       4.0 * static_cast<double>(products + 1) + rounding / epsilon<R>,
                       gram_by(*reference, sizes, gram), Part::lower);
}

// An element of K multiplies products of two numbers, each off by half a unit in the last of 11 bits, with
// such.
const double tf32_rounding = std::pow(1.0 + 0x1p-11, 4) - 1.0;

template <class Tile>
class ScoreGram : public ::testing::Test {
 protected:
  static constexpr bool tf32 =
      sizeof(typename Tile::R) == 4 && !std::is_same_v<Tile, kernels::CoreTile<float>>;

  HostMatrix<typename Tile::R> gram(const std::vector<LayerSize>& sizes) {
    return gram_by(*backend_, HostLayers<typename Tile::R>(sizes), [&](auto factors, auto k) {
      kernels::score_gram_by<Tile>(factors, sizes[0].r, k, nullptr);
    });
  }
  ::testing::AssertionResult is_right(const std::vector<LayerSize>& sizes) {
    return is_gram(gram(sizes), {sizes}, tf32 ? tf32_rounding : 0.0);
  }

 private:
  std::unique_ptr<Backend<typename Tile::R>> backend_ = make_cuda_backend<typename Tile::R>();
};

struct TileNames {
  template <class Tile>
  static std::string GetName(int) {
    const bool core = std::is_same_v<Tile, kernels::CoreTile<typename Tile::R>>;
    return (core ? "Core" : "Tensor") + std::to_string(Tile::size) +
           (sizeof(typename Tile::R) == 4 ? "F32" : "F64");
  }
};
using Tiles =
    ::testing::Types<kernels::CoreTile<float>, kernels::CoreTile<double>, kernels::TensorTile<float, 64>,
                     kernels::TensorTile<float, 128>, kernels::TensorTile<double, 64>>;
TYPED_TEST_SUITE(ScoreGram, Tiles, TileNames);

// Strides are n + 2: some columns begin at multiples of 16 bytes. A chunk is 16 floats or 8 doubles.
TYPED_TEST(ScoreGram, OfOneLayerIsTheReference) {
  for (const auto& [n, m] :
       {std::pair<Index, Index>{0, 1}, {1, 0}, {1, 1}, {2, 18}, {17, 2}, {33, 34}, {30, 62}})
    for (const bool bias : {false, true}) {
      const LayerSize size{n, m, 67, 1, bias};
      EXPECT_TRUE(this->is_right({size})) << size;
    }
}

TYPED_TEST(ScoreGram, OfAnyNumberOfSamplesIsTheReference) {
  for (const Index samples : {1, 2, 31, 63, 64, 65, 129})
    EXPECT_TRUE(this->is_right({{3, 2, samples, 1}, {0, 5, samples, 1}, {18, 1, samples, 1, false}}))
        << "N " << samples;
}

// Tiles begin and end within the rows of a sample, or lie within those of one.
TYPED_TEST(ScoreGram, OfSeveralRowsASampleIsTheReference) {
  for (const auto& [samples, r] : {std::pair<Index, Index>{70, 2},
                                   {47, 3},
                                   {15, 9},
                                   {4, 33},
                                   {3, 63},
                                   {3, 64},
                                   {2, 65},
                                   {2, 70},
                                   {1, 130}})
    EXPECT_TRUE(this->is_right(
        {{33, 5, samples, r}, {5, 18, samples, r, false}, {0, 3, samples, r}, {3, 0, samples, r}}))
        << "N " << samples << ", r " << r;
}

// Several chunks of the products of samples, which are the longer the fewer samples a tile has.
TYPED_TEST(ScoreGram, OfLongInputsOfSeveralRowsASampleIsTheReference) {
  for (const LayerSize& size : {LayerSize{200, 1, 40, 2}, {700, 1, 9, 9}, {1500, 1, 2, 40}})
    EXPECT_TRUE(this->is_right({size, size})) << size;
}

TYPED_TEST(ScoreGram, OfMoreLayersThanALaunchTakesIsTheReference) {
  for (const Index r : {1, 2}) {
    std::vector<LayerSize> sizes;
    for (Index l = 0; l < 2 * kernels::GramLayers<float>::most + 1; ++l)
      sizes.push_back({l % 5, 1 + l % 3, 5, r});
    EXPECT_TRUE(this->is_right(sizes)) << "r " << r;
  }
}

TYPED_TEST(ScoreGram, OfSeveralSquaresOfTilesIsTheReference) {
  EXPECT_TRUE(this->is_right({{2, 1, kernels::gram_square * TypeParam::size + 3, 1}}));
}

TYPED_TEST(ScoreGram, HasTheSameBitsInAnyOrderOfThreads) {
  for (const Index r : {1, 9}) {
    const std::vector<LayerSize> sizes = {{33, 18, 130 / r, r}, {0, 2, 130 / r, r}, {18, 33, 130 / r, r}};
    const auto in_order = this->gram(sizes);
    setenv("NATGRAD_HOST_CUDA_SHUFFLE", "7", 1);
    const auto shuffled = this->gram(sizes);
    unsetenv("NATGRAD_HOST_CUDA_SHUFFLE");
    EXPECT_TRUE(identical(shuffled, in_order, Part::lower)) << "r " << r;
  }
}

template <class R>
HostMatrix<R> chosen_gram(Backend<R>& backend, const HostLayers<R>& net, bool tf32) {
  return gram_by(backend, net, [&](auto factors, MatrixView<R> k) {
    kernels::score_gram(factors, net.r, tf32, k, nullptr);
  });
}

// 1 + 2⁻¹² is 1 in TF32. Either size has another tile.
TEST(ScoreGramInTf32, RoundsEveryInputAndOnlyThere) {
  const auto backend = make_cuda_backend<float>();
  for (const Index samples : {70, 2050}) {
    HostLayers<float> net({{1, 1, samples, 1, false}});
    const float value = 1.0f + 0x1p-12f;
    for (HostMatrix<float>* factor : {&net.layers[0].a, &net.layers[0].d})
      std::ranges::fill(factor->data, value);
    HostMatrix<float> ones(samples, samples);
    std::ranges::fill(ones.data, 1.0f);
    EXPECT_TRUE(identical(lower_only(chosen_gram(*backend, net, true)), lower_only(ones), Part::lower))
        << "N " << samples;
    EXPECT_TRUE(is_gram(chosen_gram(*backend, net, false), net)) << "N " << samples;
  }
}

TEST(ScoreGramInTf32, LeavesDoublesAsTheyAre) {
  const auto backend = make_cuda_backend<double>();
  const HostLayers<double> net({{18, 5, 70, 1}});
  for (const bool tf32 : {false, true}) EXPECT_TRUE(is_gram(chosen_gram(*backend, net, tf32), net));
}

}  // namespace
}  // namespace natgrad
