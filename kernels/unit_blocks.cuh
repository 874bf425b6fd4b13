/// Lower triangles of F_j ← αΣ_n w_jn ã_n ã_nᵀ + βF_j, w_jn = Σ_k D_j,nr+k², ã = [a; 1] or, without a bias,
/// a; A: n × N, D: m × N·r, F: m matrices of order ñ, not read where β = 0.
///
/// A block of threads owns one tile of one F_j and streams the samples through shared memory, a chunk at a
/// time; a thread owns 4 × 4 elements of the tile, in registers. Reads A about mñ/tile times (from L2),
/// writes F once. A sum goes through the samples in order, so it depends on nothing else.
#pragma once

#include "extended_input.cuh"

namespace natgrad::kernels {

inline constexpr int unit_tile = 64;   // rows and columns of a tile
inline constexpr int unit_chunk = 16;  // samples in shared memory
inline constexpr int unit_side = 16;   // threads along a side of the tile
inline constexpr int unit_share = unit_tile / unit_side;
inline constexpr int unit_threads = unit_side * unit_side;

/// The chunk's ã, rows of the tile (times w) and columns of the tile.
template <class R>
struct UnitTile {
  R weighted[unit_chunk][unit_tile], plain[unit_chunk][unit_tile];
};

/// w: N × m.
template <class R>
__global__ void unit_weights_kernel(MatrixView<const R> d, Index r, MatrixView<R> w, Index count) {
  for (Index e : grid_stride(count)) {
    const auto [j, n] = cell(e, d.rows);
    R sum = R(0);
    for (Index c = n * r; c < (n + 1) * r; ++c) sum += at(d, j, c) * at(d, j, c);
    at(w, n, j) = sum;
  }
}

/// Element i of ã_n; 0 outside. Without a bias the 1 goes into elements outside F, which are not stored.
template <class R>
__device__ R padded_input(MatrixView<const R> a, Index i, Index n) {
  return i <= a.rows && n < a.cols ? extended_input(a, i, n) : R(0);
}

template <class R>
__device__ void load_chunk(UnitTile<R>& s, MatrixView<const R> a, const R* w, Index row, Index col,
                           Index begin) {
  for (int e = threadIdx.x; e < unit_chunk * unit_tile; e += unit_threads) {
    const int k = e / unit_tile, i = e % unit_tile;
    const Index n = begin + k;
    s.weighted[k][i] = n < a.cols ? w[n] * padded_input(a, row + i, n) : R(0);
    s.plain[k][i] = padded_input(a, col + i, n);
  }
}

/// One block of threads per (unit, tile), tiles fastest.
template <class R>
__global__ void __launch_bounds__(unit_threads)
    unit_blocks_kernel(MatrixView<const R> a, MatrixView<const R> w, R alpha, R beta, BatchView<R> f,
                       Index tiles) {
  auto& s = block_shared<UnitTile<R>>();
  const auto [tile, unit] = cell(blockIdx.x, tiles);
  const Cell corner = lower_cell(tile);
  const Index row = corner.row * unit_tile, col = corner.col * unit_tile;
  const int x = threadIdx.x % unit_side, y = threadIdx.x / unit_side;

  R sum[unit_share][unit_share] = {};
  for (Index begin = 0; begin < a.cols; begin += unit_chunk) {
    load_chunk(s, a, column(w, unit), row, col, begin);
    __syncthreads();
    for (int k = 0; k < unit_chunk; ++k) {
      R left[unit_share], right[unit_share];
      for (int p = 0; p < unit_share; ++p) {
        left[p] = s.weighted[k][x + p * unit_side];
        right[p] = s.plain[k][y + p * unit_side];
      }
      for (int q = 0; q < unit_share; ++q)
        for (int p = 0; p < unit_share; ++p) sum[q][p] += left[p] * right[q];
    }
    __syncthreads();
  }

  for (int q = 0; q < unit_share; ++q)
    for (int p = 0; p < unit_share; ++p) {
      const Index i = row + x + p * unit_side, j = col + y + q * unit_side;
      if (i >= f.n || i < j) continue;
      R& element = at(f, i, unit * f.n + j);
      element = alpha * sum[q][p] + (beta == R(0) ? R(0) : beta * element);
    }
}

/// `w`: workspace, N × m.
template <class R>
void unit_blocks(const LayerFactors<R>& layer, Index r, R alpha, R beta, MatrixView<R> w, BatchView<R> f,
                 cudaStream_t stream) {
  launch(unit_weights_kernel<R>, blocks_for(w.size()), element_threads, 0, stream, layer.d, r, w, w.size());
  const Index side = (f.n + unit_tile - 1) / unit_tile, tiles = side * (side + 1) / 2;
  launch(unit_blocks_kernel<R>, grid_of(capped_product(tiles, f.count)), unit_threads, sizeof(UnitTile<R>),
         stream, layer.a, w, alpha, beta, f, tiles);
}

}  // namespace natgrad::kernels
