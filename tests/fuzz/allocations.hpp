/// What operator new gives out, in programs that link allocations.cpp.
#pragma once

#include <cstddef>

namespace natgrad::fuzz {

/// The most bytes given out at once since its construction, beyond those given out before it. One at a time,
/// in a program of one thread.
class PeakAllocation {
 public:
  PeakAllocation();
  std::size_t bytes() const;
};

}  // namespace natgrad::fuzz
