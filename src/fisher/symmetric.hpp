/// Both triangles of a symmetric matrix of which the lower one is kept.
#pragma once

#include "natgrad/backend.hpp"

namespace natgrad {

/// Row j right of the diagonal ← column j below it.
template <class R>
void mirror_lower(Backend<R>& backend, MatrixView<R> a) {
  for (Index j = 0; j + 1 < a.rows; ++j) {
    const Index below = a.rows - j - 1;
    backend.copy({a.data + j + 1 + j * a.stride, 1, below, 1},
                 {a.data + j + (j + 1) * a.stride, 1, below, a.stride});
  }
}

}  // namespace natgrad
