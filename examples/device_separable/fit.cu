// Many logistic regressions in one kernel, one warp each, by natural gradient: a lane holds one parameter,
// one element of a sample's features and one row of the Fisher information, of order 10. The features come
// from a
// __device__ function of another translation unit, which -rdc=true lets this one call.
//
//   nvcc -std=c++20 -rdc=true -I<natgrad>/include -I.. fit.cu model.cu
#include <cmath>
#include <natgrad/device/likelihood.hpp>
#include <natgrad/device/warp_cholesky.hpp>
#include <random>

#include "device_array.hpp"
#include "model.cuh"

namespace {

constexpr int groups = 24, samples = 64, steps = 8;
constexpr double l2 = 1e-2;  // η of ½η‖θ‖²: without it, labels that a curve separates have no finite fit

struct Sample {
  double u, v, label;
};

// θ of group blockIdx.x ← the minimiser of mean(softplus(z) − y z) + ½η‖θ‖², z = θᵀx, x the features of a
// sample. NaN where the Fisher information cannot be factored. data: groups × samples, theta: groups ×
// parameters.
__global__ void fit(const Sample* data, double* theta) {
  using natgrad::Bernoulli;
  const int lane = natgrad::warp_lane();
  double theta_i = 0.0;
  for (int step = 0; step < steps; ++step) {
    double fisher[parameters] = {}, g_i = l2 * theta_i;
    for (int n = 0; n < samples; ++n) {
      const Sample sample = data[blockIdx.x * samples + n];
      const double x_i = lane < parameters ? feature(lane, sample.u, sample.v) : 0.0;
      const double z = natgrad::warp_sum(theta_i * x_i);
      g_i += (Bernoulli::mean(z) - sample.label) * x_i / samples;
      natgrad::warp_add_outer_product(fisher, Bernoulli::root_fisher(z) * x_i, 1.0 / samples);
    }
    natgrad::warp_add_diagonal(fisher, l2);
    const int info = natgrad::warp_cholesky(fisher);
    theta_i -= info == 0 ? natgrad::warp_cholesky_solve(fisher, g_i) : NAN;
  }
  if (lane < parameters) theta[blockIdx.x * parameters + lane] = theta_i;
}

// Labels that follow the model, with other parameters for each group.
std::vector<Sample> observations() {
  std::mt19937 engine(1);
  const auto uniform = [&] { return 2.0 * static_cast<double>(engine()) / 4294967296.0 - 1.0; };
  std::vector<Sample> data;
  for (int group = 0; group < groups; ++group) {
    double theta[parameters];
    for (double& theta_i : theta) theta_i = 3.0 * uniform();
    for (int n = 0; n < samples; ++n) {
      const double u = uniform(), v = uniform();
      double z = 0.0;
      for (int i = 0; i < parameters; ++i) z += theta[i] * feature(i, u, v);
      data.push_back({u, v, 0.5 + 0.5 * uniform() < natgrad::sigmoid(z) ? 1.0 : 0.0});
    }
  }
  return data;
}

// The gradient must vanish at every fit.
bool succeeded(const std::vector<Sample>& data, const std::vector<double>& theta) {
  double largest = 0.0;
  for (int group = 0; group < groups; ++group) {
    const double* own = theta.data() + group * parameters;
    double g[parameters];
    for (int i = 0; i < parameters; ++i) g[i] = l2 * own[i];
    for (int n = 0; n < samples; ++n) {
      const Sample& sample = data[static_cast<std::size_t>(group * samples + n)];
      double z = 0.0;
      for (int i = 0; i < parameters; ++i) z += own[i] * feature(i, sample.u, sample.v);
      const double signal = 1.0 / (1.0 + std::exp(-z)) - sample.label;
      for (int i = 0; i < parameters; ++i) g[i] += signal * feature(i, sample.u, sample.v) / samples;
    }
    for (const double g_i : g)
      if (!(std::abs(g_i) <= largest)) largest = std::abs(g_i);  // a NaN is taken, too
  }
  std::printf("%d fits of %d parameters in %d steps: gradient <= %.1e\n", groups, parameters, steps, largest);
  return largest < 1e-12;
}

}  // namespace

int main() {
  if (gpu_is_missing()) return 0;
  try {
    const std::vector<Sample> data = observations();
    DeviceArray<Sample> device_data(data);
    DeviceArray<double> theta(static_cast<std::size_t>(groups) * parameters);
    fit<<<groups, 32>>>(device_data.data(), theta.data());
    check(cudaGetLastError());
    return succeeded(data, theta.to_host()) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
