// A physics-informed network, trained to many digits by Gauss-Newton: u'' = −π² sin(πx) on [0, 1], u(0) =
// u(1) = 0, with the solution sin(πx). The network and its derivatives are the caller's own; the library is
// given the derivatives of the residuals as an explicit S, and answers with the direction.
#include <natgrad/natgrad.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <random>
#include <vector>

namespace {

constexpr int units = 30, parameters = 3 * units;  // P
constexpr int points = 64, count = points + 2;     // R: residuals inside, and the two ends
constexpr double pi = std::numbers::pi;

/// u(x) = Σ c_j tanh(w_j x + b_j); θ = (c, w, b).
using Theta = std::vector<double>;

/// u or its second derivative at x, and its derivatives by θ in `row`.
double evaluate(const Theta& theta, double x, int order, double* row) {
  double sum = 0.0;
  for (int j = 0; j < units; ++j) {
    const double c = theta[j], w = theta[units + j], b = theta[2 * units + j];
    const double t = std::tanh(w * x + b), t1 = 1.0 - t * t, t2 = -2.0 * t * t1,
                 t3 = t1 * (6.0 * t * t - 2.0);
    const double value = order == 0 ? t : w * w * t2;
    sum += c * value;
    row[j] = value;
    row[units + j] = order == 0 ? c * x * t1 : c * (2.0 * w * t2 + w * w * x * t3);
    row[2 * units + j] = order == 0 ? c * t1 : c * w * w * t3;
  }
  return sum;
}

/// The residuals, each weighted so that their squares add up to a mean, and their derivatives.
struct Residuals {
  std::vector<double> u = std::vector<double>(count);               // R
  std::vector<double> s = std::vector<double>(count * parameters);  // R × P, row-major

  explicit Residuals(const Theta& theta) {
    const double inside = 1.0 / std::sqrt(points), end = 10.0;
    for (int n = 0; n < count; ++n) {
      double* row = s.data() + n * parameters;
      const double x = n < points ? (n + 0.5) / points : n - points, weight = n < points ? inside : end;
      u[n] =
          n < points ? evaluate(theta, x, 2, row) + pi * pi * std::sin(pi * x) : evaluate(theta, x, 0, row);
      u[n] *= weight;
      for (int k = 0; k < parameters; ++k) row[k] *= weight;
    }
  }

  /// ½‖u‖².
  double loss() const {
    double sum = 0.0;
    for (const double value : u) sum += 0.5 * value * value;
    return sum;
  }
  /// g = Sᵀu.
  std::vector<double> gradient() const {
    std::vector<double> g(parameters, 0.0);
    for (int n = 0; n < count; ++n)
      for (int k = 0; k < parameters; ++k) g[k] += s[n * parameters + k] * u[n];
    return g;
  }
};

double largest_error(const Theta& theta) {
  double largest = 0.0;
  std::vector<double> row(parameters);
  for (double x = 0.0; x <= 1.0; x += 1e-3)
    largest = std::max(largest, std::abs(evaluate(theta, x, 0, row.data()) - std::sin(pi * x)));
  return largest;
}

}  // namespace

int main() {
  using namespace natgrad;
  try {
    const auto backend = make_backend<double>("auto");
    DirectionSolver<double> solver(*backend, {});
    Buffer<double> u(*backend, count);
    std::mt19937 random(1);
    std::normal_distribution<double> normal;
    Theta theta(parameters);
    for (int k = 0; k < parameters; ++k) theta[k] = (k < units ? 0.1 : 4.0) * normal(random);

    double loss = Residuals(theta).loss(), damping = 1e-2;
    for (int step = 1; step <= 100; ++step) {
      // d = (SᵀS + λI)⁻¹Sᵀu: u is given as it is, so that nothing is lost however small λ becomes.
      const Residuals now(theta);
      const ExplicitRows<double> explicit_rows(*backend, now.s.data(), count, parameters, parameters, 1,
                                               Memory::host);
      u.upload(now.u.data());
      Rows<double> rows = explicit_rows.rows();
      rows.u = u.vector();
      std::vector<double> d;
      const DirectionReport report = solver.solve(rows, now.gradient(), damping, d);

      // θ ← θ − d where that lowers the loss; λ by how much of what the model foretells
      // (Levenberg-Marquardt).
      Theta next = theta;
      for (int k = 0; k < parameters; ++k) next[k] -= d[k];
      const double next_loss = Residuals(next).loss();
      const double ratio = (loss - next_loss) / (report.slope - 0.5 * report.quadratic);
      if (next_loss < loss) theta = next, loss = next_loss;
      damping *= ratio > 0.75 ? 1.0 / 3.0 : ratio > 0.25 ? 1.0 : 2.0;
      if (step % 10 == 0)
        std::printf("step %3d  loss %.3e  λ %.1e  largest error of u %.2e\n", step, loss, damping,
                    largest_error(theta));
    }
    std::printf("loss %.3e, largest error of u %.2e\n", loss, largest_error(theta));
    return loss < 1e-7 && largest_error(theta) < 1e-5 ? 0 : 1;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
}
