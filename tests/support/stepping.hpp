/// A network that natural-gradient descent trains, and what the textbook needs of it.
#pragma once

#include "support/problems.hpp"

namespace natgrad {

namespace oracle {

/// F of the batch without the elements that the structure leaves out; kinds exact and empirical.
inline Matrix batch_fisher(const Problem& problem, ScoreKind kind, Structure structure) {
  Matrix f = kind == ScoreKind::exact ? exact_fisher(problem) : empirical_fisher(problem);
  switch (structure) {
    case Structure::layer:
      return layer_blocks(problem.shape, std::move(f));
    case Structure::unit:
      return unit_blocks(problem.shape, std::move(f));
    case Structure::diagonal:
      return diagonal(std::move(f));
    default:
      return f;
  }
}

/// The same with samples begin … begin + count − 1 alone.
inline Problem samples_of(Problem problem, Index begin, Index count) {
  for (Matrix* m : {&problem.x, &problem.y}) {
    Matrix part(m->rows, count);
    std::copy_n(m->data.begin() + begin * m->rows, part.data.size(), part.data.begin());
    *m = part;
  }
  return problem;
}

/// x + αy.
inline Vector plus(Vector x, Real alpha, const Vector& y) {
  for (std::size_t k = 0; k < x.size(); ++k) x[k] += alpha * y[k];
  return x;
}

/// xᵀAy.
inline Real product(const Vector& x, const Matrix& a, const Vector& y) { return dot(x, multiply(a, y)); }

inline double norm(const Vector& v) { return std::sqrt(static_cast<double>(dot(v, v))); }

}  // namespace oracle

/// Takes steps; `problem` keeps the parameters that the last one began with.
template <class R>
struct Stepping {
  Backend<R>& backend;
  oracle::Problem problem;
  OnDevice<R> device;
  NaturalGradient<R> optimizer;

  Stepping(Backend<R>& backend_of, const oracle::Problem& start, const NaturalGradientOptions& options)
      : backend(backend_of),
        problem(start),
        device(backend_of, start),
        optimizer(device.net, start.likelihood, options) {}

  StepReport step() { return step(device.batch()); }
  StepReport step(const Batch<R>& batch) {
    problem.theta = device.theta();
    return optimizer.step(batch);
  }
  HostMatrix<R> direction() { return download<R>(backend, optimizer.direction()); }
  /// βd; 0 of a step that was rejected.
  oracle::Vector applied(const StepReport& report) {
    oracle::Vector step = to_vector(direction().data);
    for (oracle::Real& value : step) value *= report.rejected ? 0.0 : report.beta;
    return step;
  }
};

/// The condition up to which directions are compared.
template <class R>
inline constexpr double tested_condition = sizeof(R) == 8 ? 1e6 : 1e3;

}  // namespace natgrad
