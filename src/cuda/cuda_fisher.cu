/// Output signals of the score rows and the Fisher operations, CUDA backend.
#include <algorithm>
#include <cmath>

#include "column_dots.cuh"
#include "cuda/cuda_backend.hpp"
#include "exact_signals.cuh"
#include "fill.cuh"
#include "fisher_shapes.hpp"
#include "gram.cuh"
#include "input_pairs.cuh"
#include "khatri_rao.cuh"
#include "label_signals.cuh"
#include "operation_shapes.hpp"
#include "outer_products.cuh"
#include "residuals.cuh"
#include "row_sums.cuh"
#include "score_gram.cuh"
#include "signal_pairs.cuh"
#include "squared_signals.cuh"
#include "unit_blocks.cuh"
#include "unpack_pairs.cuh"
#include "weighted_signals.cuh"

namespace natgrad {
namespace {

constexpr Index gram_tile_rows = 1024;  // of K: bounds the memory beside it

/// What operations that draw nothing read of it: the key is another one in every step.
ScoreSpec without_key(ScoreSpec spec) {
  spec.key = {};
  return spec;
}

/// While it lives, cuBLAS may round the inputs of f32 products to TF32.
class TensorMath {
 public:
  TensorMath(cublasHandle_t blas, bool allowed) : blas_(allowed ? blas : nullptr) {
    if (allowed) check(cublasSetMathMode(blas, CUBLAS_TF32_TENSOR_OP_MATH), "cublasSetMathMode");
  }
  ~TensorMath() {
    if (blas_ != nullptr) cublasSetMathMode(blas_, CUBLAS_DEFAULT_MATH);
  }
  TensorMath(const TensorMath&) = delete;
  TensorMath& operator=(const TensorMath&) = delete;

 private:
  cublasHandle_t blas_;
};

}  // namespace

template <class R>
void CudaBackend<R>::signals(const ScoreSpec& spec, Likelihood likelihood, MatrixView<const R> z,
                             MatrixView<const R> y, MatrixView<R> d) {
  const Index r = shapes::signals(spec, likelihood, z, y, d);
  if (spec.kind == ScoreKind::mc)
    flush();  // other draws every time
  else if (is_withheld<&CudaBackend::signals>(without_key(spec), likelihood, z, y, d))
    return;
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
  if (is_withheld<&CudaBackend::residuals>(without_key(spec), likelihood, z, y, u)) return;
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
  if (is_withheld<&CudaBackend::khatri_rao>(layer, s)) return;
  kernels::khatri_rao(layer, r, s, device_.stream());
}

template <class R>
bool CudaBackend<R>::takes_tensor_cores(Accuracy accuracy) const {
  if (sizeof(R) == sizeof(double)) return has_tensor_cores_;
  return options_.tf32 && accuracy == Accuracy::refined;
}

template <class R>
void CudaBackend<R>::outer_products(std::span<const LayerFactors<R>> layers, R alpha, R beta,
                                    MatrixView<R> rows, MatrixView<R> f, Accuracy accuracy) {
  const auto [samples, r] = shapes::outer_products(layers, rows, f);
  const bool own = routes::is_own(options_.outer_product, f.rows, routes::outer_product_order);
  if (!own || samples * r == 0 || f.rows == 0)
    return Backend<R>::outer_products(layers, alpha, beta, rows, f, accuracy);
  const std::vector<LayerFactors<R>> all(layers.begin(), layers.end());
  if (!is_withheld<&CudaBackend::outer_products_of>(all, alpha, beta, f, accuracy))
    outer_products_of(all, alpha, beta, f, accuracy);
}

template <class R>
void CudaBackend<R>::outer_products_of(const std::vector<LayerFactors<R>>& layers, R alpha, R beta,
                                       MatrixView<R> f, Accuracy accuracy) {
  R* work = workspace<R>(kernels::outer_products_workspace<R>(layers, f));
  kernels::outer_products<R>(layers, layers.front().d.cols / layers.front().a.cols, alpha, beta,
                             takes_tensor_cores(accuracy), f, work, device_.stream());
}

template <class R>
void CudaBackend<R>::gram(std::span<const LayerFactors<R>> layers, MatrixView<R> k, Accuracy accuracy) {
  shapes::gram(layers, k);
  const std::vector<LayerFactors<R>> all(layers.begin(), layers.end());
  if (!is_withheld<&CudaBackend::gram_of>(all, k, accuracy)) gram_of(all, k, accuracy);
}

template <class R>
void CudaBackend<R>::gram_of(const std::vector<LayerFactors<R>>& layers, MatrixView<R> k, Accuracy accuracy) {
  if (k.size() == 0) return;
  if (layers.empty()) return kernels::fill(k, R(0), kernels::Part::lower, device_.stream());
  const Index r = k.rows / layers.front().a.cols;
  if (routes::is_own(options_.gram, k.rows, routes::gram_rows))
    kernels::score_gram<R>(layers, r, takes_tensor_cores(accuracy), k, device_.stream());
  else
    gram_by_library(layers, r, accuracy, k);
}

template <class R>
void CudaBackend<R>::gram_by_library(std::span<const LayerFactors<R>> layers, Index r, Accuracy accuracy,
                                     MatrixView<R> k) {
  const TensorMath math(device_.blas(), sizeof(R) == sizeof(float) && takes_tensor_cores(accuracy));
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
  multiply(Transpose::yes, Transpose::no, R(1), x.a, y.a, R(0), a);
  multiply(Transpose::yes, Transpose::no, R(1), x.d, y.d, R(0), d);
  kernels::gram_tile(MatrixView<const R>(a), MatrixView<const R>(d), r, x.bias, beta, part, k,
                     device_.stream());
}

template <class R>
void CudaBackend<R>::unit_blocks(const LayerFactors<R>& layer, R alpha, R beta, BatchView<R> f) {
  const Index r = shapes::unit_blocks(layer, f);
  if (is_withheld<&CudaBackend::unit_blocks>(layer, alpha, beta, f)) return;
  const Index samples = layer.a.cols, m = layer.units();
  const MatrixView<R> weights{workspace<R>(samples * m), samples, m};
  kernels::unit_blocks(layer, r, alpha, beta, weights, f, device_.stream());
}

template <class R>
void CudaBackend<R>::input_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y,
                                 MatrixView<R> out) {
  shapes::input_pairs(pairs, x, y, out);
  if (is_withheld<&CudaBackend::input_pairs>(pairs, x, y, out)) return;
  kernels::input_pairs(pairs, x, y, out, device_.stream());
}

