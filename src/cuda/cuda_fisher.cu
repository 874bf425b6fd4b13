/// Output signals of the score rows and the Fisher operations, CUDA backend.
#include <algorithm>
#include <cmath>

#include "column_dots.cuh"
#include "cuda/cuda_backend.hpp"
#include "exact_signals.cuh"
#include "fill.cuh"
#include "gram.cuh"
#include "input_pairs.cuh"
#include "khatri_rao.cuh"
#include "label_signals.cuh"
#include "operation_shapes.hpp"
#include "residuals.cuh"
#include "row_sums.cuh"
#include "signal_pairs.cuh"
#include "squared_signals.cuh"
#include "unit_blocks.cuh"
#include "unpack_pairs.cuh"
#include "weighted_signals.cuh"

namespace natgrad {
namespace {

constexpr Index gram_tile_rows = 1024;  // of K: bounds the memory beside it

}  // namespace

template <class R>
void CudaBackend<R>::signals(const ScoreSpec& spec, Likelihood likelihood, MatrixView<const R> z,
                             MatrixView<const R> y, MatrixView<R> d) {
  const Index r = shapes::signals(spec, likelihood, z, y, d);
  const R scale = R(1) / std::sqrt(static_cast<R>(z.cols));
  switch (spec.kind) {
    case ScoreKind::exact:
      return kernels::exact_signals(likelihood, z, scale, d, device_.stream());
    case ScoreKind::mc:
      return kernels::drawn_signals(likelihood, z, r, spec.key, scale / std::sqrt(static_cast<R>(r)), d,
                                    device_.stream());
    case ScoreKind::empirical:
      return kernels::empirical_signals(likelihood, z, y, scale, d, device_.stream());
  }
}

template <class R>
void CudaBackend<R>::residuals(const ScoreSpec& spec, Likelihood likelihood, MatrixView<const R> z,
                               MatrixView<const R> y, VectorView<R> u) {
  shapes::residuals(spec, likelihood, z, y, u);
  const R scale = R(1) / std::sqrt(static_cast<R>(z.cols));
  if (spec.kind == ScoreKind::exact) {
    kernels::residuals(likelihood, z, y, scale, u, device_.stream());
  } else {
    kernels::fill(MatrixView<R>{u.data, u.size, 1}, scale, kernels::Part::all, device_.stream());
  }
}

template <class R>
void CudaBackend<R>::khatri_rao(const LayerFactors<R>& layer, MatrixView<R> s) {
  const Index r = shapes::khatri_rao(layer, s);
  kernels::khatri_rao(layer, r, s, device_.stream());
}

template <class R>
void CudaBackend<R>::gram(std::span<const LayerFactors<R>> layers, MatrixView<R> k) {
  const Index r = shapes::gram(layers, k);
  if (k.size() == 0) return;
  if (layers.empty()) return kernels::fill(k, R(0), kernels::Part::lower, device_.stream());
  const Index samples = k.rows / r, tile = std::clamp<Index>(gram_tile_rows / r, 1, samples);
  R* work = workspace<R>(tile * tile * (1 + r * r));
  for (Index j = 0; j < samples; j += tile)
    for (Index i = j; i < samples; i += tile) {
      const Index rows = std::min(tile, samples - i), cols = std::min(tile, samples - j);
      const MatrixView<R> block = k.block(i * r, j * r, rows * r, cols * r);
      const auto part = i == j ? kernels::Part::lower : kernels::Part::all;
      R beta = R(0);  // the first layer finds anything in K
      for (const LayerFactors<R>& layer : layers) {
        gram_tile(layer.slice(i, rows), layer.slice(j, cols), r, beta, part, work, block);
        beta = R(1);
      }
    }
}

// K_ij ← βK_ij + (Ã_iᵀÃ_j) ∘ (D_iᵀD_j)
template <class R>
void CudaBackend<R>::gram_tile(const LayerFactors<R>& x, const LayerFactors<R>& y, Index r, R beta,
                               kernels::Part part, R* work, MatrixView<R> k) {
  const MatrixView<R> a{work, x.a.cols, y.a.cols};
  const MatrixView<R> d{work + a.size(), k.rows, k.cols};
  gemm(Transpose::yes, Transpose::no, R(1), x.a, y.a, R(0), a);
  gemm(Transpose::yes, Transpose::no, R(1), x.d, y.d, R(0), d);
  kernels::gram_tile(MatrixView<const R>(a), MatrixView<const R>(d), r, x.bias, beta, part, k,
                     device_.stream());
}

template <class R>
void CudaBackend<R>::unit_blocks(const LayerFactors<R>& layer, R alpha, R beta, BatchView<R> f) {
  const Index r = shapes::unit_blocks(layer, f);
  const Index samples = layer.a.cols, m = layer.units();
  const MatrixView<R> weights{workspace<R>(samples * m), samples, m};
  kernels::unit_blocks(layer, r, alpha, beta, weights, f, device_.stream());
}

template <class R>
void CudaBackend<R>::input_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y,
                                 MatrixView<R> out) {
  shapes::input_pairs(pairs, x, y, out);
  kernels::input_pairs(pairs, x, y, out, device_.stream());
}

template <class R>
void CudaBackend<R>::signal_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y,
                                  MatrixView<R> out) {
  const Index r = shapes::signal_pairs(pairs, x, y, out);
  kernels::signal_pairs(pairs, x, y, r, out, device_.stream());
}

template <class R>
void CudaBackend<R>::unpack_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y,
                                  MatrixView<const R> q, Index first, R beta, MatrixView<R> f) {
  shapes::unpack_pairs(pairs, x, y, q, first, f);
  kernels::unpack_pairs(pairs, x, y, q, first, beta, f, device_.stream());
}

template <class R>
void CudaBackend<R>::column_dots(MatrixView<const R> d, MatrixView<const R> t, R beta, VectorView<R> w) {
  const Index r = shapes::column_dots(d, t, w);
  kernels::column_dots(d, t, r, beta, w, device_.stream());
}

template <class R>
void CudaBackend<R>::weighted_signals(MatrixView<const R> d, VectorView<const R> w, MatrixView<R> e) {
  const Index r = shapes::weighted_signals(d, w, e);
  kernels::weighted_signals(d, w, r, e, device_.stream());
}

template <class R>
void CudaBackend<R>::squared_signals(MatrixView<const R> d, MatrixView<const R> t, MatrixView<R> e) {
  const Index r = shapes::squared_signals(d, t, e);
  kernels::squared_signals(d, t, r, e, device_.stream());
}

template <class R>
void CudaBackend<R>::row_sums(MatrixView<const R> e, VectorView<R> b) {
  shapes::row_sums(e, b);
  kernels::row_sums(e, b, device_.stream());
}

template class CudaBackend<float>;
template class CudaBackend<double>;

}  // namespace natgrad
