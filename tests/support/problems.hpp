/// Small networks with data, as the oracle takes them and as the library takes them, number for number the
/// same, and comparisons between the two.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "natgrad/natural_gradient.hpp"
#include "support/device_matrix.hpp"
#include "support/oracle.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {

/// A network's shape, its likelihood and N.
struct ProblemShape {
  std::vector<Index> widths;
  std::vector<Activation> activations;
  Likelihood likelihood;
  Index samples;
};

inline std::ostream& operator<<(std::ostream& out, const ProblemShape& shape) {
  return out << NetworkShape{shape.widths, shape.activations}.description() << ", "
             << to_string(shape.likelihood) << ", N = " << shape.samples;
}

inline constexpr Activation all_activations[] = {Activation::identity, Activation::tanh, Activation::sigmoid,
                                                 Activation::relu,     Activation::gelu, Activation::silu,
                                                 Activation::softplus, Activation::sin};
inline constexpr Likelihood all_likelihoods[] = {Likelihood::gaussian, Likelihood::bernoulli,
                                                 Likelihood::categorical};

/// None to three hidden layers, every activation, every likelihood; N = 1, one unit, one output, one class.
inline const std::vector<ProblemShape>& problem_shapes() {
  using enum Activation;
  using enum Likelihood;
  static const std::vector<ProblemShape> shapes = {
      {{1, 1}, {}, gaussian, 1},
      {{3, 2}, {}, gaussian, 7},
      {{4, 1}, {}, bernoulli, 33},
      {{3, 5}, {}, categorical, 2},
      {{2, 1}, {}, categorical, 7},
      {{2, 1, 1}, {sigmoid}, gaussian, 7},
      {{5, 4, 1}, {silu}, gaussian, 1},
      {{3, 4, 2}, {tanh}, categorical, 33},
      {{4, 3, 3}, {gelu}, bernoulli, 7},
      {{3, 4, 3, 5}, {relu, silu}, categorical, 7},
      {{2, 3, 3, 2}, {softplus, sin}, gaussian, 33},
      {{3, 3, 2, 3, 2}, {identity, tanh, gelu}, bernoulli, 2},
      {{2, 3, 4, 3, 5}, {sin, softplus, relu}, categorical, 33},
  };
  return shapes;
}

/// The same numbers for the oracle.
template <class T>
oracle::Vector to_vector(const std::vector<T>& v) {
  return {v.begin(), v.end()};
}
template <class R>
oracle::Matrix to_matrix(const HostMatrix<R>& m) {
  oracle::Matrix result(m.rows, m.cols);
  std::ranges::copy(m.data, result.data.begin());
  return result;
}

/// Data and parameters that precision R holds exactly; weights of about `gain`/√n_in.
template <class R>
oracle::Problem random_problem(const ProblemShape& shape, std::uint64_t seed, double gain = 1.5) {
  Random random(seed);
  oracle::Problem problem{{shape.widths, shape.activations}, shape.likelihood, {}, {}, {}, 0};
  for (std::size_t l = 0; l + 1 < shape.widths.size(); ++l) {
    const double size = gain / std::sqrt(static_cast<double>(shape.widths[l]));
    const Index parameters = shape.widths[l + 1] * (shape.widths[l] + 1);
    for (Index k = 0; k < parameters; ++k)
      problem.theta.push_back(static_cast<R>(random.uniform(-size, size)));
  }
  problem.x = to_matrix(random.matrix<R>(shape.widths.front(), shape.samples));
  problem.y = to_matrix(random.targets<R>(shape.likelihood, shape.widths.back(), shape.samples));
  return problem;
}

template <class R>
HostMatrix<R> rounded(const oracle::Matrix& m) {
  HostMatrix<R> result(m.rows, m.cols);
  for (std::size_t k = 0; k < m.data.size(); ++k) result.data[k] = static_cast<R>(m.data[k]);
  return result;
}
template <class R>
HostMatrix<R> rounded(const oracle::Vector& v) {
  oracle::Matrix column(static_cast<Index>(v.size()), 1);
  column.data = v;
  return rounded<R>(column);
}

/// The problem's network and batch on a device; the batch's strides exceed its rows.
template <class R>
struct OnDevice {
  Network<R> net;
  DeviceMatrix<R> x, y;

  OnDevice(Backend<R>& backend, const oracle::Problem& problem)
      : net(backend, problem.shape), x(backend, rounded<R>(problem.x)), y(backend, rounded<R>(problem.y)) {
    net.set_parameters({problem.theta.begin(), problem.theta.end()});
  }
  OnDevice(const OnDevice&) = delete;

  Batch<R> batch() const { return {x, y}; }
  oracle::Vector theta() const { return to_vector(net.parameters()); }
};

/// What of a vector or matrix the device holds.
template <class R>
HostMatrix<R> download(Backend<R>& backend, VectorView<const R> v) {
  HostMatrix<R> host(v.size, 1);
  if (v.size > 0) backend.download(host.data.data(), v.data, host.data.size() * sizeof(R));
  return host;
}

/// The relative error that a computation of this condition may have: a number of roundings of short sums,
/// and in f64 never more than the 1e-9 that the library promises up to a condition of 1e8.
template <class R>
double allowed_error(double condition = 1.0) {
  constexpr double roundings = 64.0;
  const double error = roundings * epsilon<R> * condition;
  return sizeof(R) == 8 ? std::min(1e-9, error) : error;
}

/// ‖found − wanted‖ ≤ allowed · ‖wanted‖ in the Euclidean norm, with the worst element named. `floor` joins
/// the norm of what is wanted where that may vanish by cancellation.
template <class R, class Wanted>
::testing::AssertionResult close(const HostMatrix<R>& found, const Wanted& wanted, double allowed,
                                 double floor = 0.0) {
  const HostMatrix<double> found_64 = [&] {
    HostMatrix<double> m(found.rows, found.cols);
    std::ranges::copy(found.data, m.data.begin());
    return m;
  }();
  const HostMatrix<double> wanted_64 = rounded<double>(wanted);
  double error = 0.0, size = floor * floor;
  for (std::size_t k = 0; k < std::min(found_64.data.size(), wanted_64.data.size()); ++k) {
    error += (found_64.data[k] - wanted_64.data[k]) * (found_64.data[k] - wanted_64.data[k]);
    size += wanted_64.data[k] * wanted_64.data[k];
  }
  const double radius = allowed * std::sqrt(size);
  const bool same_shape = found_64.rows == wanted_64.rows && found_64.cols == wanted_64.cols;
  if (same_shape && std::sqrt(error) <= radius) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "error " << std::sqrt(error) << ", allowed " << radius << "; "
         << within(found_64, wanted_64, [&](Index, Index) { return radius; }).message();
}

/// |found − wanted| ≤ allowed · |wanted|.
inline ::testing::AssertionResult close(double found, oracle::Real wanted, double allowed) {
  return near(found, static_cast<double>(wanted), allowed * std::abs(static_cast<double>(wanted)));
}

/// λ at which F + λI has at most this condition.
inline oracle::Real damping_for(const oracle::Matrix& f, double condition) {
  oracle::Real trace = 0;
  for (Index i = 0; i < f.rows; ++i) trace += f(i, i);
  return trace == 0 ? 1 : trace / condition;
}

}  // namespace natgrad
