/// The Fisher from outer products of score rows that never stand in device memory: lower triangle of
/// F ← αSᵀS + βF, P × P, from the factors A_l: n_l × N, D_l: n_{l+1} × R of all layers, R = N·r; S: R × P,
/// element p = (j, i) of row c: D_jc A_i⌊c/r⌋, of a bias D_jc.
///
/// A block of threads owns a tile of F (128 × 128 in f32, 64 × 64 in f64; of the lower triangle only) and
/// streams the score rows, 8 at a time: a thread forms always the same element p of either the tile's rows or
/// its columns, so that it finds its layer, j and i once; the 8 rows of both operands go to shared memory,
/// where the block multiplies them (chunk_product.cuh). Two chunks take turns, with one barrier each; the
/// factors of the next are loaded into registers before the multiplication of this one.
///
/// FLOPs: R·P·(P + tile) of the products, R·P²/tile of forming their operands. Bytes: F written once (read
/// where β ≠ 0); a factor is loaded for each element formed, 2·R·P²/tile loads that L1 and L2 answer, for at
/// a time only 8 rows of A and D are in use. Not measured yet; by the instructions for sm_90, r = 1, a warp
/// has 512 products among 690 instructions a chunk in f32; of the cycles in which a scheduler issues the
/// chunk of a warp, the tensor cores are busy 64 of 190 in TF32, all in f64. Shared memory 17 KiB, at most
/// 128 registers: two blocks, 16 warps, a multiprocessor.
///
/// Few tiles leave most of a device empty (P = 61: one), hence the rows are cut into parts, whose sums go to
/// a workspace and are added by a second kernel: see RowParts. A sum goes through a part's rows in order, and
/// through the parts in order: the bits depend on the sizes alone.
///
/// Beside khatri_rao.cuh and a library's syrk: those write S (P·R elements, or as many rows as there is room
/// for) and read it again, in L + 1 launches a chunk, and leave one tile to one multiprocessor however many
/// the rows. Which is faster at which size a GPU's record must tell: src/cuda/routes.hpp.
#pragma once

#include <span>
#include <vector>

#include "chunk_product.cuh"
#include "grid.cuh"
#include "natgrad/backend.hpp"
#include "natgrad/device/macros.hpp"

namespace natgrad::kernels {

/// What a kernel gets by value: two groups must fit into 4 KiB of parameters.
inline constexpr int most_group_layers = 24;

/// Layers one after the other in θ.
template <class R>
struct LayerGroup {
  LayerFactors<R> layers[most_group_layers];
  int count = 0;
  Index parameters = 0;
};

/// ã behind the last element of a.
template <class R>
__device__ constexpr R bias_input = R(1);

/// Element p of every score row: δ_j a_i, or δ_j alone.
template <class R>
struct ScoreElement {
  const R *a, *d;  // in the first sample, in the first row
  Index a_stride, d_stride;
};

/// p < group.parameters.
template <class R>
__device__ __forceinline__ ScoreElement<R> score_element(const LayerGroup<R>& group, Index p) {
  int l = 0;
  Index weights = 0;
  for (;; ++l) {
    const LayerFactors<R>& layer = group.layers[l];
    weights = layer.a.rows * layer.d.rows;
    const Index parameters = weights + (layer.bias ? layer.d.rows : 0);
    if (p < parameters) break;
    p -= parameters;
  }
  const MatrixView<const R>&a = group.layers[l].a, &d = group.layers[l].d;
  if (p >= weights) return {&bias_input<R>, d.data + (p - weights), 0, d.stride};
  const auto [i, j] = cell(p, a.rows);
  return {a.data + i, d.data + j, a.stride, d.stride};
}

/// Two chunks of each operand: one is multiplied while the next is written.
template <class R>
struct OuterTile {
  ProductChunk<R> chunks[2][2];  // [turn][rows or columns of the tile]
};

/// A thread's part of expanding chunks: always the same element, in every `step`-th score row. What it loads
/// waits in registers while the chunk before is multiplied.
template <class Product, class R>
struct Expansion {
  static constexpr int places = 2 * product_tile<R>;  // elements of a score row that the tile wants
  static constexpr int step = product_threads / places, share = product_chunk / step;

  ScoreElement<R> next;    // in the row to be loaded next
  Index rest, per_sample;  // rows of that row's sample, with it and behind it; of every sample
  R a_values[share], d_values[share];

  __device__ __forceinline__ static int first() { return step == 1 ? 0 : threadIdx.x / places; }
  __device__ __forceinline__ static int operand() { return threadIdx.x % places / product_tile<R>; }
  __device__ __forceinline__ static int place() { return threadIdx.x % product_tile<R>; }

