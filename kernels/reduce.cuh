/// Reductions over all elements, to numbers that stay on the device:
///
///     out_k ← factor · ⊕_i term(i)_k,   i = 0 … count−1,   k = 0 … K−1,   ⊕ = + or max
///
/// Two stages: every block reduces its share to one partial result, one block reduces these. f64 throughout.
/// Which thread takes which element, and so the order of the sum, depends on `count` alone: same size, same
/// bits. Bytes moved: what the term reads, and 8K a block.
#pragma once

#include <cmath>

#include "grid.cuh"

namespace natgrad::kernels {

inline constexpr int reduction_threads = 256;
inline constexpr Index reduction_blocks = 1024;                   // at most
inline constexpr Index reduction_doubles = 2 * reduction_blocks;  // of workspace, for K up to 2

/// What a reduction needs from the backend.
struct Reduction {
  double* partials;  // reduction_doubles of device memory
  cudaStream_t stream;
};

struct Sum {
  static __device__ __forceinline__ double identity() { return 0.0; }
  static __device__ __forceinline__ double combine(double a, double b) { return a + b; }
};
/// Ignores NaN.
struct Max {
  static __device__ __forceinline__ double identity() { return -HUGE_VAL; }
  static __device__ __forceinline__ double combine(double a, double b) { return std::fmax(a, b); }
};

/// The K values of one term.
template <int K>
struct Values {
  double value[K];
};

/// Where the results go; `gather` combines them with what is there.
template <int K>
struct Results {
  double* out[K];
  double factor = 1.0;
  bool gather = false;
};

/// ⊕ over the lanes of a full warp, in lane 0.
template <class Combine>
__device__ __forceinline__ double warp_reduce(double mine) {
  for (int offset = 16; offset > 0; offset /= 2)
    mine = Combine::combine(mine, __shfl_down_sync(0xffffffffu, mine, offset));
  return mine;
}

/// One number for every warp of a block.
struct WarpResults {
  double value[reduction_threads / 32];
};

/// ⊕ over a block of reduction_threads, in thread 0.
template <class Combine>
__device__ double block_reduce(double mine, WarpResults& shared) {
  mine = warp_reduce<Combine>(mine);
  __syncthreads();  // the last result may still be being read
  if (threadIdx.x % 32 == 0) shared.value[threadIdx.x / 32] = mine;
  __syncthreads();
  double all = shared.value[0];
  for (int w = 1; w < reduction_threads / 32; ++w) all = Combine::combine(all, shared.value[w]);
  return all;
}

template <class Combine, int K, class Term>
__global__ void reduce_kernel(Term term, Index count, double* partials) {  // partials: K × gridDim.x
  auto& shared = block_shared<WarpResults>();
  double mine[K];
  for (int k = 0; k < K; ++k) mine[k] = Combine::identity();
  for (Index i : grid_stride(count)) {
    const Values<K> values = term(i);
    for (int k = 0; k < K; ++k) mine[k] = Combine::combine(mine[k], values.value[k]);
  }
  for (int k = 0; k < K; ++k) {
    const double all = block_reduce<Combine>(mine[k], shared);
    if (threadIdx.x == 0) partials[blockIdx.x * K + k] = all;
  }
}

template <class Combine, int K>
__global__ void finish_reduce_kernel(const double* partials, int blocks, Results<K> results) {
  auto& shared = block_shared<WarpResults>();
  for (int k = 0; k < K; ++k) {
    double mine = Combine::identity();
    for (int b = threadIdx.x; b < blocks; b += reduction_threads)
      mine = Combine::combine(mine, partials[b * K + k]);
    const double all = results.factor * block_reduce<Combine>(mine, shared);
    if (threadIdx.x == 0) *results.out[k] = results.gather ? Combine::combine(*results.out[k], all) : all;
  }
}

/// `term(i)`, a device function object, returns the Values<K> of element i. No elements: sum 0, maximum −∞.
template <class Combine, int K, class Term>
void reduce(const Term& term, Index count, const Results<K>& results, const Reduction& reduction) {
  static_assert(K * reduction_blocks <= reduction_doubles);
  const Index wanted = (count + reduction_threads - 1) / reduction_threads;
  const auto blocks = static_cast<unsigned>(std::clamp<Index>(wanted, 1, reduction_blocks));
  launch(reduce_kernel<Combine, K, Term>, blocks, reduction_threads, sizeof(WarpResults), reduction.stream,
         term, count, reduction.partials);
  launch(finish_reduce_kernel<Combine, K>, 1, reduction_threads, sizeof(WarpResults), reduction.stream,
         reduction.partials, static_cast<int>(blocks), results);
}

}  // namespace natgrad::kernels
