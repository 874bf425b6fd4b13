// Thousands of small least-squares problems in one kernel, one thread each: y = a·exp(−b t) + c is fitted to
// 24 samples by damped natural gradient. With Gaussian noise the Fisher information of (a, b, c) is the mean
// of s sᵀ, s the gradient of the curve, so this is Levenberg & Marquardt's method.
//
//   nvcc -std=c++20 -I<natgrad>/include device_levenberg_marquardt.cu
#include <cmath>
#include <natgrad/device/thread_cholesky.hpp>
#include <random>

#include "device_array.hpp"

namespace {

constexpr int problems = 4096, samples = 24, most_steps = 60;
constexpr double noise = 0.01;  // the largest
constexpr double small_decrease = 1e-18;  // gᵀ(F + λI)⁻¹g at which a fit is done: then |g| < 1e-9·√‖F + λI‖

__host__ __device__ double time_of(int sample) { return 4.0 * sample / samples; }

// The curve at time t, and its gradient s in θ = (a, b, c).
__host__ __device__ double curve(const double (&theta)[3], double t, double (&s)[3]) {
  const double decay = std::exp(-theta[1] * t);
  s[0] = decay;
  s[1] = -theta[0] * t * decay;
  s[2] = 1.0;
  return theta[0] * decay + theta[2];
}

struct Fit {
  double theta[3];
  int steps;
};

// The loss ½ mean (curve − y)², its gradient g, and the Fisher information F. y: sample by sample, so that
// the threads of a warp read neighbours.
__host__ __device__ double evaluate(const double* y, int problem, const double (&theta)[3], double (&g)[3],
                                    natgrad::LowerTriangle<double, 3>& fisher) {
  fisher = {};
  double loss = 0.0;
  for (int i = 0; i < 3; ++i) g[i] = 0.0;
  for (int n = 0; n < samples; ++n) {
    double s[3];
    const double residual = curve(theta, time_of(n), s) - y[n * problems + problem];
    loss += 0.5 / samples * residual * residual;
    for (int i = 0; i < 3; ++i) g[i] += residual * s[i] / samples;
    natgrad::add_outer_product(fisher, s, 1.0 / samples);
  }
  return loss;
}

__global__ void fit(const double* y, Fit* fits) {
  const int problem = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (problem >= problems) return;
  double theta[3] = {1.0, 1.0, 0.0}, g[3], lambda = 1e-2;
  natgrad::LowerTriangle<double, 3> fisher;
  double loss = evaluate(y, problem, theta, g, fisher);

  int step = 0;
  for (bool done = false; !done && step < most_steps; ++step) {
    natgrad::LowerTriangle<double, 3> factor = fisher;
    natgrad::add_diagonal(factor, lambda);
    if (natgrad::cholesky(factor) != 0) {
      lambda *= 10.0;
      continue;
    }
    double d[3] = {g[0], g[1], g[2]};  // d = (F + λI)⁻¹ g
    natgrad::cholesky_solve(factor, d);
    done = g[0] * d[0] + g[1] * d[1] + g[2] * d[2] < small_decrease;

    const double trial[3] = {theta[0] - d[0], theta[1] - d[1], theta[2] - d[2]};
    double trial_g[3];
    const double trial_loss = evaluate(y, problem, trial, trial_g, factor);
    if (!(trial_loss <= loss)) {
      lambda *= 10.0;
      continue;
    }
    lambda *= 0.1;
    loss = trial_loss;
    fisher = factor;
    for (int i = 0; i < 3; ++i) theta[i] = trial[i], g[i] = trial_g[i];
  }
  fits[problem] = {{theta[0], theta[1], theta[2]}, step};
}

// Curves with a in [1, 3], b in [0.5, 2] and c in [−1, 1], and noise.
std::vector<double> measurements() {
  std::mt19937 engine(1);
  const auto uniform = [&](double low, double high) {
    return low + (high - low) * static_cast<double>(engine()) / 4294967296.0;
  };
  std::vector<double> y(static_cast<std::size_t>(samples) * problems);
  for (int problem = 0; problem < problems; ++problem) {
    const double theta[3] = {uniform(1.0, 3.0), uniform(0.5, 2.0), uniform(-1.0, 1.0)};
    double s[3];
    for (int n = 0; n < samples; ++n)
      y[static_cast<std::size_t>(n * problems + problem)] =
          curve(theta, time_of(n), s) + uniform(-noise, noise);
  }
  return y;
}

// Every fit must be a stationary point, and one that explains its samples up to the noise.
bool succeeded(const std::vector<double>& y, const std::vector<Fit>& fits) {
  double largest_gradient = 0.0, largest_loss = 0.0;
  int steps = 0;
  for (int problem = 0; problem < problems; ++problem) {
    const Fit& fit = fits[static_cast<std::size_t>(problem)];
    double g[3];
    natgrad::LowerTriangle<double, 3> fisher;
    const double loss = evaluate(y.data(), problem, fit.theta, g, fisher);
    for (const double g_i : g)
      if (!(std::abs(g_i) <= largest_gradient)) largest_gradient = std::abs(g_i);  // a NaN is taken too
    if (!(loss <= largest_loss)) largest_loss = loss;
    if (fit.steps > steps) steps = fit.steps;
  }
  std::printf("%d fits in at most %d steps: gradient <= %.1e, loss <= %.1e\n", problems, steps,
              largest_gradient, largest_loss);
  return largest_gradient < 1e-8 && largest_loss <= 0.5 * noise * noise;
}

}  // namespace

int main() {
  if (gpu_is_missing()) return 0;
  try {
    const std::vector<double> y = measurements();
    DeviceArray<double> device_y(y);
    DeviceArray<Fit> fits(problems);
    fit<<<(problems + 127) / 128, 128>>>(device_y.data(), fits.data());
    check(cudaGetLastError());
    return succeeded(y, fits.to_host()) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
