/// Which of two implementations takes an operation of the CUDA backend: a library's, or a kernel of natgrad.
///
/// `automatic` takes natgrad's where a committed record (bench/records/) shows that it is faster at that
/// size. There is no record of a GPU yet: every threshold is `never`, and the libraries take everything.
#pragma once

#include "natgrad/cuda_options.hpp"
#include "natgrad/matrix.hpp"

namespace natgrad::routes {

inline constexpr Index never = 0;

/// The largest sizes at which natgrad's kernels are the faster ones.
inline constexpr Index gram_rows = never;               // R
inline constexpr Index outer_product_order = never;     // P
inline constexpr Index cholesky_order = never;          // n
inline constexpr Index batched_cholesky_order = never;  // n
inline constexpr Index epilogue_units = never;          // m

/// The smallest order from which a refined solve takes the factorisation in mixed precision, where TF32 is
/// allowed: below it panels wait for each other, and products have nothing to gain.
inline constexpr Index mixed_cholesky_order = 4096;

inline bool is_own(Route route, Index size, Index threshold) {
  return route == Route::own || (route == Route::automatic && size <= threshold && threshold != never);
}

}  // namespace natgrad::routes
