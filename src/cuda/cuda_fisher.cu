/// Output signals of the score rows and the Fisher operations, CUDA backend.
#include <cmath>

#include "column_dots.cuh"
#include "cuda/cuda_backend.hpp"
#include "exact_signals.cuh"
#include "khatri_rao.cuh"
#include "label_signals.cuh"
#include "row_sums.cuh"
#include "shape_check.hpp"
#include "squared_signals.cuh"
#include "unit_blocks.cuh"
#include "weighted_signals.cuh"

namespace natgrad {

template <class R>
void CudaBackend<R>::signals(const ScoreSpec& spec, Likelihood likelihood, MatrixView<const R> z,
                             MatrixView<const R> y, MatrixView<R> d) {
  const Index outputs = z.rows, samples = z.cols, r = spec.rows_per_sample(likelihood, outputs);
  require_size("signals", "the number of rows of D", d.rows, outputs);
  require_size("signals", "the number of columns of D", d.cols, samples * r);
  const R scale = R(1) / std::sqrt(static_cast<R>(samples));
  switch (spec.kind) {
    case ScoreKind::exact:
      return kernels::exact_signals(likelihood, z, scale, d, device_.stream());
    case ScoreKind::mc:
      return kernels::drawn_signals(likelihood, z, r, spec.key, scale / std::sqrt(static_cast<R>(r)), d,
                                    device_.stream());
    case ScoreKind::empirical:
      require_targets("signals", likelihood, z, y);
      return kernels::empirical_signals(likelihood, z, y, scale, d, device_.stream());
  }
}

template <class R>
void CudaBackend<R>::khatri_rao(MatrixView<const R> a, MatrixView<const R> d, MatrixView<R> s) {
  const Index r = rows_per_sample("khatri_rao", d.cols, a.cols);
  require_size("khatri_rao", "the number of rows of S", s.rows, d.rows * (a.rows + 1));
  require_size("khatri_rao", "the number of columns of S", s.cols, d.cols);
  kernels::khatri_rao(a, d, r, s, device_.stream());
}

template <class R>
void CudaBackend<R>::unit_blocks(MatrixView<const R> a, MatrixView<const R> d, BatchView<R> f) {
  const Index m = d.rows, r = rows_per_sample("unit_blocks", d.cols, a.cols);
  require_size("unit_blocks", "the order of the matrices", f.n, a.rows + 1);
  require_size("unit_blocks", "the number of matrices", f.count, m);
  const MatrixView<R> weights{workspace<R>(a.cols * m), a.cols, m};
  kernels::unit_blocks(a, d, r, weights, f, device_.stream());
}

template <class R>
void CudaBackend<R>::column_dots(MatrixView<const R> d, MatrixView<const R> t, R beta, VectorView<R> w) {
  const Index r = rows_per_sample("column_dots", d.cols, t.cols);
  require_size("column_dots", "the number of rows of T", t.rows, d.rows);
  require_size("column_dots", "the size of w", w.size, d.cols);
  kernels::column_dots(d, t, r, beta, w, device_.stream());
}

template <class R>
void CudaBackend<R>::weighted_signals(MatrixView<const R> d, VectorView<const R> w, MatrixView<R> e) {
  const Index r = rows_per_sample("weighted_signals", d.cols, e.cols);
  require_size("weighted_signals", "the number of rows of E", e.rows, d.rows);
  require_size("weighted_signals", "the number of weights", w.size, d.cols);
  kernels::weighted_signals(d, w, r, e, device_.stream());
}

template <class R>
void CudaBackend<R>::squared_signals(MatrixView<const R> d, MatrixView<const R> t, MatrixView<R> e) {
  const Index r = rows_per_sample("squared_signals", d.cols, t.cols);
  require_size("squared_signals", "the number of rows of T", t.rows, d.rows);
  require_size("squared_signals", "the number of rows of E", e.rows, d.rows);
  require_size("squared_signals", "the number of columns of E", e.cols, t.cols);
  kernels::squared_signals(d, t, r, e, device_.stream());
}

template <class R>
void CudaBackend<R>::row_sums(MatrixView<const R> e, VectorView<R> b) {
  require_size("row_sums", "the size of b", b.size, e.rows);
  kernels::row_sums(e, b, device_.stream());
}

template class CudaBackend<float>;
template class CudaBackend<double>;

}  // namespace natgrad
