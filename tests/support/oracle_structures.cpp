#include <cmath>
#include <utility>

#include "support/oracle.hpp"

namespace natgrad::oracle {
namespace {

/// What a parameter belongs to.
struct Place {
  Index layer, unit;
};

std::vector<Place> places(const NetworkShape& shape) {
  std::vector<Place> result;
  for (Index l = 0; l < shape.layers(); ++l) {
    const Index inputs = shape.width(l), units = shape.width(l + 1);
    for (Index j = 0; j < units; ++j) result.insert(result.end(), static_cast<std::size_t>(inputs), {l, j});
    for (Index j = 0; j < units; ++j) result.push_back({l, j});  // the biases
  }
  return result;
}

/// F with 0 where keep(place of the row, place of the column) is false.
template <class Keep>
Matrix masked(const NetworkShape& shape, Matrix f, Keep keep) {
  const std::vector<Place> place = places(shape);
  for (Index j = 0; j < f.cols; ++j)
    for (Index i = 0; i < f.rows; ++i)
      if (!keep(place[static_cast<std::size_t>(i)], place[static_cast<std::size_t>(j)])) f(i, j) = 0;
  return f;
}

}  // namespace

Matrix layer_blocks(const NetworkShape& shape, Matrix f) {
  return masked(shape, std::move(f), [](const Place& a, const Place& b) { return a.layer == b.layer; });
}

Matrix unit_blocks(const NetworkShape& shape, Matrix f) {
  return masked(shape, std::move(f),
                [](const Place& a, const Place& b) { return a.layer == b.layer && a.unit == b.unit; });
}

Matrix diagonal(Matrix f) {
  for (Index j = 0; j < f.cols; ++j)
    for (Index i = 0; i < f.rows; ++i)
      if (i != j) f(i, j) = 0;
  return f;
}

Vector residuals(const Problem& problem, ScoreKind kind) {
  const Matrix z = outputs(problem), p = means(problem);
  const Real scale = 1 / std::sqrt(static_cast<Real>(problem.samples()));
  if (kind == ScoreKind::empirical) return Vector(static_cast<std::size_t>(problem.samples()), scale);
  Vector u;
  for (Index n = 0; n < z.cols; ++n) {
    if (problem.likelihood != Likelihood::categorical) {
      for (Index j = 0; j < z.rows; ++j) {
        const Real root = problem.likelihood == Likelihood::gaussian ? 1 : std::sqrt(p(j, n) * (1 - p(j, n)));
        u.push_back(scale * (p(j, n) - problem.y(j, n)) / root);
      }
      continue;
    }
    const Index label = static_cast<Index>(problem.y(0, n));
    Real before = 1;  // q_{k−1}
    for (Index k = 0; k + 1 < z.rows; ++k) {
      const Real q = before - p(k, n);
      const Real c = k < label    ? std::sqrt(p(k, n) / (q * before))
                     : k == label ? -std::sqrt(q / (p(k, n) * before))
                                  : 0;
      u.push_back(scale * c);
      before = q;
    }
  }
  return u;
}

}  // namespace natgrad::oracle
