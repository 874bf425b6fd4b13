/// out_a ← A + πγI, out_g ← G + γ/π I with π² = (tr A / n)/(tr G / m), π = 1 where a trace is 0 (Martens &
/// Grosse 2015, section 6.3), and largest ← max(largest, every diagonal element of A and G);
/// A, out_a: n × n, G, out_g: m × m, lower triangles only, any strides.
/// Reads and writes (n² + m²)/2 elements. The traces are summed in f64, in an order fixed by max(n, m)
/// (reduce.cuh); every other element by one thread.
#pragma once

#include "reduce.cuh"

namespace natgrad::kernels {

/// Element i of both diagonals; `outside` where a matrix has none.
template <class R>
struct TwoDiagonals {
  MatrixView<const R> a, g;
  double outside;
  __device__ Values<2> operator()(Index i) const {
    return {{i < a.rows ? static_cast<double>(at(a, i, i)) : outside,
             i < g.rows ? static_cast<double>(at(g, i, i)) : outside}};
  }
};

/// shifts: tr A, tr G on entry, πγ, γ/π on return. One thread.
static __global__ void factor_shifts_kernel(double* shifts, double a_order, double g_order, double gamma) {
  const double a_trace = shifts[0], g_trace = shifts[1];
  const double pi =
      a_trace == 0.0 || g_trace == 0.0 ? 1.0 : std::sqrt((a_trace / a_order) / (g_trace / g_order));
  shifts[0] = pi * gamma;
  shifts[1] = gamma / pi;
}

template <class R>
__global__ void damp_factor_kernel(MatrixView<const R> f, const double* shift, MatrixView<R> out,
                                   Index count) {
  for (Index e : grid_stride(count)) {
    const auto [row, col] = cell(e, f.rows);
    if (row < col) continue;
    const R value = at(f, row, col);
    at(out, row, col) = row == col ? value + static_cast<R>(*shift) : value;
  }
}

/// `shifts`: two doubles of device memory.
template <class R>
void damp_factors(MatrixView<const R> a, MatrixView<const R> g, R gamma, MatrixView<R> out_a,
                  MatrixView<R> out_g, double* shifts, double* largest, const Reduction& reduction) {
  const Index diagonal = std::max(a.rows, g.rows);
  reduce<Max, 2>(TwoDiagonals<R>{a, g, -HUGE_VAL}, diagonal,
                 {{largest, largest}, /*factor=*/1.0, /*gather=*/true}, reduction);
  reduce<Sum, 2>(TwoDiagonals<R>{a, g, 0.0}, diagonal, {{shifts, shifts + 1}}, reduction);
  const cudaStream_t stream = reduction.stream;
  launch(factor_shifts_kernel, 1, 1, 0, stream, shifts, static_cast<double>(a.rows),
         static_cast<double>(g.rows), static_cast<double>(gamma));
  launch(damp_factor_kernel<R>, blocks_for(a.size()), element_threads, 0, stream, a, shifts, out_a, a.size());
  launch(damp_factor_kernel<R>, blocks_for(g.size()), element_threads, 0, stream, g, shifts + 1, out_g,
         g.size());
}

}  // namespace natgrad::kernels
