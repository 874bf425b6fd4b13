#include "fisher/fisher.hpp"

#include <algorithm>

#include "names.hpp"
#include "option_check.hpp"
#include "shape_check.hpp"

namespace natgrad {
namespace {

constexpr Name<Structure> structure_names[] = {
    {Structure::dense, "dense"}, {Structure::gram, "gram"},        {Structure::matrix_free, "matrix-free"},
    {Structure::layer, "layer"}, {Structure::unit, "unit"},        {Structure::kronecker, "kronecker"},
    {Structure::ekfac, "ekfac"}, {Structure::diagonal, "diagonal"}};
constexpr Name<SolveMethod> method_names[] = {{SolveMethod::cholesky, "cholesky"},
                                              {SolveMethod::eigen, "eigen"}};

}  // namespace

std::string_view to_string(Structure structure) { return name_of(structure_names, structure); }
Structure parse_structure(std::string_view name) { return value_of(structure_names, name, "structure"); }
std::string_view to_string(SolveMethod method) { return name_of(method_names, method); }

void FisherOptions::validate() const {
  const bool dual = structure == Structure::gram || structure == Structure::matrix_free;
  require_option(decay >= 0.0 && decay < 1.0, "curvature-decay", decay, "at least 0 and below 1");
  require_option(decay == 0.0 || !dual, "curvature-decay", decay,
                 "0 for the structures gram and matrix-free, which keep the rows of one batch only");
  require_option(cutoff >= 0.0 && cutoff < 1.0, "cutoff", cutoff, "at least 0 and below 1");
  require_option(refine >= 0 && refine <= 10, "refine", refine, "from 0 to 10");
  require_option(refine == 0 || structure != Structure::dense || (decay == 0.0 && refresh == 1), "refine",
                 refine, "0 for a dense Fisher that keeps more than the rows of one batch");
  require_option(mix >= 0.0 && mix < 1.0, "mix", mix, "at least 0 and below 1");
  require_option(factor_decay >= 0.0 && factor_decay < 1.0, "factor-decay", factor_decay,
                 "at least 0 and below 1");
  require_option(refresh >= 1, "refresh", refresh, "at least 1");
  require_option(refresh == 1 || !dual || kronecker_metric, "refresh", refresh,
                 "1 for the structures gram and matrix-free, which keep the rows of one batch only");
  require_option(tolerance > 0.0 && tolerance < 1.0, "cg-tolerance", tolerance, "above 0 and below 1");
  require_option(max_iterations >= 1, "cg-iterations", max_iterations, "at least 1");
  if (kronecker_metric && structure != Structure::gram)
    throw UsageError("metric kronecker is for the structure gram, not " + std::string(to_string(structure)));
  if (preconditioner != Structure::diagonal && preconditioner != Structure::kronecker)
    throw UsageError("preconditioner is " + std::string(to_string(preconditioner)) +
                     ", must be diagonal or kronecker");
}

template <class R>
void Fisher<R>::update(const Rows<R>& rows) {
  if (rows.shape() != shape_)
    throw ShapeError(
        "fisher: rows of another shape than the structure was made for: " + std::to_string(rows.samples()) +
        " samples with " + std::to_string(rows.per_sample) + " rows each and " +
        std::to_string(rows.parameters()) + " parameters, must be " + std::to_string(shape_.samples) + ", " +
        std::to_string(shape_.per_sample) + " and " + std::to_string(shape_.parameters()));
  const PhaseScope phase(backend_, Phase::fisher);
  rows_ = rows;
  ++updates_;
  const Index taken = (updates_ - 1) / options_.refresh + 1;
  const double kept = std::min(options_.decay, 1.0 - 1.0 / static_cast<double>(taken));
  accumulate(static_cast<R>(1.0 - kept), static_cast<R>(kept));
}

template <class R>
void Fisher<R>::visit_state(StateVisitor<R>& state) {
  state.count("updates", updates_);
  if (remembers() && updates_ > 0) visit_curvature(state);
}

template <class R>
void Fisher<R>::solve(SolveMethod method, double damping, const RightSide<R>& right, VectorView<R> d) {
  require_size("fisher: solve", "the size of d", d.size, parameters());
  if (needs_gradient() || right.u.size == 0)
    require_size("fisher: solve", "the size of b", right.b.size, parameters());
  for (Slot slot : {Slot::factor_info, Slot::largest_diagonal, Slot::rank, Slot::largest_eigenvalue,
                    Slot::smallest_eigenvalue, Slot::residual_norm2, Slot::right_side_norm2})
    backend_.set_scalar(slot, 0.0);
  const PhaseScope phase(backend_, Phase::solve);
  solve_damped(method, static_cast<R>(damping), right, d);
}

template <class R>
void Fisher<R>::inverse(SolveMethod method, double damping, MatrixView<R> out) {
  require_size("inverse", "the number of rows", out.rows, parameters());
  require_size("inverse", "the number of columns", out.cols, parameters());
  Buffer<R> unit(backend_, parameters());  // e_j
  for (Index j = 0; j < parameters(); ++j) {
    backend_.fill(unit.matrix(parameters(), 1), R(0));
    backend_.fill({unit.data() + j, 1, 1}, R(1));
    solve(method, damping, {.b = unit.vector()}, out.column(j));
  }
}

namespace {

void require_sizes(const RowsShape& shape) {
  const auto require = [](const char* what, Index size) {
    if (size >= 0) return;
    throw ShapeError(std::string("fisher: the number of ") + what + " is " + std::to_string(size) +
                     ", must be at least 0");
  };
  require("samples", shape.samples);
  require("rows per sample", shape.per_sample);
  for (const auto& layer : shape.layers) {
    require("inputs of a layer", layer.inputs);
    require("units of a layer", layer.units);
  }
}

// K-FAC: the metric alone.
bool metric_alone(const FisherOptions& options) { return options.kronecker_metric && options.mix == 0.0; }

FisherOptions kronecker_options(FisherOptions options) {
  options.kronecker_metric = false;
  options.structure = Structure::kronecker;
  options.decay = options.factor_decay;
  return options;
}

}  // namespace

FisherPlan plan_fisher(const RowsShape& shape, const FisherOptions& options) {
  options.validate();
  require_sizes(shape);
  if (metric_alone(options)) return plan_kronecker(shape, kronecker_options(options));
  switch (options.structure) {
    case Structure::dense:
      return plan_dense(shape, options);
    case Structure::gram:
      return options.kronecker_metric ? plan_metric(shape, options) : plan_gram(shape, options);
    case Structure::matrix_free:
      return plan_matrix_free(shape, options);
    case Structure::layer:
      return plan_layer(shape, options);
    case Structure::unit:
      return plan_unit(shape, options);
    case Structure::kronecker:
      return plan_kronecker(shape, options);
    case Structure::ekfac:
      return plan_ekfac(shape, options);
    case Structure::diagonal:
      break;
  }
  return plan_diagonal(shape, options);
}

template <class R>
std::unique_ptr<Fisher<R>> make_fisher(Backend<R>& backend, const RowsShape& shape,
                                       const FisherOptions& options) {
  options.validate();
  require_sizes(shape);
  if (metric_alone(options)) return make_kronecker(backend, shape, kronecker_options(options));
  switch (options.structure) {
    case Structure::dense:
      return make_dense(backend, shape, options);
    case Structure::gram:
      return options.kronecker_metric ? make_metric(backend, shape, options)
                                      : make_gram(backend, shape, options);
    case Structure::matrix_free:
      return make_matrix_free(backend, shape, options);
    case Structure::layer:
      return make_layer(backend, shape, options);
    case Structure::unit:
      return make_unit(backend, shape, options);
    case Structure::kronecker:
      return make_kronecker(backend, shape, options);
    case Structure::ekfac:
      return make_ekfac(backend, shape, options);
    case Structure::diagonal:
      break;
  }
  return make_diagonal(backend, shape, options);
}

template class Fisher<float>;
template class Fisher<double>;
template std::unique_ptr<Fisher<float>> make_fisher(Backend<float>&, const RowsShape&, const FisherOptions&);
template std::unique_ptr<Fisher<double>> make_fisher(Backend<double>&, const RowsShape&,
                                                     const FisherOptions&);

}  // namespace natgrad
