/// Pairs of rows (p, q) of two layers: where each stands, and which stands where; see natgrad::Pairs.
#pragma once

#include "grid.cuh"
#include "natgrad/backend.hpp"

namespace natgrad::kernels {

/// The pair number i of `rows` rows p with as many (unique) or any number (all) of q: p in `row`, q in `col`.
__device__ __forceinline__ Cell pair_at(Pairs pairs, Index i, Index rows) {
  if (pairs == Pairs::all) return cell(i, rows);
  const Cell from_end = lower_cell(rows * (rows + 1) / 2 - 1 - i);  // backwards, columns become rows
  return {rows - 1 - from_end.col, rows - 1 - from_end.row};
}

/// The number of the pair (p, q) or, unique, of (q, p), whichever there is.
__device__ __forceinline__ Index pair_index(Pairs pairs, Index p, Index q, Index rows) {
  if (pairs == Pairs::all) return p + q * rows;
  const Index row = p > q ? p : q, col = p > q ? q : p;
  return col * rows - col * (col - 1) / 2 + (row - col);
}

}  // namespace natgrad::kernels
