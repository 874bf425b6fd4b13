/// The Gram matrix of score rows, CPU backend.
///
/// K is had in square tiles. For each layer a tile takes a product of inputs, one of signals and their
/// Hadamard product, which is added to K while all are in cache. One thread at a time has a tile and adds the
/// layers in order, so that the bits do not depend on which thread has which.
#include "cpu/blas.hpp"
#include "cpu/cpu_backend.hpp"
#include "fisher_shapes.hpp"
#include "precision.hpp"

namespace natgrad {
namespace {

// Samples along the side of a tile. Tiles of 256 to 384 rows serve the library best; fewer than four to a
// side would leave threads idle at the end.
Index tile_samples(Index samples, Index r, int threads) {
  const Index order = std::clamp<Index>(samples * r / std::max(4, threads), 128, 384);
  const Index most = std::max<Index>(1, order / r), tiles = (samples + most - 1) / most;
  const Index even = (samples + tiles - 1) / tiles;
  return r == 1 ? (even + 7) / 8 * 8 : even;  // the library's kernels take 8 rows at a time
}

// C ← XᵀY; of a tile on the diagonal, where X = Y, the lower triangle.
template <class R>
void product(bool diagonal, MatrixView<const R> x, MatrixView<const R> y, MatrixView<R> c) {
  if (x.rows == 0) {
    std::fill_n(c.data, c.size(), R(0));
  } else if (diagonal) {
    pick<R>(cblas_ssyrk, cblas_dsyrk)(CblasColMajor, CblasLower, CblasTrans, to_blas(x.cols), to_blas(x.rows),
                                      R(1), x.data, leading(x.stride), R(0), c.data, leading(c.stride));
  } else {
    pick<R>(cblas_sgemm, cblas_dgemm)(CblasColMajor, CblasTrans, CblasNoTrans, to_blas(x.cols),
                                      to_blas(y.cols), to_blas(x.rows), R(1), x.data, leading(x.stride),
                                      y.data, leading(y.stride), R(0), c.data, leading(c.stride));
  }
}

// K ← K + (A + bias) ∘ D in one tile, element (i, j) of A with a block of r × r. `spread`: a column of A,
// every element r times.
template <class R>
void add_hadamard(bool diagonal, Index r, R bias, MatrixView<const R> a, MatrixView<const R> d, R* spread,
                  MatrixView<R> k) {
  for (Index j = 0; j < a.cols; ++j) {
    const R* aj = column(a, j);
    const Index first = diagonal ? j : 0;
    if (r == 1)
      for (Index i = first; i < a.rows; ++i) spread[i] = aj[i] + bias;
    else
      for (Index i = first; i < a.rows; ++i) std::fill_n(spread + i * r, r, aj[i] + bias);
    for (Index c = j * r; c < (j + 1) * r; ++c) {
      const R* dc = column(d, c);
      R* kc = column(k, c);
#pragma omp simd
      for (Index i = diagonal ? c : 0; i < k.rows; ++i) kc[i] += spread[i] * dc[i];
    }
  }
}

// The tile of the rows of samples i … and the columns of samples j ….
template <class R>
void gram_tile(std::span<const LayerFactors<R>> layers, Index r, Index i, Index j, MatrixView<R> k,
               R* memory) {
  const Index rows = k.rows / r, cols = k.cols / r;  // in samples
  const bool diagonal = i == j;
  MatrixView<R> a{memory, rows, cols}, d{memory + a.size(), k.rows, k.cols};
  for (Index c = 0; c < k.cols; ++c)
    std::fill(column(k, c) + (diagonal ? c : 0), column(k, c) + k.rows, R(0));
  for (const LayerFactors<R>& layer : layers) {
    const LayerFactors<R> x = layer.slice(i, rows), y = layer.slice(j, cols);
    product<R>(diagonal, x.a, y.a, a);
    product<R>(diagonal, x.d, y.d, d);
    add_hadamard<R>(diagonal, r, layer.bias ? R(1) : R(0), a, d, d.data + d.size(), k);
  }
}

}  // namespace

template <class R>
void CpuBackend<R>::gram(std::span<const LayerFactors<R>> layers, MatrixView<R> k, Accuracy) {
  const Index r = shapes::gram(layers, k);
  if (k.size() == 0) return;
  const Index samples = k.rows / r;
  double operations = 0.0;
  for (const LayerFactors<R>& layer : layers)
    operations += static_cast<double>(samples * samples) * static_cast<double>(layer.a.rows) +
                  static_cast<double>(k.size()) * static_cast<double>(layer.units());
  const int threads = useful_threads(threads_, operations);
  const Index tile = tile_samples(samples, r, threads), tiles = (samples + tile - 1) / tile;
  const Index per_thread = tile * tile + tile * r * tile * r + tile * r;
  R* memory = workspace(threads * per_thread);
  const BlasThreads one(1);
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
  for (Index t = 0; t < tiles * tiles; ++t) {
    const Index i = t % tiles * tile, j = t / tiles * tile;
    if (i >= j)
      gram_tile(layers, r, i, j,
                k.block(i * r, j * r, std::min(tile, samples - i) * r, std::min(tile, samples - j) * r),
                memory + omp_get_thread_num() * per_thread);
  }
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace natgrad
