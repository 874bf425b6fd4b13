/// Batches of score rows of any layers, and their curvature matrices in every structure by the textbook:
/// plain loops in long double over S itself.
#pragma once

#include <algorithm>
#include <cmath>
#include <ostream>
#include <string>
#include <vector>

#include "natgrad/fisher.hpp"
#include "support/device_matrix.hpp"
#include "support/oracle.hpp"
#include "support/problems.hpp"
#include "support/random_matrix.hpp"

namespace natgrad {

inline std::ostream& operator<<(std::ostream& out, const RowsShape& shape) {
  for (const auto& layer : shape.layers)
    out << layer.inputs << " to " << layer.units << (layer.bias ? ", " : " without a bias, ");
  return out << "N = " << shape.samples << ", r = " << shape.per_sample;
}

/// One to three layers, with and without a bias; one sample, one unit, no rows, more parameters than rows and
/// fewer.
inline const std::vector<RowsShape>& rows_shapes() {
  static const std::vector<RowsShape> shapes = {
      {{{1, 1}}, 1, 1},
      {{{3, 2}}, 4, 0},
      {{{3, 2}}, 7, 2},
      {{{2, 3, false}}, 33, 1},
      {{{3, 4}, {4, 2}}, 33, 1},
      {{{4, 3, false}, {3, 5}}, 7, 3},
      {{{2, 3}, {3, 1, false}, {1, 2}}, 2, 1},
      {{{2, 3}, {3, 3}, {3, 2}}, 31, 2},
      {{{33, 2}}, 5, 1},
      {{{2, 31, false}}, 3, 2},
  };
  return shapes;
}

/// Random rows on the host and on a device.
template <class R>
class RandomRows {
 public:
  RandomRows(Backend<R>& backend, const RowsShape& shape, std::uint64_t seed)
      : shape_(shape), rows_{&backend, {}, shape.per_sample} {
    Random random(seed);
    const double size = 1.0 / std::sqrt(static_cast<double>(shape.samples));
    for (const auto& layer : shape.layers) {
      a_.push_back(random.matrix<R>(layer.inputs, shape.samples));
      d_.push_back(random.matrix<R>(layer.units, shape.count(), -size, size));
      device_.emplace_back(backend, a_.back());
      device_.emplace_back(backend, d_.back());
    }
    for (std::size_t l = 0; l < shape.layers.size(); ++l)
      rows_.layers.push_back({device_[2 * l], device_[2 * l + 1], shape.layers[l].bias});
  }
  RandomRows(const RandomRows&) = delete;

  const Rows<R>& rows() const { return rows_; }
  const RowsShape& shape() const { return shape_; }

  /// ã_i of sample n.
  oracle::Real input(std::size_t l, Index i, Index n) const {
    return i < shape_.layers[l].inputs ? static_cast<oracle::Real>(a_[l](i, n)) : 1;
  }
  oracle::Real signal(std::size_t l, Index j, Index c) const { return d_[l](j, c); }

