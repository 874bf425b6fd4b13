/// Lower triangle of the Gram matrix of the score rows, all layers in one kernel:
///
///     K ← Σ_l (Ã_lᵀÃ_l) ∘ (D_lᵀD_l),   A_l: n_l × N, D_l: m_l × N·r, K: N·r × N·r,
///
/// element (c, c') of the first factor being that of samples ⌊c/r⌋ and ⌊c'/r⌋, Ã = [A; 1] or A.
///
/// A block of threads owns a tile of K, T × T, and goes through the layers. The products of the inputs wait
/// in shared memory, for r = 1 in a slot per element, otherwise once per pair of samples (a tile's edges may
/// cut samples); those of the signals stay in registers, and so does K, which is written once.
/// score_gram_tile.cuh has the products.
///
/// Multiply-adds: ½R(R + T) Σ_l (m_l + n_l/r²), R = N·r. Bytes: K written once; factors read about R/T times,
/// (R²/T) Σ_l (m_l + n_l/r) elements, from L2 as far as tiles that run together share panels (gram_square).
/// In f32 that is T/4 FLOP a byte: at 5 TB/s of L2 80 TFLOP/s for T = 64, above the f32 peak of an H200, and
/// 160 for T = 128, which bounds TF32.
///
/// | tile                   | shared memory | registers, sm_75 to 120 | blocks a multiprocessor, sm_90 |
/// |------------------------|---------------|-------------------------|--------------------------------|
/// | CoreTile<float>        | 37 KiB        | 168                     | 3                              |
/// | CoreTile<double>       | 53 KiB        | 130 … 170               | 1, below sm_80 alone           |
/// | TensorTile<float, 64>  | 33 KiB        | 114 … 160               | 3                              |
/// | TensorTile<float, 128> | 97 KiB        | 146 … 228               | 1                              |
/// | TensorTile<double, 64> | 49 KiB        | 158 … 220               | 2                              |
///
/// T = 128 fits the 99 KiB that every compute capability from 8.0 on has; it needs R ≥ 2048 to occupy 132
/// multiprocessors. A sum's order depends on r, the sizes and T alone.
///
/// gram.cuh does the same from two products of a library per layer and tile, with memory for both and three
/// more passes over K a layer. src/cuda/routes.hpp tells which is taken: no record of a GPU yet shows where
/// this kernel is faster. chunk_product.cuh multiplies operands that its caller forms k by k.
#pragma once

#include <span>

#include "natgrad/backend.hpp"
#include "score_gram_tile.cuh"

