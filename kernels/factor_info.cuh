/// Whether a factorisation holds, folded into one number, which keeps the first failure over many calls: 0
/// where everything holds so far, k > 0 where one failed at minor k, −1 where one is not finite.
///
/// cholesky_info looks at the library's info and at the diagonal of each of `count` factors of order n, for
/// an info of 0 proves nothing: a NaN anywhere in row i of L makes L_ii a NaN. The first matrix that fails
/// decides. Reads n·count elements; a maximum does not depend on the order.
#pragma once

#include "reduce.cuh"

namespace natgrad::kernels {

/// −k where matrix k has failed, else −∞: the largest is the first that fails.
template <class R>
struct FailedFactor {
  BatchView<const R> l;
  const int* info;
  __device__ Values<1> operator()(Index e) const {
    const auto [i, k] = cell(e, l.n);
    const R pivot = at(l, i, e);
    const bool holds = info[k] == 0 && pivot > R(0) && pivot < R(HUGE_VAL);
    return {{holds ? Max::identity() : -static_cast<double>(k)}};
  }
};

/// Keeps the first failure: `failed` says whether there is another, of which the library said `info`.
__device__ __forceinline__ void record_failure(bool failed, int info, double* out) {
  if (failed && *out == 0.0) *out = info > 0 ? info : -1.0;
}

static __global__ void cholesky_info_kernel(const double* first_failed, const int* info, double* out) {
  const bool failed = *first_failed != Max::identity();
  record_failure(failed, failed ? info[static_cast<Index>(-*first_failed)] : 0, out);
}

/// `l` holds at least one element; `scratch`: one double of device memory.
template <class R>
void cholesky_info(BatchView<const R> l, const int* info, double* scratch, double* out,
                   const Reduction& reduction) {
  reduce<Max, 1>(FailedFactor<R>{l, info}, l.n * l.count, {{scratch}}, reduction);
  launch(cholesky_info_kernel, 1, 1, 0, reduction.stream, scratch, info, out);
}

static __global__ void eigen_info_kernel(const double* not_finite, const int* info, double* out) {
  const bool finite = *not_finite == 0.0;
  record_failure(!finite || *info != 0, finite ? *info : -1, out);
}

/// `not_finite`: as zero_unless_finite left it.
inline void eigen_info(const double* not_finite, const int* info, double* out, cudaStream_t stream) {
  launch(eigen_info_kernel, 1, 1, 0, stream, not_finite, info, out);
}

}  // namespace natgrad::kernels
