// Variational Monte Carlo by stochastic reconfiguration: the ground state of the harmonic oscillator, H = −½
// d²/dx² + ½x², E₀ = ½. The caller samples x from ψ² and knows the derivatives of log ψ; centred, they are
// the score rows, and the gradient of the energy is Sᵀu with the local energies in u.
#include <natgrad/natgrad.hpp>

#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

namespace {

constexpr int units = 6, parameters = 1 + 3 * units;  // P
constexpr int walkers = 1000;                         // N

/// log ψ(x) = −½a²x² + Σ c_j tanh(w_j x + b_j); θ = (a, c, w, b).
using Theta = std::vector<double>;

/// log ψ with its derivatives by x and, in `row`, by θ.
struct LogPsi {
  double value, slope, curvature;

  LogPsi(const Theta& theta, double x, double* row) {
    const double a = theta[0];
    value = -0.5 * a * a * x * x, slope = -a * a * x, curvature = -a * a;
    row[0] = -a * x * x;
    for (int j = 0; j < units; ++j) {
      const double c = theta[1 + j], w = theta[1 + units + j], b = theta[1 + 2 * units + j];
      const double t = std::tanh(w * x + b), t1 = 1.0 - t * t;
      value += c * t, slope += c * w * t1, curvature -= 2.0 * c * w * w * t * t1;
      row[1 + j] = t, row[1 + units + j] = c * x * t1, row[1 + 2 * units + j] = c * t1;
    }
  }
  /// (Hψ)/ψ.
  double local_energy(double x) const { return -0.5 * (curvature + slope * slope) + 0.5 * x * x; }
};

/// Moves every walker by Metropolis' rule for ψ².
void sample(const Theta& theta, std::vector<double>& x, std::mt19937& random) {
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  std::vector<double> row(parameters);
  for (double& position : x)
    for (int move = 0; move < 20; ++move) {
      const double proposal = position + 1.5 * normal(random);
      const double change =
          LogPsi(theta, proposal, row.data()).value - LogPsi(theta, position, row.data()).value;
      if (uniform(random) < std::exp(2.0 * change)) position = proposal;
    }
}

/// What a sample says of θ: the energy, its standard error, S and u.
struct Estimate {
  double energy = 0.0, error = 0.0;
  std::vector<double> s = std::vector<double>(walkers * parameters);  // N × P, row-major
  std::vector<double> u = std::vector<double>(walkers);

  Estimate(const Theta& theta, const std::vector<double>& x) {
    std::vector<double> mean(parameters, 0.0);
    for (int n = 0; n < walkers; ++n) {
      double* row = s.data() + n * parameters;
      u[n] = LogPsi(theta, x[n], row).local_energy(x[n]);
      energy += u[n] / walkers;
      for (int k = 0; k < parameters; ++k) mean[k] += row[k] / walkers;
    }
    const double scale = 1.0 / std::sqrt(walkers);
    for (int n = 0; n < walkers; ++n) {
      for (int k = 0; k < parameters; ++k) s[n * parameters + k] = scale * (s[n * parameters + k] - mean[k]);
      error += (u[n] - energy) * (u[n] - energy) / walkers;
      u[n] = scale * 2.0 * (u[n] - energy);
    }
    error = std::sqrt(error / walkers);
  }
  /// ∇E = Sᵀu = 2⟨(E_loc − E)(O − ⟨O⟩)⟩, O the derivatives of log ψ.
  std::vector<double> gradient() const {
    std::vector<double> g(parameters, 0.0);
    for (int n = 0; n < walkers; ++n)
      for (int k = 0; k < parameters; ++k) g[k] += s[n * parameters + k] * u[n];
    return g;
  }
};

}  // namespace

int main() {
  using namespace natgrad;
  try {
    const auto backend = make_backend<double>("auto");
    DirectionSolver<double> solver(*backend, {});
    std::mt19937 random(1);
    std::normal_distribution<double> normal;
    Theta theta(parameters);
    for (double& value : theta) value = 0.5 * normal(random);
    theta[0] = 0.5;  // too wide
    std::vector<double> x(walkers, 0.0);

    Estimate estimate(theta, x);
    constexpr double rate = 0.1, damping = 1e-3, longest = 0.3;
    for (int step = 0; step <= 100; ++step) {
      sample(theta, x, random);
      estimate = Estimate(theta, x);
      if (step % 10 == 0)
        std::printf("step %3d  energy %.5f ± %.5f\n", step, estimate.energy, estimate.error);

      // d = (SᵀS + λI)⁻¹∇E; a step no longer than `longest` in the metric SᵀS, for ψ is sampled, not known.
      const ExplicitRows<double> rows(*backend, estimate.s.data(), walkers, parameters, parameters, 1,
                                      Memory::host);
      std::vector<double> d;
      const DirectionReport report = solver.solve(rows.rows(), estimate.gradient(), damping, d);
      const double beta = std::min(rate, longest / std::sqrt(report.quadratic));
      for (int k = 0; k < parameters; ++k) theta[k] -= beta * d[k];
    }
    std::printf("energy %.5f ± %.5f, exactly 0.5\n", estimate.energy, estimate.error);
    return std::abs(estimate.energy - 0.5) < 3e-3 ? 0 : 1;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
}
