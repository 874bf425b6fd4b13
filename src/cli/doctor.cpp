/// natgrad doctor: what this build and this machine are, and whether they solve a small system.
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "natgrad/network.hpp"

namespace natgrad::cli {
namespace {

constexpr Index order = 200, rank = 100;  // of the test matrix; the damping makes it definite
constexpr double damping = 1e-2;
constexpr double largest_error = 3.0;

/// ‖b − Ax‖ / (n ε ‖A‖ ‖x‖), A symmetric n × n with only its lower triangle filled, norms of Frobenius.
template <class R>
double backward_error(const std::vector<R>& a, const std::vector<R>& x, const std::vector<R>& b) {
  const auto n = b.size();
  double residual2 = 0.0, a2 = 0.0, x2 = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    double residual = b[i];
    for (std::size_t j = 0; j < n; ++j) {
      const double element = i >= j ? a[i + j * n] : a[j + i * n];
      residual -= element * x[j];
      a2 += element * element;
    }
    residual2 += residual * residual;
    x2 += static_cast<double>(x[i]) * x[i];
  }
  return std::sqrt(residual2 / (a2 * x2)) / (static_cast<double>(n) * std::numeric_limits<R>::epsilon());
}

/// Solves (SSᵀ + λI)x = b on the device; returns the backward error.
template <class R>
double solve_small_system(Backend<R>& backend) {
  // The weights of a random layer serve as S, n × k, its first column as b.
  const std::vector<double> weights = initial_parameters({{order, rank}, {}}, Init::lecun, 1);
  const std::vector<R> s(weights.begin(), weights.begin() + order * rank), b(s.begin(), s.begin() + order);
  Buffer<R> rows(backend, order * rank), f(backend, order * order), damped(backend, order * order),
      solution(backend, order);
  rows.upload(s.data());
  solution.upload(b.data());
  for (Slot slot : {Slot::factor_info, Slot::largest_diagonal}) backend.set_scalar(slot, 0.0);
  backend.syrk(R(1), rows.matrix(order, rank), R(0), f.matrix(order, order));
  backend.damp(f.batch(order, 1), static_cast<R>(damping), damped.batch(order, 1));
  const std::vector<R> matrix = damped.download();
  backend.cholesky(damped.batch(order, 1));
  backend.cholesky_solve(damped.batch(order, 1), solution.matrix(order, 1));
  const double error = backward_error(matrix, solution.download(), b);
  return backend.read_scalars()[Slot::factor_info] == 0.0 ? error : std::numeric_limits<double>::infinity();
}

/// One line about a device's solve; false where it failed.
template <class R>
bool report_solve(const std::string& device) {
  const char* precision = sizeof(R) == 4 ? "f32" : "f64";
  std::string outcome;
  bool ok = false;
  try {
    const double error = solve_small_system(*make_backend<R>(device));
    ok = error < largest_error;  // false for NaN
    outcome = fmt::format("backward error {:.2g} ({})", error, ok ? "ok" : "FAILED, must be below 3");
  } catch (const Error& error) {
    outcome = std::string("FAILED: ") + error.what();
  }
  print_result(
      fmt::format("solve      {} {}: damped Cholesky of order {}: {}\n", device, precision, order, outcome));
  return ok;
}

void report_build() {
  print_result(fmt::format("natgrad    {}\n", NATGRAD_VERSION));
  print_result(fmt::format("build      {}, {}, -march={}, CUDA {}\n", "g++ " __VERSION__, NATGRAD_BUILD_TYPE,
                           *NATGRAD_BUILD_ARCH != '\0' ? NATGRAD_BUILD_ARCH : "default",
                           cuda_status().built ? "yes" : "no"));
}

}  // namespace

int run_doctor() {
  report_build();
  print_result(fmt::format("cpu        {}\n", make_cpu_backend<float>()->description()));
  const CudaStatus gpus = cuda_status();
  if (!gpus.versions.empty()) print_result("cuda       " + gpus.versions + "\n");
  for (const std::string& gpu : gpus.devices) print_result("gpu        " + gpu + "\n");
  if (!gpus.problem.empty()) print_result("gpu        none: " + gpus.problem + "\n");

  std::vector<std::string> devices = {"cpu"};
  if (gpus.problem.empty())
    for (std::size_t k = 0; k < gpus.devices.size(); ++k) devices.push_back(fmt::format("cuda:{}", k));
  bool ok = true;
  for (const std::string& device : devices) {
    ok &= report_solve<float>(device);
    ok &= report_solve<double>(device);
  }
  print_result(ok ? "all is well\n" : "a device does not solve as it must\n");
  return ok ? 0 : 5;
}

}  // namespace natgrad::cli
