/// OpenMP loops whose results do not depend on the number of threads.
#pragma once

#include <omp.h>

#include <algorithm>
#include <vector>

#include "natgrad/matrix.hpp"

namespace natgrad {

/// Below this many elementary operations, some 20 µs of one core, a loop is not worth a second thread: where
/// another process has its core, the loop waits for milliseconds.
inline constexpr Index parallel_threshold = Index{1} << 18;

/// No more threads than there are iterations.
inline int team(int threads, Index count) { return static_cast<int>(std::clamp<Index>(count, 1, threads)); }

/// body(i) for i = 0 … count−1, each about `work` elementary operations.
template <class Body>
void parallel_for(int threads, Index count, Index work, Body&& body) {
  const bool parallel = threads > 1 && count > 1 && work > 0 && count > parallel_threshold / work;
#pragma omp parallel for schedule(static) num_threads(team(threads, count)) if (parallel)
  for (Index i = 0; i < count; ++i) body(i);
}

/// body(begin, end) for pieces of 0 … size−1.
template <class Body>
void parallel_blocks(int threads, Index size, Body&& body) {
  constexpr Index block = 8192;
  parallel_for(threads, (size + block - 1) / block, block,
               [&](Index b) { body(b * block, std::min(size, (b + 1) * block)); });
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

/// Σ term(j) over the outputs of a sample. Everything is inlined, so that the loop is vectorised.
template <class Term>
[[gnu::flatten]] double sum_outputs(Index outputs, Term term) {
  double sum = 0.0;
#pragma omp simd reduction(+ : sum)
  for (Index j = 0; j < outputs; ++j) sum += term(j);
  return sum;
}

}  // namespace natgrad
