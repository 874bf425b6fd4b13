/// What only the CUDA backend's own kernel of F ← αSᵀS + βF has: TF32, and the f64 of GPUs without tensor
/// cores.
#include "outer_products.cuh"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/outer_products.hpp"

namespace natgrad {
namespace {

std::unique_ptr<Backend<float>> tf32_backend() {
  return make_cuda_backend<float>(0, nullptr, {.outer_product = Route::own, .tf32 = true});
}

/// x to 11 significant bits, ties away from 0.
float rounded_to_tf32(float x) {
  int exponent = 0;
  const float fraction = std::frexp(x, &exponent);
  return std::ldexp(std::round(std::ldexp(fraction, 11)), exponent - 11);
}

// Both factors of a product are off by half a unit in the last of 11 bits.
constexpr double tf32_unit = 2.0 * 0x1p-11 + 0x1p-22;

TEST(OuterProductsInTf32, AreWithinTheRoundingOfTheRows) {
  const auto backend = tf32_backend();
  for (const auto& [samples, r] : {std::pair<Index, Index>{1, 1}, {31, 1}, {33, 3}, {17, 9}, {403, 1}}) {
    const HostLayers<float> net({{31, 2, samples, r}, {5, 3, samples, r}, {3, 17, samples, r, false}});
    const HostMatrix<float> before = lower_only(Random(7).matrix<float>(net.parameters(), net.parameters()));
    EXPECT_TRUE(
        is_outer_product(outer_products(*backend, net, 0.75f, 0.5f, before, samples, Accuracy::refined), net,
                         0.75f, 0.5f, before, tf32_unit))
        << "N " << samples << ", r " << r;
  }
}

TEST(OuterProductsInTf32, OfOneRowAreTheProductsOfItsRoundedElements) {
  const HostLayers<float> net({{31, 2, 1, 1}, {5, 17, 1, 1}});
  const Index p = net.parameters();
  HostMatrix<float> wanted(p, p);
  const HostMatrix<long double> row = net.rows();
  const auto element = [&](Index i) { return rounded_to_tf32(static_cast<float>(row(0, i))); };
  for (Index j = 0; j < p; ++j)
    for (Index i = 0; i < p; ++i) wanted(i, j) = element(i) * element(j);
  EXPECT_TRUE(
      identical(outer_products(*tf32_backend(), net, 1.0f, 0.0f, poisoned<float>(p, p), 1, Accuracy::refined),
                wanted, Part::lower));
}

TEST(OuterProductsInTf32, AreNotTakenWhereTheCallerDoesNotRefine) {
  const HostLayers<float> net({{31, 2, 1, 1}, {5, 17, 1, 1}});
  const HostMatrix<float> before = poisoned<float>(net.parameters(), net.parameters());
  EXPECT_TRUE(
      is_outer_product(outer_products(*tf32_backend(), net, 1.0f, 0.0f, before, 1), net, 1.0f, 0.0f, before));
}

// The backend takes tensor cores for f64 wherever there are any.
TEST(OuterProductsWithoutTensorCores, AreTheirDefinitionInF64) {
  const auto backend = make_cuda_backend<double>();
  for (const auto& [samples, r] : {std::pair<Index, Index>{1, 1}, {33, 3}, {403, 1}}) {
    const HostLayers<double> net({{31, 2, samples, r}, {5, 3, samples, r}, {3, 17, samples, r, false}});
    std::vector<DeviceFactors<double>> on_device;
    for (const HostFactors<double>& layer : net.layers) on_device.emplace_back(*backend, layer);
    const std::vector<LayerFactors<double>> factors(on_device.begin(), on_device.end());
    const HostMatrix<double> before = poisoned<double>(net.parameters(), net.parameters());
    const DeviceMatrix<double> f(*backend, before);
    const Buffer<double> workspace(*backend, kernels::outer_products_workspace<double>(factors, f));
    backend->synchronize();
    kernels::outer_products<double>(factors, r, 1.0, 0.0, false, f, workspace.data(), nullptr);
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    EXPECT_TRUE(is_outer_product(f.download(), net, 1.0, 0.0, before)) << "N " << samples << ", r " << r;
  }
}

}  // namespace
}  // namespace natgrad