  /// Of the tile at (row, col), beginning at score row `begin`. Places behind the last element take the last
  /// once more; their sums are not stored.
  __device__ __forceinline__ Expansion(const LayerGroup<R>& rows, const LayerGroup<R>& cols, Index row,
                                       Index col, Index begin, Index r)
      : per_sample(r) {
    const LayerGroup<R>& group = operand() == 0 ? rows : cols;
    const Index p = (operand() == 0 ? row : col) + place(), last = group.parameters - 1, c = begin + first();
    next = score_element(group, p < last ? p : last);
    const auto [k, n] = cell(c, r);
    next.a += n * next.a_stride;
    next.d += c * next.d_stride;
    rest = r - k;
  }

  /// The next chunk, of which `left` rows are there; the others are 0.
  __device__ __forceinline__ void load(Index left) {
    const int rows = left < product_chunk ? static_cast<int>(left) : product_chunk;
    if (per_sample == 1)
      load_rows<true>(rows);
    else
      load_rows<false>(rows);
  }

  template <bool one_a_sample>
  __device__ __forceinline__ void load_rows(int rows) {
    NATGRAD_UNROLL
    for (int s = 0; s < share; ++s) {
      a_values[s] = d_values[s] = R(0);
      if (first() + s * step >= rows) continue;
      a_values[s] = *next.a;
      d_values[s] = *next.d;
      NATGRAD_UNROLL
      for (int t = 0; t < step; ++t) {
        next.d += next.d_stride;
        if (!one_a_sample && --rest > 0) continue;
        next.a += next.a_stride;
        rest = per_sample;
      }
    }
  }

  __device__ __forceinline__ void store(ProductChunk<R> (&chunks)[2]) const {
    NATGRAD_UNROLL
    for (int s = 0; s < share; ++s)
      chunks[operand()].at[first() + s * step][place()] = Product::rounded(a_values[s] * d_values[s]);
  }
};

/// x ← y + βx.
template <class R>
__device__ __forceinline__ void blend(R& x, R beta, R y) {
  x = y + (beta == R(0) ? R(0) : beta * x);
}

/// The tile of F at (row, col) ← α·sums + βF.
template <class Product, class R>
__device__ __forceinline__ void store_tile(const Product& product, Index row, Index col, Part part, R alpha,
                                           R beta, MatrixView<R> f) {
  constexpr int tile = product_tile<R>;
  // Within the tile in 32 bits: the sums leave few registers.
  const int rows = f.rows - row < tile ? static_cast<int>(f.rows - row) : tile;
  const int cols = f.cols - col < tile ? static_cast<int>(f.cols - col) : tile;
  const int above = part == Part::lower && row == col ? 0 : tile;  // diagonals above the tile's own
  R* corner = &at(f, row, col);
  product.for_each([&](int i, int j, R sum) {
    if (i < rows && j < cols && j <= i + above) blend(corner[i + j * f.stride], beta, alpha * sum);
  });
}

/// F ← αSᵀS' + βF over the rows of part blockIdx.y, which go to the matrix at that many times `next_part`;
/// S has the elements of the one group, S' those of the other. One block of threads per tile.
template <class Product, class R>
__global__ void __launch_bounds__(product_threads, 2)
    outer_products_kernel(LayerGroup<R> rows, LayerGroup<R> cols, Index r, Index count, Index part_rows,
                          Part part, R alpha, R beta, MatrixView<R> f, Index next_part) {
  constexpr int tile = product_tile<R>;
  auto& s = block_shared<OuterTile<R>>();
  const Cell corner =
      part == Part::lower ? lower_cell(blockIdx.x) : cell(blockIdx.x, (f.rows + tile - 1) / tile);
  const Index row = corner.row * tile, col = corner.col * tile, begin = blockIdx.y * part_rows;
  Index left = count - begin < part_rows ? count - begin : part_rows;

  Expansion<Product, R> mine(rows, cols, row, col, begin, r);
  mine.load(left);
  Product product;
  for (int turn = 0; left > 0; turn ^= 1) {
    mine.store(s.chunks[turn]);
    __syncthreads();  // all have multiplied the other turn's chunks before anyone writes them again
    left -= product_chunk;
    mine.load(left);
    product.multiply(s.chunks[turn][0], s.chunks[turn][1]);
  }

  f.data += blockIdx.y * next_part;
  store_tile(product, row, col, part, alpha, beta, f);
}

/// F ← αΣ_k partial_k + βF.
template <class R>
__global__ void sum_parts_kernel(const R* partial, Index parts, Part part, R alpha, R beta, MatrixView<R> f,
                                 Index count) {
  for (Index e : grid_stride(count)) {
    const auto [i, j] = cell(e, f.rows);
    if (!is_in(part, i, j)) continue;
    R sum = R(0);
    for (Index k = 0; k < parts; ++k) sum += partial[k * count + e];
    blend(at(f, i, j), beta, alpha * sum);
  }
}

/// How the score rows are cut into parts: so that there are about `most_blocks` blocks of threads, but no
/// part of fewer than `least_rows` rows. A function of the sizes alone, and so is the order of the sums.
struct RowParts {
  static constexpr Index most_blocks = 512, least_rows = 128;
  Index tiles, rows, count;  // tiles of the matrix, rows of a part, parts

