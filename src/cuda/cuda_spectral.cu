/// Eigenproblems of the CUDA backend, over cuSOLVER, and what divides by eigenvalues or diagonals.
#include "cuda/cuda_backend.hpp"
#include "damp_factors.cuh"
#include "damped_quotient.cuh"
#include "factor_info.cuh"
#include "operation_shapes.hpp"
#include "precision.hpp"
#include "spectral_solve.cuh"
#include "zero_unless_finite.cuh"

namespace natgrad {

template <class R>
void CudaBackend<R>::eigen(MatrixView<R> a, VectorView<R> w) {
  shapes::eigen(a, w);
  flush();
  if (a.rows == 0) return;
  const char* call = "cusolver syevd";
  const int n = to_int(a.rows, call, "the order"), stride = to_int(a.stride, call, "the stride");
  const auto vectors = CUSOLVER_EIG_MODE_VECTOR;
  const auto lower = CUBLAS_FILL_MODE_LOWER;
  int* info = this->info(1);
  kernels::zero_unless_finite(a, device_.scratch(), device_.reduction());
  int size = 0;  // of the workspace, in elements
  check(pick<R>(cusolverDnSsyevd_bufferSize, cusolverDnDsyevd_bufferSize)(device_.solver(), vectors, lower, n,
                                                                          a.data, stride, w.data, &size),
        "cusolver syevd_bufferSize");
  if (size < 0)
    throw ShapeError(
        std::string(call) + ": the workspace for order " + std::to_string(n) +
        " exceeds the 2147483647 elements of the library's interface; try --solver cholesky with a "
        "--damping above 0, or a --structure of smaller blocks");
  check(pick<R>(cusolverDnSsyevd, cusolverDnDsyevd)(device_.solver(), vectors, lower, n, a.data, stride,
                                                    w.data, workspace<R>(size), size, info),
        call);
  kernels::eigen_info(device_.scratch(), info, device_.scalar(Slot::factor_info), device_.stream());
}

template <class R>
void CudaBackend<R>::spectral_solve(VectorView<const R> w, R cutoff, VectorView<R> c) {
  shapes::same_size("spectral_solve", w, c);
  if (is_withheld<&CudaBackend::spectral_solve>(w, cutoff, c)) return;
  kernels::spectral_solve(w, cutoff, c, device_.scratch(),
                          {device_.scalar(Slot::rank), device_.scalar(Slot::largest_eigenvalue),
                           device_.scalar(Slot::smallest_eigenvalue)},
                          device_.reduction());
}

template <class R>
void CudaBackend<R>::damped_quotient(VectorView<const R> b, VectorView<const R> f, R lambda,
                                     VectorView<R> x) {
  shapes::damped_quotient(b, f, x);
  if (is_withheld<&CudaBackend::damped_quotient>(b, f, lambda, x)) return;
  kernels::damped_quotient(b, f, lambda, x, device_.stream());
}

template <class R>
void CudaBackend<R>::damp_factors(MatrixView<const R> a, MatrixView<const R> g, R gamma, MatrixView<R> out_a,
                                  MatrixView<R> out_g) {
  shapes::damp_factors(a, g, out_a, out_g);
  if (is_withheld<&CudaBackend::damp_factors>(a, g, gamma, out_a, out_g)) return;
  kernels::damp_factors(a, g, gamma, out_a, out_g, device_.scratch(), device_.scalar(Slot::largest_diagonal),
                        device_.reduction());
}

template class CudaBackend<float>;
template class CudaBackend<double>;

}  // namespace natgrad
