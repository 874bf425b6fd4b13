/// c_i ← c_i / w_i where w_i > cutoff · max w, else 0; rank ← rank + the number kept; largest ← its maximum
/// with max w, smallest ← its minimum with the w_i kept, where a number of 0 is empty; w, c: n. Reads 4n,
/// writes n elements; neither maximum, minimum nor count depends on the order.
#pragma once

#include "reduce.cuh"

namespace natgrad::kernels {

template <class R>
struct Eigenvalue {
  const R* w;
  __device__ Values<1> operator()(Index i) const { return {{w[i]}}; }
};

/// Which eigenvalues are kept.
template <class R>
struct Kept {
  const R* w;
  const double* largest;
  R cutoff;
  __device__ bool operator()(Index i) const { return w[i] > cutoff * static_cast<R>(*largest); }
};

/// −w_i where it is kept.
template <class R>
struct NegatedEigenvalue {
  Kept<R> kept;
  __device__ Values<1> operator()(Index i) const {
    return {{kept(i) ? -static_cast<double>(kept.w[i]) : Max::identity()}};
  }
};

/// Solves for component i and returns 1 where it is kept.
template <class R>
struct SolvedComponent {
  Kept<R> kept;
  R* c;
  __device__ Values<1> operator()(Index i) const {
    const bool is_kept = kept(i);
    c[i] = is_kept ? c[i] / kept.w[i] : R(0);
    return {{is_kept ? 1.0 : 0.0}};
  }
};

/// The numbers that spectral solves gather.
struct Spectrum {
  double *rank, *largest, *smallest;
};

/// extremes: max w and −min of those kept; Max::identity() where there is none. One thread.
static __global__ void gather_spectrum_kernel(const double* extremes, Spectrum spectrum) {
  const double largest = extremes[0], smallest = -extremes[1];
  double &all_largest = *spectrum.largest, &all_smallest = *spectrum.smallest;
  if (largest > Max::identity() && (all_largest == 0.0 || largest > all_largest)) all_largest = largest;
  if (smallest < HUGE_VAL && (all_smallest == 0.0 || smallest < all_smallest)) all_smallest = smallest;
}

/// `scratch`: two doubles of device memory.
template <class R>
void spectral_solve(VectorView<const R> w, R cutoff, VectorView<R> c, double* scratch,
                    const Spectrum& spectrum, const Reduction& reduction) {
  reduce<Max, 1>(Eigenvalue<R>{w.data}, w.size, {{scratch}}, reduction);
  const Kept<R> kept{w.data, scratch, cutoff};
  reduce<Max, 1>(NegatedEigenvalue<R>{kept}, w.size, {{scratch + 1}}, reduction);
  launch(gather_spectrum_kernel, 1, 1, 0, reduction.stream, scratch, spectrum);
  reduce<Sum, 1>(SolvedComponent<R>{kept, c.data}, w.size, {{spectrum.rank}, /*factor=*/1.0, /*gather=*/true},
                 reduction);
}

}  // namespace natgrad::kernels