  template <class R>
  RowParts(Part part, MatrixView<R> f, Index all) {
    constexpr Index tile = product_tile<R>;
    const Index down = (f.rows + tile - 1) / tile, across = (f.cols + tile - 1) / tile;
    tiles = part == Part::lower ? down * (down + 1) / 2 : down * across;
    const Index wanted = std::min(most_blocks / std::max<Index>(1, tiles), all / least_rows);
    const Index chunks = (all + product_chunk - 1) / product_chunk;
    rows = (chunks + std::max<Index>(1, wanted) - 1) / std::max<Index>(1, wanted) * product_chunk;
    count = (all + rows - 1) / rows;
  }
};

template <class R>
std::vector<LayerGroup<R>> layer_groups(std::span<const LayerFactors<R>> layers) {
  std::vector<LayerGroup<R>> groups;
  for (const LayerFactors<R>& layer : layers) {
    if (groups.empty() || groups.back().count == most_group_layers) groups.emplace_back();
    LayerGroup<R>& group = groups.back();
    group.layers[group.count++] = layer;
    group.parameters += layer.parameters();
  }
  return groups;
}

/// body(rows, cols, block of F, part) for every block of F that two groups of layers make up.
template <class R, class Body>
void for_each_block(std::span<const LayerFactors<R>> layers, MatrixView<R> f, Body body) {
  const auto groups = layer_groups(layers);
  Index row = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    Index col = 0;
    for (std::size_t j = 0; j <= i; ++j) {
      body(groups[i], groups[j], f.block(row, col, groups[i].parameters, groups[j].parameters),
           i == j ? Part::lower : Part::all);
      col += groups[j].parameters;
    }
    row += groups[i].parameters;
  }
}

template <class Product, class R>
void outer_products_block(const LayerGroup<R>& rows, const LayerGroup<R>& cols, Index r, Part part, R alpha,
                          R beta, MatrixView<R> f, R* workspace, cudaStream_t stream) {
  const Index all = rows.layers[0].d.cols;
  const RowParts parts(part, f, all);
  const bool whole = parts.count == 1;
  const MatrixView<R> to = whole ? f : MatrixView<R>(workspace, f.rows, f.cols);
  launch(outer_products_kernel<Product, R>, {grid_of(parts.tiles), grid_of(parts.count)}, product_threads,
         sizeof(OuterTile<R>), stream, rows, cols, r, all, parts.rows, part, whole ? alpha : R(1),
         whole ? beta : R(0), to, f.size());
  if (!whole)
    launch(sum_parts_kernel<R>, blocks_for(f.size()), element_threads, 0, stream, workspace, parts.count,
           part, alpha, beta, f, f.size());
}

/// Elements of workspace that outer_products needs: at most 2²⁴ (f32), 2²² (f64), for parts · tiles is
/// bounded.
template <class R>
Index outer_products_workspace(std::span<const LayerFactors<R>> layers, MatrixView<R> f) {
  Index elements = 0;
  for_each_block(layers, f, [&](const auto& rows, const auto&, MatrixView<R> block, Part part) {
    const Index parts = RowParts(part, block, rows.layers[0].d.cols).count;
    if (parts > 1) elements = std::max(elements, parts * block.size());
  });
  return elements;
}

/// Lower triangle of F ← αSᵀS + βF; at least one layer and one score row. `tensor_cores`: f32 rounds the
/// score rows to TF32, f64 loses nothing; compute capability 8.0 and above.
template <class R>
void outer_products(std::span<const LayerFactors<R>> layers, Index r, R alpha, R beta, bool tensor_cores,
                    MatrixView<R> f, R* workspace, cudaStream_t stream) {
  for_each_block(layers, f, [&](const auto& rows, const auto& cols, MatrixView<R> block, Part part) {
    const auto run =
        tensor_cores ? outer_products_block<TensorProduct<R>, R> : outer_products_block<SimtProduct<R>, R>;
    run(rows, cols, r, part, alpha, beta, block, workspace, stream);
  });
}

}  // namespace natgrad::kernels
