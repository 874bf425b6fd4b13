/// Output signals of the score rows and the Fisher operations, CUDA backend.
#include <cmath>

#include "column_dots.cuh"
#include "cuda/cuda_backend.hpp"
#include "exact_signals.cuh"
#include "khatri_rao.cuh"
#include "label_signals.cuh"
#include "operation_shapes.hpp"
#include "row_sums.cuh"
#include "squared_signals.cuh"
#include "unit_blocks.cuh"
#include "weighted_signals.cuh"

namespace natgrad {

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
void CudaBackend<R>::khatri_rao(MatrixView<const R> a, MatrixView<const R> d, MatrixView<R> s) {
  const Index r = shapes::khatri_rao(a, d, s);
  kernels::khatri_rao(a, d, r, s, device_.stream());
}

template <class R>
void CudaBackend<R>::unit_blocks(MatrixView<const R> a, MatrixView<const R> d, BatchView<R> f) {
  const Index r = shapes::unit_blocks(a, d, f);
  const Index m = d.rows;
  const MatrixView<R> weights{workspace<R>(a.cols * m), a.cols, m};
  kernels::unit_blocks(a, d, r, weights, f, device_.stream());
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
