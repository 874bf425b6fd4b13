/// The textbook, in plain loops over long double, from θ, x and y alone. It shares nothing with the library
/// but the enumerations and the order of θ: derivatives come from dual numbers, one parameter at a time, and
/// F from Jacobians and H(z), never from score rows.
#pragma once

#include <vector>

#include "natgrad/network.hpp"

namespace natgrad::oracle {

using Real = long double;
using Vector = std::vector<Real>;
using Matrix = HostMatrix<Real>;

/// A network with its data and its L2 term ½η‖θ‖².
struct Problem {
  NetworkShape shape;
  Likelihood likelihood = Likelihood::gaussian;
  Vector theta;  // P
  Matrix x;      // n_0 × N
  Matrix y;      // C × N, or 1 × N classes
  Real l2 = 0;   // η

  Index samples() const { return x.cols; }
  Index parameters() const { return shape.parameters(); }
};

/// z of every sample, C × N.
Matrix outputs(const Problem& problem);
/// E[y | z] of every sample, C × N.
Matrix means(const Problem& problem);
/// J_n = ∂z_n/∂θ, C × P.
Matrix jacobian(const Problem& problem, Index n);
/// H(z), C × C.
Matrix output_fisher(Likelihood likelihood, const Vector& z);

/// Mean negative log-likelihood, without the L2 term, and with it.
Real data_loss(const Problem& problem);
Real loss(const Problem& problem);
/// s_n = J_nᵀ(E[y | z_n] − y_n) as columns, P × N.
Matrix sample_gradients(const Problem& problem);
/// ∇loss, with the L2 term.
Vector gradient(const Problem& problem);
/// Mean over the samples of Σ_y p(y | z) log(p(y | z) / p(y | z')), z' the outputs of `theta_new`.
Real kl(const Problem& problem, const Vector& theta_new);

/// F = 1/N Σ J_nᵀ H(z_n) J_n.
Matrix exact_fisher(const Problem& problem);
/// F = 1/N Σ s_n s_nᵀ.
Matrix empirical_fisher(const Problem& problem);
/// F with every element 0 that does not join two parameters of one layer, or of one unit, or is not on the
/// diagonal.
Matrix layer_blocks(const NetworkShape& shape, Matrix f);
Matrix unit_blocks(const NetworkShape& shape, Matrix f);
Matrix diagonal(Matrix f);
/// u of the score rows, N·r, with g = Sᵀu, from the formulas of c.
Vector residuals(const Problem& problem, ScoreKind kind);

/// (A + λI)x = b by elimination with row pivoting.
Vector solve(Matrix a, Real lambda, Vector b);
/// Eigenvalues and, as columns, eigenvectors of a symmetric matrix by Jacobi's rotations.
struct Eigen {
  Vector values;
  Matrix vectors;
};
Eigen eigen(Matrix a);
/// The shortest of the vectors that minimise ‖Ax − b‖, A symmetric; eigenvalues below cutoff · max count as
/// 0.
Vector minimum_norm(const Matrix& a, const Vector& b, Real cutoff);

Real dot(const Vector& a, const Vector& b);
Vector multiply(const Matrix& a, const Vector& x);
Matrix transpose(const Matrix& a);
Matrix multiply(const Matrix& a, const Matrix& b);

}  // namespace natgrad::oracle