template <class R>
void CudaBackend<R>::signal_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y,
                                  MatrixView<R> out) {
  const Index r = shapes::signal_pairs(pairs, x, y, out);
  if (is_withheld<&CudaBackend::signal_pairs>(pairs, x, y, out)) return;
  kernels::signal_pairs(pairs, x, y, r, out, device_.stream());
}

template <class R>
void CudaBackend<R>::unpack_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y,
                                  MatrixView<const R> q, Index first, R beta, MatrixView<R> f) {
  shapes::unpack_pairs(pairs, x, y, q, first, f);
  if (is_withheld<&CudaBackend::unpack_pairs>(pairs, x, y, q, first, beta, f)) return;
  kernels::unpack_pairs(pairs, x, y, q, first, beta, f, device_.stream());
}

template <class R>
void CudaBackend<R>::column_dots(MatrixView<const R> d, MatrixView<const R> t, R beta, VectorView<R> w) {
  const Index r = shapes::column_dots(d, t, w);
  if (is_withheld<&CudaBackend::column_dots>(d, t, beta, w)) return;
  kernels::column_dots(d, t, r, beta, w, device_.stream());
}

template <class R>
void CudaBackend<R>::weighted_signals(MatrixView<const R> d, VectorView<const R> w, MatrixView<R> e) {
  const Index r = shapes::weighted_signals(d, w, e);
  if (is_withheld<&CudaBackend::weighted_signals>(d, w, e)) return;
  kernels::weighted_signals(d, w, r, e, device_.stream());
}

template <class R>
void CudaBackend<R>::squared_signals(MatrixView<const R> d, MatrixView<const R> t, MatrixView<R> e) {
  const Index r = shapes::squared_signals(d, t, e);
  if (is_withheld<&CudaBackend::squared_signals>(d, t, e)) return;
  kernels::squared_signals(d, t, r, e, device_.stream());
}

template <class R>
void CudaBackend<R>::row_sums(MatrixView<const R> e, VectorView<R> b) {
  shapes::row_sums(e, b);
  if (is_withheld<&CudaBackend::row_sums>(e, b)) return;
  kernels::row_sums(e, b, device_.stream());
}

template class CudaBackend<float>;
template class CudaBackend<double>;

}  // namespace natgrad
