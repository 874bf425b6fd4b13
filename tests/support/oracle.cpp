#include "support/oracle.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace natgrad::oracle {
namespace {

/// value + tangent·ϵ, ϵ² = 0: arithmetic that carries a derivative along.
struct Dual {
  Real value = 0, tangent = 0;
};
Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.tangent + b.tangent}; }
Dual operator*(Dual a, Dual b) { return {a.value * b.value, a.tangent * b.value + a.value * b.tangent}; }
Dual operator/(Dual a, Dual b) {
  return {a.value / b.value, (a.tangent * b.value - a.value * b.tangent) / (b.value * b.value)};
}
Dual operator-(Dual a) { return {-a.value, -a.tangent}; }
Dual exp(Dual a) { return {std::exp(a.value), std::exp(a.value) * a.tangent}; }
Dual log(Dual a) { return {std::log(a.value), a.tangent / a.value}; }
Dual sin(Dual a) { return {std::sin(a.value), std::cos(a.value) * a.tangent}; }
/// Φ, the distribution function of the standard normal.
Dual normal_cdf(Dual a) {
  const Real density = std::exp(-a.value * a.value / 2) / std::sqrt(2 * std::acos(Real(-1)));
  return {std::erfc(-a.value / std::sqrt(Real(2))) / 2, density * a.tangent};
}

constexpr Dual one{1, 0};

Dual activate(Activation phi, Dual z) {
  switch (phi) {
    case Activation::identity:
      return z;
    case Activation::tanh:
      return one + -((one + one) / (exp(z + z) + one));  // also where eᶻ is infinite
    case Activation::sigmoid:
      return one / (one + exp(-z));
    case Activation::relu:
      return z.value > 0 ? z : Dual{};
    case Activation::gelu:
      return z * normal_cdf(z);
    case Activation::silu:
      return z / (one + exp(-z));
    case Activation::softplus:
      return log(one + exp(z));
    case Activation::sin:
      break;
  }
  return sin(z);
}

/// z of sample n and its derivative by parameter k; none where k < 0.
std::vector<Dual> forward(const Problem& problem, Index n, Index k) {
  const NetworkShape& shape = problem.shape;
  const auto parameter = [&](Index at) {
    return Dual{problem.theta.at(static_cast<std::size_t>(at)), at == k ? Real(1) : Real(0)};
  };
  std::vector<Dual> a;
  for (Index i = 0; i < shape.inputs(); ++i) a.push_back({problem.x(i, n), 0});
  Index at = 0;  // in θ
  for (std::size_t l = 0; l + 1 < shape.widths.size(); ++l) {
    const Index inputs = shape.widths[l], units = shape.widths[l + 1];
    std::vector<Dual> z(static_cast<std::size_t>(units));
    for (Index j = 0; j < units; ++j)
      for (Index i = 0; i < inputs; ++i)
        z[static_cast<std::size_t>(j)] =
            z[static_cast<std::size_t>(j)] + parameter(at++) * a[static_cast<std::size_t>(i)];
    for (Dual& unit : z) unit = unit + parameter(at++);
    if (l < shape.activations.size())
      for (Dual& unit : z) unit = activate(shape.activations[l], unit);
    a = std::move(z);
  }
  return a;
}

Vector column(const Matrix& m, Index j) {
  return {m.data.begin() + j * m.rows, m.data.begin() + (j + 1) * m.rows};
}

Real log_sum_exp(const Vector& z) {
  const Real largest = *std::ranges::max_element(z);
  Real sum = 0;
  for (const Real value : z) sum += std::exp(value - largest);
  return largest + std::log(sum);
}

/// log p(1) of a logit; log p(0) is that of −z.
Real log_sigmoid(Real z) { return z > 0 ? -std::log1p(std::exp(-z)) : z - std::log1p(std::exp(z)); }

Vector mean(Likelihood likelihood, Vector z) {
  const Real lse = log_sum_exp(z);
  for (Real& value : z) {
    if (likelihood == Likelihood::bernoulli) value = std::exp(log_sigmoid(value));
    if (likelihood == Likelihood::categorical) value = std::exp(value - lse);
  }
  return z;
}

Real negative_log_likelihood(Likelihood likelihood, const Vector& z, const Vector& y) {
  if (likelihood == Likelihood::categorical) return log_sum_exp(z) - z.at(static_cast<std::size_t>(y[0]));
  Real sum = 0;
  for (std::size_t j = 0; j < z.size(); ++j)
    sum += likelihood == Likelihood::gaussian ? (z[j] - y[j]) * (z[j] - y[j]) / 2
                                              : -y[j] * log_sigmoid(z[j]) - (1 - y[j]) * log_sigmoid(-z[j]);
  return sum;
}