namespace natgrad::kernels {

/// Layers by value: as many as the 4 KiB of a kernel's parameters hold.
template <class R>
struct GramLayers {
  static constexpr int most = 48;
  LayerFactors<R> layer[most];
  int count = 0;
};

/// How the pairs of samples of a tile are shared out among its threads.
struct PairPlan {
  int row_sample, col_sample;  // the first of either panel
  int side;                    // samples of either panel, rounded up to an even number
  int groups;                  // of threads, each for a part of a chunk
  int pieces;                  // of a column in a chunk
};

template <class Tile>
struct GramShared {
  Stage<Tile> stages[2];
  typename Tile::R inputs[Tile::size * Tile::size];  // their products, by pairs of samples
  int row_at[Tile::size], col_at[Tile::size];        // row i, column j find theirs at row_at[i] + col_at[j]
  PairPlan plan;                                     // here it costs no registers
};

/// The product of the inputs that belongs to the thread's element e.
template <class Tile>
__device__ __forceinline__ typename Tile::R& input_of(GramShared<Tile>& s, int e) {
  return s.inputs[s.row_at[Tile::row(e)] + s.col_at[Tile::col(e)]];
}

/// A panel's rows belong to at most ⌈(size − 1)/r⌉ + 1 samples. A thread takes 2 × 2 pairs of them.
template <class Tile>
__device__ __forceinline__ PairPlan pair_plan(int row, int col, int r) {
  constexpr int stage_pieces = 2 * Tile::size * Tile::pitch;
  const int half = ((Tile::size + r - 2) / r + 2) / 2, quads = half * half;
  // An odd number of pieces: neighbouring samples lie in different banks.
  return {row / r, col / r, 2 * half, quads < Tile::threads ? Tile::threads / quads : 1,
          (stage_pieces / (2 * half) - 1) | 1};
}

/// panel ← `pieces` pieces from k on of `count` columns of x from `first` on, 0 outside.
template <class Tile, class R>
__device__ __forceinline__ void load_samples(Piece<R>* panel, MatrixView<const R> x, Index first, int count,
                                             Index k, int pieces) {
  const bool aligned = has_aligned_columns(x);
  for (int e = threadIdx.x; e < count * pieces; e += Tile::threads) {
    const Index c = first + e / pieces, begin = k + e % pieces * Piece<R>::size, left = x.rows - begin;
    const int there = c >= x.cols ? 0 : static_cast<int>(left < Piece<R>::size ? left : Piece<R>::size);
    const R* from = there > 0 ? column(x, c) + begin : nullptr;
    panel[e] = aligned && there == Piece<R>::size ? whole_piece(from) : partial_piece(from, there);
  }
}

/// s.inputs ← ã_iᵀã_j at i·side + j, i and j counted from the first samples of the tile's rows and columns.
///
/// There are few pairs. So a thread sums its four over every groups-th piece of a chunk, which is as long as
/// the stages allow, and the groups' sums are added in order.
template <class Tile, class R>
__device__ __forceinline__ void sample_products(GramShared<Tile>& s, const LayerFactors<R>& layer) {
  const auto [row_sample, col_sample, side, groups, pieces] = s.plan;
  const int half = side / 2, quads = half * half;
  Piece<R>*x = s.stages[0][0], *y = s.stages[1][0];
  for (Index k = 0; k == 0 || k < layer.a.rows; k += pieces * Piece<R>::size) {
    __syncthreads();  // the stages, and the inputs of the layer before, have been read
    load_samples<Tile>(x, layer.a, row_sample, side, k, pieces);
    load_samples<Tile>(y, layer.a, col_sample, side, k, pieces);
    __syncthreads();
    for (int item = threadIdx.x; item < groups * quads; item += Tile::threads) {
      const int group = item / quads, i = item % quads / half, j = item % half;
      R sum[2][2] = {};
      for (int e = group; e < pieces; e += groups) {
        NATGRAD_UNROLL
        for (int pq = 0; pq < 4; ++pq) {
          const Piece<R> left = x[(i + pq / 2 * half) * pieces + e],
                         right = y[(j + pq % 2 * half) * pieces + e];
          NATGRAD_UNROLL
          for (int v = 0; v < Piece<R>::size; ++v) sum[pq / 2][pq % 2] += left.value[v] * right.value[v];
        }
      }
      NATGRAD_UNROLL
      for (int pq = 0; pq < 4; ++pq) {
        R& partial = s.inputs[(group * side + i + pq / 2 * half) * side + j + pq % 2 * half];
        partial = sum[pq / 2][pq % 2] + (k == 0 ? R(0) : partial);
      }
    }
  }
  __syncthreads();
  for (int e = threadIdx.x; e < side * side; e += Tile::threads) {
    R sum = layer.bias ? R(1) : R(0);
    for (int group = 0; group < groups; ++group) sum += s.inputs[group * side * side + e];
    s.inputs[e] = sum;
  }
}

inline constexpr int gram_square = 8;  // tiles along a side of what blocks of neighbouring numbers own

/// One block of threads per tile (i, j), i ≥ j. Squares of tiles follow one another, so that the blocks that
/// run at the same time share their panels; those of a square on the diagonal that own no tile return at
/// once.
template <class Tile, class R>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks)
    score_gram_kernel(GramLayers<R> layers, int r, bool add, MatrixView<R> k) {
  auto& s = block_shared<GramShared<Tile>>();
  const Cell square = lower_cell(blockIdx.x / (gram_square * gram_square));
  const int row =
      (static_cast<int>(square.row) * gram_square + blockIdx.x / gram_square % gram_square) * Tile::size;
  const int col = (static_cast<int>(square.col) * gram_square + blockIdx.x % gram_square) * Tile::size;
  if (row < col || row >= k.rows) return;

  const PairPlan plan = pair_plan<Tile>(row, col, r);
  if (threadIdx.x == 0) s.plan = plan;
  for (int i = threadIdx.x; i < Tile::size; i += Tile::threads) {
    s.row_at[i] = (row % r + i) / r * (r == 1 ? Tile::size : plan.side);
    s.col_at[i] = (col % r + i) / r;
  }
  __syncthreads();

  int turn = 0;
  R total[Tile::elements] = {}, sum[Tile::elements];
  for (int l = 0; l < layers.count; ++l) {
    const LayerFactors<R>& layer = layers.layer[l];
    if (layer.d.rows == 0) continue;
    if (r == 1) {
      tile_product<Tile>(s.stages, turn, layer.a, row, col, sum);
      NATGRAD_UNROLL
      for (int e = 0; e < Tile::elements; ++e) input_of<Tile>(s, e) = sum[e] + (layer.bias ? R(1) : R(0));
    } else {
      sample_products(s, layer);
    }
    // After its barriers the products of the inputs, too, are there.
    tile_product<Tile>(s.stages, turn, layer.d, row, col, sum);
    NATGRAD_UNROLL
    for (int e = 0; e < Tile::elements; ++e) total[e] += input_of<Tile>(s, e) * sum[e];
  }

  NATGRAD_UNROLL
  for (int e = 0; e < Tile::elements; ++e) {
    const int i = row + Tile::row(e), j = col + Tile::col(e);
    if (i < j || i >= k.rows) continue;
    R& element = at(k, i, j);
    element = total[e] + (add ? element : R(0));
  }
}

