/// OpenMP loops whose results do not depend on the number of threads.
#pragma once

#include <omp.h>

#include <algorithm>
#include <vector>

#include "natgrad/matrix.hpp"

namespace natgrad {

/// Below this many elementary operations a loop is not worth a second thread.
inline constexpr Index parallel_threshold = Index{1} << 15;

/// body(i) for i = 0 … count−1, each about `work` elementary operations.
template <class Body>
void parallel_for(int threads, Index count, Index work, Body&& body) {
  const bool parallel = threads > 1 && count > 1 && count * work > parallel_threshold;
#pragma omp parallel for schedule(static) num_threads(threads) if (parallel)
  for (Index i = 0; i < count; ++i) body(i);
}

/// Σ term(i) for i = 0 … count−1 in blocks of fixed size, added in order.
template <class Term>
double parallel_sum(int threads, Index count, Index work, std::vector<double>& partial, Term&& term) {
  const Index block = std::max<Index>(1, 4096 / std::max<Index>(1, work));
  const Index blocks = (count + block - 1) / block;
  partial.resize(static_cast<std::size_t>(blocks));
  parallel_for(threads, blocks, block * work, [&](Index b) {
    double sum = 0.0;
    for (Index i = b * block, end = std::min(count, (b + 1) * block); i < end; ++i) sum += term(i);
    partial[static_cast<std::size_t>(b)] = sum;
  });
  double sum = 0.0;
  for (double value : partial) sum += value;
  return sum;
}

}  // namespace natgrad
