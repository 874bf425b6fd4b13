/// The whole matrix of a structure that is known by its products.
#pragma once

#include "fisher/symmetric.hpp"
#include "natgrad/fisher.hpp"

namespace natgrad {

/// out ← F, P × P, column by column; both triangles, equal bit for bit.
template <class R>
void dense_by_products(Backend<R>& backend, Fisher<R>& fisher, MatrixView<R> out) {
  Buffer<R> unit(backend, out.rows);  // e_j
  for (Index j = 0; j < out.cols; ++j) {
    backend.fill(unit.matrix(out.rows, 1), R(0));
    backend.fill({unit.data() + j, 1, 1}, R(1));
    fisher.multiply(unit.vector(), out.column(j));
  }
  mirror_lower(backend, out);
}

}  // namespace natgrad
