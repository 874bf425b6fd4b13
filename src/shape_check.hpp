/// Shape checks of the backends' operations.
#pragma once

#include <string>

#include "natgrad/error.hpp"
#include "natgrad/likelihood.hpp"
#include "natgrad/matrix.hpp"

namespace natgrad {

/// Throws ShapeError "operation: what is found, must be wanted" unless found == wanted.
inline void require_size(const char* operation, const char* what, Index found, Index wanted) {
  if (found == wanted) return;
  throw ShapeError(std::string(operation) + ": " + what + " is " + std::to_string(found) + ", must be " +
                   std::to_string(wanted));
}

/// Throws ShapeError unless b has the shape rows × cols.
template <class B>
void require_shape(const char* operation, const char* rows_of, const char* columns_of, const B& b, Index rows,
                   Index cols) {
  require_size(operation, rows_of, b.rows, rows);
  require_size(operation, columns_of, b.cols, cols);
}

/// Throws ShapeError unless y can be the targets of the outputs z (C × N): C × N, categorical 1 × N.
template <class R>
void require_targets(const char* operation, Likelihood likelihood, MatrixView<const R> z,
                     MatrixView<const R> y) {
  const bool classes = likelihood == Likelihood::categorical;
  require_size(operation, "the number of rows of y", y.rows, classes ? 1 : z.rows);
  require_size(operation, "the number of columns of y", y.cols, z.cols);
}

/// r of a matrix of N·r columns; throws ShapeError unless N divides it.
inline Index rows_per_sample(const char* operation, Index columns, Index samples) {
  if (samples == 0) {
    require_size(operation, "the number of signal columns", columns, 0);
    return 1;
  }
  if (columns % samples != 0)
    throw ShapeError(std::string(operation) + ": " + std::to_string(columns) +
                     " signal columns are no multiple of the " + std::to_string(samples) + " samples");
  return columns / samples;
}

}  // namespace natgrad