/// With the tiles and the arithmetic of `Tile`. Layers that one launch cannot take are added by the next.
template <class Tile, class R>
void score_gram_by(std::span<const LayerFactors<R>> layers, Index r, MatrixView<R> k, cudaStream_t stream) {
  constexpr std::size_t most = GramLayers<R>::most, shared = sizeof(GramShared<Tile>);
  const auto kernel = score_gram_kernel<Tile, R>;
  allow_shared(kernel, shared);
  const Index squares = (k.rows + gram_square * Tile::size - 1) / (gram_square * Tile::size);
  const auto blocks = grid_of(squares * (squares + 1) / 2 * gram_square * gram_square);
  for (std::size_t begin = 0; begin < layers.size(); begin += most) {
    const auto some = layers.subspan(begin, std::min(most, layers.size() - begin));
    GramLayers<R> now;
    std::copy(some.begin(), some.end(), now.layer);
    now.count = static_cast<int>(some.size());
    launch(kernel, blocks, Tile::threads, shared, stream, now, static_cast<int>(r), begin > 0, k);
  }
}

inline constexpr Index gram_large = 2048;  // rows of K from which tiles of 128 × 128 occupy a large GPU

/// Lower triangle of K ← Σ_l (Ã_lᵀÃ_l) ∘ (D_lᵀD_l); at least one layer, K not empty, anything in it on entry,
/// r rows a sample. With `tensor_cores`, compute capability 8.0 and above only, products of f32 round what
/// they multiply to TF32, but for products of inputs where r > 1; those of f64 lose nothing.
template <class R>
void score_gram(std::span<const LayerFactors<R>> layers, Index r, bool tensor_cores, MatrixView<R> k,
                cudaStream_t stream) {
  if (!tensor_cores) return score_gram_by<CoreTile<R>>(layers, r, k, stream);
  if constexpr (sizeof(R) == sizeof(float))
    if (k.rows >= gram_large) return score_gram_by<TensorTile<R, 128>>(layers, r, k, stream);
  score_gram_by<TensorTile<R, 64>>(layers, r, k, stream);
}

}  // namespace natgrad::kernels
