/// Sizes and threads of calls into CBLAS and LAPACKE.
#pragma once

#include <cblas.h>
#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "natgrad/matrix.hpp"

namespace natgrad {

/// The libraries take 32-bit sizes.
inline blasint to_blas(Index n) {
  if (n < 0 || n > INT32_MAX)
    throw ShapeError("a dimension is " + std::to_string(n) +
                     ", must be 0 to 2147483647, the most that BLAS takes; try a smaller --batch");
  return static_cast<blasint>(n);
}

/// A leading dimension: the libraries refuse 0 even where there are no rows.
inline blasint leading(Index stride) { return to_blas(std::max<Index>(1, stride)); }

/// The threads worth starting for that many floating-point operations: below about 0.3 ms on one core a team
/// gains little, and waits long for a core that another process has.
inline int useful_threads(int threads, double operations) { return operations < 0x1p25 ? 1 : threads; }

/// Operations in the time that one element of a matrix takes which is read once.
inline constexpr double operations_per_element = 64.0;

/// The threads of the libraries' calls in a scope. Inside a parallel loop a call takes one in any case.
class BlasThreads {
 public:
  explicit BlasThreads(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  BlasThreads(int threads, double operations) : BlasThreads(useful_threads(threads, operations)) {}
  ~BlasThreads() { omp_set_num_threads(before_); }
  BlasThreads(const BlasThreads&) = delete;
  BlasThreads& operator=(const BlasThreads&) = delete;

 private:
  int before_;
};

}  // namespace natgrad
