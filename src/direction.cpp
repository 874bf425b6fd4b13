#include "natgrad/direction.hpp"

#include <cmath>
#include <cstdio>

#include "non_finite.hpp"
#include "option_check.hpp"
#include "shape_check.hpp"
#include "solve_outcome.hpp"

namespace natgrad {

template <class R>
ExplicitRows<R>::ExplicitRows(Backend<R>& backend, const R* s, Index rows, Index parameters, Index row_stride,
                              Index column_stride, Memory memory) {
  const auto elements_of_s = element_count("explicit rows", rows, parameters);
  if (s == nullptr && elements_of_s > 0)
    throw UsageError("explicit rows: no memory given for " + std::to_string(rows) + " x " +
                     std::to_string(parameters) + " numbers; give a pointer to them");
  const bool row_major = column_stride == 1 && row_stride >= parameters;
  if (!row_major && !(row_stride == 1 && column_stride >= rows))
    throw ShapeError("explicit rows: strides of " + std::to_string(row_stride) + " from row to row and " +
                     std::to_string(column_stride) + " from column to column do not hold a matrix of " +
                     std::to_string(rows) + " x " + std::to_string(parameters) +
                     "; one of them must be 1, the other at least the length of what it steps over");
  const Index stored = row_major ? rows : parameters, stride = row_major ? row_stride : column_stride;
  Buffer<R> uploaded;
  if (memory == Memory::host && elements_of_s > 0) {
    const Index elements = (stored - 1) * stride + (row_major ? parameters : rows);
    uploaded = Buffer<R>(backend, elements);
    uploaded.upload(s);
    s = uploaded.data();
  }
  MatrixView<const R> transposed{s, parameters, rows, stride};  // Sᵀ
  if (row_major) {
    copy_ = std::move(uploaded);
  } else {
    copy_ = Buffer<R>(backend, parameters * rows);
    const MatrixView<R> target = copy_.matrix(parameters, rows);
    for (Index j = 0; j < parameters; ++j)  // column j of S becomes row j of Sᵀ
      backend.copy({s + j * stride, 1, rows, 1}, target.block(j, 0, 1, rows));
    transposed = target;
    backend.synchronize();  // before the upload is freed
  }
  rows_ = {&backend, {{MatrixView<const R>{s, 0, rows, 1}, transposed}}, 1};
}

template <class R>
void DirectionSolver<R>::prepare(const Rows<R>& rows) {
  const RowsShape shape = rows.shape();
  if (fisher_ != nullptr && shape == shape_) return;
  fisher_options_ = options_.fisher;
  fisher_options_.structure =
      options_.structure.value_or(shape.parameters() <= shape.count() ? Structure::dense : Structure::gram);
  fisher_.reset();  // its memory first
  fisher_ = make_fisher(backend_, shape, fisher_options_);
  shape_ = shape;
}

namespace {

bool held(const Scalars& s) { return solve_held(s) && std::isfinite(s[Slot::gradient_step]); }

}  // namespace

// Where the rows, g, F or d hold what is not finite, the solver forgets F, which would keep it.
template <class R>
std::string DirectionSolver<R>::describe_failure(const Rows<R>& rows, VectorView<const R> g,
                                                 VectorView<const R> d, const Scalars& s, double from,
                                                 double to) {
  const std::string found = describe_non_finite<R>(
      backend_, {.rows = &rows,
                 .gradient = g,
                 .fisher = fisher_.get(),
                 .factor_failed = s[Slot::factor_info] < 0.0,
                 .direction = s[Slot::factor_info] == 0.0 ? d : VectorView<const R>{}});
  fisher_.reset();
  if (!found.empty()) return "direction: " + found;
  char message[200];
  std::snprintf(
      message, sizeof message,
      "direction: no usable solution with damping from %g to %g (largest diagonal %g); raise the damping "
      "or take f64",
      from, to, s[Slot::largest_diagonal]);
  return message;
}

template <class R>
DirectionReport DirectionSolver<R>::solve(const Rows<R>& rows, VectorView<const R> g, double damping,
                                          VectorView<R> d) {
  require_option(damping >= 0.0 && std::isfinite(damping), "damping", damping, "at least 0");
  if (rows.backend != &backend_)
    throw UsageError("direction: the rows are of another backend than the solver; make both with one");
  require_size("direction", "the size of g", g.size, rows.parameters());
  require_size("direction", "the size of d", d.size, rows.parameters());
  prepare(rows);
  fisher_->update(rows);
  RightSide<R> right{g, fisher_->dual() ? rows.u : VectorView<const R>{}, {}};
  SolveLadder rung(damping, options_.solver);
  Scalars s = solve_once(rung, right, g, d);
  if (!held(s) && right.u.size > 0) {  // perhaps u is not finite where g is
    right.u = {};
    if (s[Slot::factor_info] < 0.0) fisher_->refactor();
    s = solve_once(rung, right, g, d);
  }
  while (!held(s)) {
    if (!rung.climb()) throw NumericError(describe_failure(rows, g, d, s, damping, rung.damping()));
    s = solve_once(rung, right, g, d);
  }
  const SolveOutcome outcome = solve_outcome(s, rung.method());
  return {.quadratic = s[Slot::quadratic],
          .slope = s[Slot::gradient_step],
          .structure = fisher_options_.structure,
          .method = rung.method(),
          .damping = rung.damping(),
          .retries = rung.retries(),
          .iterations = fisher_->iterations(),
          .residual = outcome.residual,
          .rank = outcome.rank,
          .condition = outcome.condition,
          .smallest_eigenvalue = outcome.smallest_eigenvalue};
}

template <class R>
Scalars DirectionSolver<R>::solve_once(const SolveLadder& rung, const RightSide<R>& right,
                                       VectorView<const R> g, VectorView<R> d) {
  fisher_->solve(rung.method(), rung.damping(), right, d);
  backend_.dot(d, d, Slot::step_norm2);
  backend_.dot(g, d, Slot::gradient_step);
  return backend_.read_scalars();
}

template <class R>
DirectionReport DirectionSolver<R>::solve(const Rows<R>& rows, const std::vector<R>& g, double damping,
                                          std::vector<R>& d) {
  require_size("direction", "the size of g", static_cast<Index>(g.size()), rows.parameters());
  Buffer<R> device_g(backend_, rows.parameters()), device_d(backend_, rows.parameters());
  device_g.upload(g.data());
  const DirectionReport report = solve(rows, device_g.vector(), damping, device_d.vector());
  d = device_d.download();
  return report;
}

template class ExplicitRows<float>;
template class ExplicitRows<double>;
template class DirectionSolver<float>;
template class DirectionSolver<double>;

}  // namespace natgrad
