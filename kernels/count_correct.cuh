/// out ← the number of samples whose largest z, the first of equals, is at their class; z: C × N, y: 1 × N.
/// One thread a sample; reads CN elements; a count does not depend on the order.
#pragma once

#include "natgrad/device/likelihood.hpp"
#include "reduce.cuh"

namespace natgrad::kernels {

template <class R>
struct IsCorrect {
  MatrixView<const R> z, y;
  __device__ Values<1> operator()(Index n) const {
    Index best = 0;
    for (Index j = 1; j < z.rows; ++j)
      if (at(z, j, n) > at(z, best, n)) best = j;
    return {{best == Categorical::class_of(at(y, 0, n), z.rows) ? 1.0 : 0.0}};
  }
};

template <class R>
void count_correct(MatrixView<const R> z, MatrixView<const R> y, double* out, const Reduction& reduction) {
  reduce<Sum, 1>(IsCorrect<R>{z, y}, z.cols, {{out}}, reduction);
}

}  // namespace natgrad::kernels