Real sample_kl(Likelihood likelihood, const Vector& z, const Vector& z_new) {
  const Vector p = mean(likelihood, z);
  const Real change = log_sum_exp(z_new) - log_sum_exp(z);
  Real sum = 0;
  for (std::size_t j = 0; j < z.size(); ++j) {
    if (likelihood == Likelihood::gaussian)
      sum += (z_new[j] - z[j]) * (z_new[j] - z[j]) / 2;
    else if (likelihood == Likelihood::bernoulli)
      sum += p[j] * (log_sigmoid(z[j]) - log_sigmoid(z_new[j])) +
             (1 - p[j]) * (log_sigmoid(-z[j]) - log_sigmoid(-z_new[j]));
    else
      sum += p[j] * (z[j] - z_new[j] + change);
  }
  return sum;
}

}  // namespace

Matrix outputs(const Problem& problem) {
  Matrix z(problem.shape.outputs(), problem.samples());
  for (Index n = 0; n < z.cols; ++n) {
    const std::vector<Dual> sample = forward(problem, n, -1);
    for (Index j = 0; j < z.rows; ++j) z(j, n) = sample[static_cast<std::size_t>(j)].value;
  }
  return z;
}

Matrix means(const Problem& problem) {
  Matrix means = outputs(problem);
  for (Index n = 0; n < means.cols; ++n)
    std::ranges::copy(mean(problem.likelihood, column(means, n)), means.data.begin() + n * means.rows);
  return means;
}

Matrix jacobian(const Problem& problem, Index n) {
  Matrix j(problem.shape.outputs(), problem.parameters());
  for (Index k = 0; k < j.cols; ++k) {
    const std::vector<Dual> z = forward(problem, n, k);
    for (Index i = 0; i < j.rows; ++i) j(i, k) = z[static_cast<std::size_t>(i)].tangent;
  }
  return j;
}

Matrix output_fisher(Likelihood likelihood, const Vector& z) {
  const Vector p = mean(likelihood, z);
  const Index outputs = static_cast<Index>(z.size());
  Matrix h(outputs, outputs);
  for (Index i = 0; i < outputs; ++i)
    for (Index j = 0; j < outputs; ++j) {
      const Real p_i = p[static_cast<std::size_t>(i)], p_j = p[static_cast<std::size_t>(j)];
      const Real same = i == j ? 1 : 0;
      h(i, j) = likelihood == Likelihood::gaussian    ? same
                : likelihood == Likelihood::bernoulli ? same * p_i * (1 - p_i)
                                                      : same * p_i - p_i * p_j;
    }
  return h;
}

Real data_loss(const Problem& problem) {
  const Matrix z = outputs(problem);
  Real sum = 0;
  for (Index n = 0; n < z.cols; ++n)
    sum += negative_log_likelihood(problem.likelihood, column(z, n), column(problem.y, n));
  return sum / static_cast<Real>(z.cols);
}

Real loss(const Problem& problem) {
  return data_loss(problem) + problem.l2 / 2 * dot(problem.theta, problem.theta);
}

Matrix sample_gradients(const Problem& problem) {
  const Matrix p = means(problem);
  Matrix s(problem.parameters(), problem.samples());
  for (Index n = 0; n < s.cols; ++n) {
    const Matrix j = jacobian(problem, n);
    for (Index i = 0; i < j.rows; ++i) {
      const Real target = problem.likelihood == Likelihood::categorical
                              ? (static_cast<Index>(problem.y(0, n)) == i ? 1 : 0)
                              : problem.y(i, n);
      for (Index k = 0; k < s.rows; ++k) s(k, n) += j(i, k) * (p(i, n) - target);
    }
  }
  return s;
}

Vector gradient(const Problem& problem) {
  const Matrix s = sample_gradients(problem);
  Vector g = multiply(s, Vector(static_cast<std::size_t>(s.cols), 1 / static_cast<Real>(s.cols)));
  for (std::size_t k = 0; k < g.size(); ++k) g[k] += problem.l2 * problem.theta[k];
  return g;
}

Real kl(const Problem& problem, const Vector& theta_new) {
  Problem changed = problem;
  changed.theta = theta_new;
  const Matrix z = outputs(problem), z_new = outputs(changed);
  Real sum = 0;
  for (Index n = 0; n < z.cols; ++n) sum += sample_kl(problem.likelihood, column(z, n), column(z_new, n));
  return sum / static_cast<Real>(z.cols);
}

