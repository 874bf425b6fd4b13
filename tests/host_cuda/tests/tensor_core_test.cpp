#include "tensor_core.cuh"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "host_cuda/tests/device.hpp"
#include "host_cuda/tests/errors.hpp"

using host_cuda::DeviceArray;
using natgrad::launch;
using natgrad::kernels::tensor_multiply;
using natgrad::kernels::to_tf32;

using HostCudaTensorCore = host_cuda::HostCuda;

/// D ← AB + D by one warp, column-major: A 16 × 8, B 8 × 8, D 16 × 8.
__global__ void multiply(const float* a, const float* b, float* d) {
  const int lane = static_cast<int>(threadIdx.x), g = lane / 4, t = lane % 4;
  const float fa[4] = {a[g + 16 * t], a[g + 8 + 16 * t], a[g + 16 * (t + 4)], a[g + 8 + 16 * (t + 4)]};
  const float fb[2] = {b[t + 8 * g], b[t + 4 + 8 * g]};
  float* const at[4] = {&d[g + 16 * (2 * t)], &d[g + 16 * (2 * t + 1)], &d[g + 8 + 16 * (2 * t)],
                        &d[g + 8 + 16 * (2 * t + 1)]};
  float fd[4] = {*at[0], *at[1], *at[2], *at[3]};
  tensor_multiply(fd, fa, fb);
  for (int i = 0; i < 4; ++i) *at[i] = fd[i];
}

/// The same with A 8 × 4, B 4 × 8, D 8 × 8.
__global__ void multiply(const double* a, const double* b, double* d) {
  const int lane = static_cast<int>(threadIdx.x), g = lane / 4, t = lane % 4;
  double fd[2] = {d[g + 8 * (2 * t)], d[g + 8 * (2 * t + 1)]};
  tensor_multiply(fd, a[g + 8 * t], b[t + 4 * g]);
  d[g + 8 * (2 * t)] = fd[0];
  d[g + 8 * (2 * t + 1)] = fd[1];
}

__global__ void round_all(const float* x, float* rounded) { rounded[threadIdx.x] = to_tf32(x[threadIdx.x]); }

__global__ void multiply_in_half_a_warp() {
  double d[2] = {};
  if (threadIdx.x < 16) tensor_multiply(d, 1.0, 1.0);
}

namespace {

template <class R>
struct Product {
  int m, n, k;
  std::vector<R> a, b, d;

  Product(int rows, int cols, int inner) : m(rows), n(cols), k(inner) {
    std::mt19937 random(5);
    std::uniform_real_distribution<R> uniform(R(-1), R(1));
    const auto draw = [&](std::vector<R>& x, int count) {
      for (int i = 0; i < count; ++i) x.push_back(uniform(random));
    };
    draw(a, m * k);
    draw(b, k * n);
    draw(d, m * n);
  }

  /// Largest error in units of (k + 1) ε Σ|a||b| + |d|, with the inputs rounded by `round`.
  template <class Round>
  double error(Round round) const {
    DeviceArray<R> da(a), db(b), dd(d);
    launch(static_cast<void (*)(const R*, const R*, R*)>(multiply), 1, 32, 0, nullptr, da.data, db.data,
           dd.data);
    const auto result = dd.get();
    double worst = 0.0;
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < m; ++i) {
        double sum = d[i + j * m], size = std::abs(sum);
        for (int l = 0; l < k; ++l) {
          const double term = double(round(a[i + l * m])) * double(round(b[l + j * k]));
          sum += term;
          size += std::abs(term);
        }
        const double unit = (k + 1) * std::numeric_limits<R>::epsilon() * size;
        worst = std::max(worst, std::abs(result[i + j * m] - sum) / unit);
      }
    return worst;
  }
};

TEST_F(HostCudaTensorCore, TheFloatProductIsThatOfInputsRoundedToTf32) {
  const Product<float> product(16, 8, 8);
  // To the nearest of 11 significant bits, ties away from 0.
  const auto rounded = [](float x) {
    int exponent;
    const float significand = std::frexp(x, &exponent);
    return std::ldexp(std::round(std::ldexp(significand, 11)), exponent - 11);
  };
  EXPECT_LT(product.error(rounded), 1.0);
  EXPECT_GT(product.error([](float x) { return x; }), 1.0);  // and not of the inputs as they are
}

TEST_F(HostCudaTensorCore, TheDoubleProductRoundsNothing) {
  EXPECT_LT(Product<double>(8, 8, 4).error([](double x) { return x; }), 1.0);
}

TEST_F(HostCudaTensorCore, RoundingKeepsTenBitsBehindThePointAndTiesGoAwayFromZero) {
  const float unit = std::ldexp(1.0f, -10), infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x{
      0.0f, 1.0f, 1.0f + 0.5f * unit, 1.0f + 0.49f * unit, 1.0f + 1.5f * unit, 2.0f - 0.5f * unit, infinity};
  const std::vector<float> expected{0.0f, 1.0f, 1.0f + unit, 1.0f, 1.0f + 2.0f * unit, 2.0f, infinity};
  std::vector<float> inputs = x, wanted = expected;
  for (const float value : x) inputs.push_back(-value);
  for (const float value : expected) wanted.push_back(-value);
  inputs.push_back(std::numeric_limits<float>::quiet_NaN());
  DeviceArray<float> from(inputs), to(std::vector<float>(inputs.size(), 7.0f));
  launch(round_all, 1, static_cast<unsigned>(inputs.size()), 0, nullptr, from.data, to.data);
  const auto rounded = to.get();
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_EQ(rounded[i], wanted[i]) << inputs[i];
  EXPECT_TRUE(std::isnan(rounded.back()));
}

TEST_F(HostCudaTensorCore, ALaneThatIsMissingIsAnErrorNamingThePlace) {
  launch(multiply_in_half_a_warp, 1, 32, 0, nullptr);
  const auto message = host_cuda::kernel_error([] { cudaDeviceSynchronize(); });
  host_cuda::expect_contains(message, "tensor_core");
  host_cuda::expect_contains(message, "but lanes 0xffff arrived");
}

}  // namespace
