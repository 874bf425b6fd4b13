/// One name for a library's two functions of both precisions.
#pragma once

#include <type_traits>

namespace natgrad {

/// pick<R>(cublasSgemm_64, cublasDgemm_64) is the function for R.
template <class R, class F32, class F64>
constexpr auto pick(F32* f32, F64* f64) {
  if constexpr (std::is_same_v<R, float>) {
    return f32;
  } else {
    return f64;
  }
}

}  // namespace natgrad
