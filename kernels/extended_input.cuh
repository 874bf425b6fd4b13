/// ã = [a; 1], the inputs of a layer with a bias, from A: n × N.
#pragma once

#include "grid.cuh"
#include "natgrad/backend.hpp"

namespace natgrad::kernels {

/// Element i of ã_n, i ≤ n; without a bias the caller stays below the number of rows of A.
template <class R>
__device__ __forceinline__ R extended_input(MatrixView<const R> a, Index i, Index n) {
  return i == a.rows ? R(1) : at(a, i, n);
}

}  // namespace natgrad::kernels