 private:
  RowsShape shape_;
  std::vector<HostMatrix<R>> a_, d_;     // by layer
  std::vector<DeviceMatrix<R>> device_;  // A and D of a layer after each other
  Rows<R> rows_;
};

/// Where the parameter of input i and unit j of layer l stands in θ.
inline Index parameter(const RowsShape& shape, std::size_t l, Index i, Index j) {
  const auto& layer = shape.layers[l];
  return shape.offset(l) + (i < layer.inputs ? j * layer.inputs + i : layer.inputs * layer.units + j);
}

/// Calls body(l, i, j, k) for every parameter k of input i and unit j of layer l.
template <class Body>
void each_parameter(const RowsShape& shape, Body body) {
  for (std::size_t l = 0; l < shape.layers.size(); ++l)
    for (Index j = 0; j < shape.layers[l].units; ++j)
      for (Index i = 0; i < shape.layers[l].extended(); ++i) body(l, i, j, parameter(shape, l, i, j));
}

namespace oracle {

/// SᵀS.
template <class R>
Matrix fisher(const RandomRows<R>& rows) {
  const RowsShape& shape = rows.shape();
  Matrix s(shape.parameters(), shape.count());
  each_parameter(shape, [&](std::size_t l, Index i, Index j, Index k) {
    for (Index c = 0; c < s.cols; ++c)
      s(k, c) = rows.signal(l, j, c) * rows.input(l, i, c / shape.per_sample);
  });
  return multiply(s, transpose(s));
}

/// F without the elements that the structure leaves out.
inline Matrix restricted(const RowsShape& shape, Structure structure, Matrix f) {
  each_parameter(shape, [&](std::size_t l, Index, Index j, Index k) {
    each_parameter(shape, [&](std::size_t l2, Index, Index j2, Index k2) {
      const bool kept = structure == Structure::diagonal ? k == k2
                        : structure == Structure::unit   ? l == l2 && j == j2
                        : structure == Structure::layer  ? l == l2
                                                         : true;
      if (!kept) f(k, k2) = 0;
    });
  });
  return f;
}

/// A and G of every layer.
struct Factors {
  std::vector<Matrix> a, g;
};

template <class R>
Factors factors(const RandomRows<R>& rows) {
  const RowsShape& shape = rows.shape();
  Factors result;
  for (std::size_t l = 0; l < shape.layers.size(); ++l) {
    Matrix a(shape.layers[l].extended(), shape.samples), d(shape.layers[l].units, shape.count());
    const Real size = 1 / std::sqrt(static_cast<Real>(shape.samples));
    for (Index n = 0; n < a.cols; ++n)
      for (Index i = 0; i < a.rows; ++i) a(i, n) = rows.input(l, i, n) * size;
    for (Index c = 0; c < d.cols; ++c)
      for (Index j = 0; j < d.rows; ++j) d(j, c) = rows.signal(l, j, c);
    result.a.push_back(multiply(a, transpose(a)));
    result.g.push_back(multiply(d, transpose(d)));
  }
  return result;
}

inline Matrix average(Matrix x, Real weight_x, const Matrix& y, Real weight_y) {
  for (std::size_t k = 0; k < x.data.size(); ++k) x.data[k] = weight_x * x.data[k] + weight_y * y.data[k];
  return x;
}
inline Factors average(Factors x, Real weight_x, const Factors& y, Real weight_y) {
  for (std::size_t l = 0; l < x.a.size(); ++l) {
    x.a[l] = average(x.a[l], weight_x, y.a[l], weight_y);
    x.g[l] = average(x.g[l], weight_x, y.g[l], weight_y);
  }
  return x;
}

inline Real trace(const Matrix& m) {
  Real sum = 0;
  for (Index i = 0; i < m.rows; ++i) sum += m(i, i);
  return sum;
}

/// ⊕_l G_l ⊗ A_l in θ's order; what is not symmetric is taken as it stands.
inline Matrix kronecker(const RowsShape& shape, const Factors& factors) {
  Matrix f(shape.parameters(), shape.parameters());
  each_parameter(shape, [&](std::size_t l, Index i, Index j, Index k) {
    for (Index j2 = 0; j2 < shape.layers[l].units; ++j2)
      for (Index i2 = 0; i2 < shape.layers[l].extended(); ++i2)
        f(k, parameter(shape, l, i2, j2)) = factors.a[l](i, i2) * factors.g[l](j, j2);
  });
  return f;
}

/// A + πγI and G + γ/π I, π² the ratio of the mean diagonal elements.
inline Factors damped(Factors factors, Real gamma) {
  for (std::size_t l = 0; l < factors.a.size(); ++l) {
    Matrix &a = factors.a[l], &g = factors.g[l];
    const Real ratio = (trace(a) / static_cast<Real>(a.rows)) / (trace(g) / static_cast<Real>(g.rows));
    const Real pi = trace(a) > 0 && trace(g) > 0 ? std::sqrt(ratio) : 1;
    for (Index i = 0; i < a.rows; ++i) a(i, i) += pi * gamma;
    for (Index j = 0; j < g.rows; ++j) g(j, j) += gamma / pi;
  }
  return factors;
}

/// The eigenvectors of the factors, and how far the nearest of their eigenvalues are apart, relative to the
/// largest.
struct Eigenbasis {
  Factors vectors;
  Real gap = 1;
};

inline Eigenbasis eigenbasis(const Factors& factors) {
  constexpr Real vanishing = 1e-12L;  // among these any basis will do: no row has a part in their space
  Eigenbasis basis;
  const auto add = [&](const Matrix& factor, std::vector<Matrix>& vectors) {
    Eigen e = eigen(factor);
    vectors.push_back(e.vectors);
    std::ranges::sort(e.values);
    for (std::size_t k = 1; k < e.values.size(); ++k)
      if (e.values[k] > vanishing * e.values.back())
        basis.gap = std::min(basis.gap, (e.values[k] - e.values[k - 1]) / e.values.back());
  };
  for (const Matrix& a : factors.a) add(a, basis.vectors.a);
  for (const Matrix& g : factors.g) add(g, basis.vectors.g);
  return basis;
}

/// U diag(UᵀFU) Uᵀ: what E-KFAC keeps of F in the basis U = ⊕ U_G ⊗ U_A.
inline Matrix diagonal_in(const RowsShape& shape, const Eigenbasis& basis, const Matrix& f) {
  const Matrix u = kronecker(shape, basis.vectors);
  Matrix rotated = multiply(transpose(u), multiply(f, u));
  for (Index j = 0; j < f.cols; ++j)
    for (Index i = 0; i < f.rows; ++i)
      if (i != j) rotated(i, j) = 0;
  return multiply(u, multiply(rotated, transpose(u)));
}

}  // namespace oracle

/// The matrix that a structure stands for after updates, and the relative error that one of it may have.
template <class R>
struct Textbook {
  oracle::Matrix f;         // of the structure
  oracle::Factors factors;  // kronecker and ekfac
  double condition = 1.0;   // of f as a function of the rows: eigenvectors turn where eigenvalues are close
  Index updates = 0;

  /// As Fisher::update: every refresh-th takes F, or the eigenvectors that it is kept in, anew, the k-th of
  /// these with ρ = min(decay, 1 − 1/k).
  void update(const RandomRows<R>& rows, const FisherOptions& options) {
    const RowsShape& shape = rows.shape();
    const bool due = updates % options.refresh == 0;
    const Index taken = updates / options.refresh + 1;
    ++updates;
    const auto blend = [&](const auto& before, const auto& now, Index k) {
      const oracle::Real kept = std::min(options.decay, 1.0 - 1.0 / static_cast<double>(k));
      return k == 1 ? now : oracle::average(before, kept, now, 1 - kept);
    };
    if (due) factors = blend(factors, oracle::factors(rows), taken);
    const oracle::Matrix now = oracle::restricted(shape, options.structure, oracle::fisher(rows));
    if (options.structure == Structure::kronecker) {
      f = oracle::kronecker(shape, factors);
    } else if (options.structure == Structure::ekfac) {
      if (due) basis_ = oracle::eigenbasis(factors);
      condition = std::max(condition, static_cast<double>(1 / basis_.gap));
      f = oracle::diagonal_in(shape, basis_, blend(f, now, updates));
    } else if (due) {
      f = blend(f, now, taken);
    }
  }

 private:
  oracle::Eigenbasis basis_;
};

}  // namespace natgrad