Matrix exact_fisher(const Problem& problem) {
  const Matrix z = outputs(problem);
  Matrix f(problem.parameters(), problem.parameters());
  for (Index n = 0; n < z.cols; ++n) {
    const Matrix j = jacobian(problem, n);
    const Matrix term = multiply(transpose(j), multiply(output_fisher(problem.likelihood, column(z, n)), j));
    for (std::size_t k = 0; k < f.data.size(); ++k) f.data[k] += term.data[k] / static_cast<Real>(z.cols);
  }
  return f;
}

Matrix empirical_fisher(const Problem& problem) {
  const Matrix s = sample_gradients(problem);
  Matrix f = multiply(s, transpose(s));
  for (Real& value : f.data) value /= static_cast<Real>(s.cols);
  return f;
}

Vector solve(Matrix a, Real lambda, Vector b) {
  const Index n = a.rows;
  const auto at = [](Vector& v, Index i) -> Real& { return v[static_cast<std::size_t>(i)]; };
  for (Index i = 0; i < n; ++i) a(i, i) += lambda;
  for (Index k = 0; k < n; ++k) {
    Index pivot = k;
    for (Index i = k + 1; i < n; ++i)
      if (std::abs(a(i, k)) > std::abs(a(pivot, k))) pivot = i;
    for (Index j = 0; j < n; ++j) std::swap(a(k, j), a(pivot, j));
    std::swap(at(b, k), at(b, pivot));
    for (Index i = k + 1; i < n; ++i) {
      const Real factor = a(i, k) / a(k, k);
      for (Index j = k; j < n; ++j) a(i, j) -= factor * a(k, j);
      at(b, i) -= factor * at(b, k);
    }
  }
  for (Index k = n - 1; k >= 0; --k) {
    for (Index j = k + 1; j < n; ++j) at(b, k) -= a(k, j) * at(b, j);
    at(b, k) /= a(k, k);
  }
  return b;
}

namespace {

/// A ← GᵀAG, V ← VG with the rotation G of p and q that makes A_pq zero.
void rotate(Matrix& a, Matrix& v, Index p, Index q) {
  if (a(p, q) == 0) return;
  const Real theta = (a(q, q) - a(p, p)) / (2 * a(p, q));
  const Real t = (theta >= 0 ? 1 : -1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
  const Real c = 1 / std::sqrt(t * t + 1), s = t * c;
  const auto turn = [&](Real& x, Real& y) {
    const Real turned = c * x - s * y;
    y = s * x + c * y;
    x = turned;
  };
  for (Index k = 0; k < a.rows; ++k) turn(a(k, p), a(k, q));
  for (Index k = 0; k < a.rows; ++k) turn(a(p, k), a(q, k));
  for (Index k = 0; k < a.rows; ++k) turn(v(k, p), v(k, q));
}

}  // namespace

Eigen eigen(Matrix a) {
  const Index n = a.rows;
  Matrix v(n, n);
  for (Index i = 0; i < n; ++i) v(i, i) = 1;
  constexpr int sweeps = 12;  // convergence is quadratic; more change nothing at the orders tested
  for (int sweep = 0; sweep < sweeps; ++sweep)
    for (Index p = 0; p < n; ++p)
      for (Index q = p + 1; q < n; ++q) rotate(a, v, p, q);
  Eigen result{{}, v};
  for (Index i = 0; i < n; ++i) result.values.push_back(a(i, i));
  return result;
}

Vector minimum_norm(const Matrix& a, const Vector& b, Real cutoff) {
  const Eigen e = eigen(a);
  const Real largest = *std::ranges::max_element(e.values);
  Vector c = multiply(transpose(e.vectors), b);
  for (std::size_t i = 0; i < c.size(); ++i) c[i] = e.values[i] > cutoff * largest ? c[i] / e.values[i] : 0;
  return multiply(e.vectors, c);
}

Real dot(const Vector& a, const Vector& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), Real(0));
}

Vector multiply(const Matrix& a, const Vector& x) {
  Vector y(static_cast<std::size_t>(a.rows));
  for (Index j = 0; j < a.cols; ++j)
    for (Index i = 0; i < a.rows; ++i)
      y[static_cast<std::size_t>(i)] += a(i, j) * x[static_cast<std::size_t>(j)];
  return y;
}

Matrix transpose(const Matrix& a) {
  Matrix t(a.cols, a.rows);
  for (Index j = 0; j < a.cols; ++j)
    for (Index i = 0; i < a.rows; ++i) t(j, i) = a(i, j);
  return t;
}

Matrix multiply(const Matrix& a, const Matrix& b) {
  Matrix c(a.rows, b.cols);
  for (Index j = 0; j < c.cols; ++j)
    for (Index k = 0; k < a.cols; ++k)
      for (Index i = 0; i < c.rows; ++i) c(i, j) += a(i, k) * b(k, j);
  return c;
}

}  // namespace natgrad::oracle
