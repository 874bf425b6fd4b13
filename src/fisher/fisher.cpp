#include "fisher/fisher.hpp"

#include "names.hpp"
#include "shape_check.hpp"

namespace natgrad {
namespace {

constexpr Name<Structure> structure_names[] = {{Structure::dense, "dense"}, {Structure::unit, "unit"}};
constexpr Name<SolveMethod> method_names[] = {{SolveMethod::cholesky, "cholesky"},
                                              {SolveMethod::eigen, "eigen"}};

}  // namespace

std::string_view to_string(Structure structure) { return name_of(structure_names, structure); }
Structure parse_structure(std::string_view name) { return value_of(structure_names, name, "structure"); }
std::string_view to_string(SolveMethod method) { return name_of(method_names, method); }

template <class R>
void Fisher<R>::inverse(MatrixView<R> out) {
  require_size("inverse", "the number of rows", out.rows, parameters_);
  require_size("inverse", "the number of columns", out.cols, parameters_);
  Buffer<R> unit(backend_, parameters_);  // e_j
  for (Index j = 0; j < parameters_; ++j) {
    backend_.fill(unit.matrix(parameters_, 1), R(0));
    backend_.fill({unit.data() + j, 1, 1}, R(1));
    solve(unit.vector(), out.column(j));
  }
}

template <class R>
std::unique_ptr<Fisher<R>> make_fisher(Backend<R>& backend, const NetworkShape& shape, Structure structure) {
  shape.validate();
  return structure == Structure::dense ? make_dense_fisher(backend, shape) : make_unit_fisher(backend, shape);
}

template class Fisher<float>;
template class Fisher<double>;
template std::unique_ptr<Fisher<float>> make_fisher(Backend<float>&, const NetworkShape&, Structure);
template std::unique_ptr<Fisher<double>> make_fisher(Backend<double>&, const NetworkShape&, Structure);

}  // namespace natgrad
