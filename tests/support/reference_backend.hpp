/// The specification of every backend operation, executed: naive loops with long double accumulators over
/// host memory that is poisoned on allocation. Slow, and checked against hand numbers.
#pragma once

#include <memory>

#include "natgrad/backend.hpp"

namespace natgrad {

template <class R>
std::unique_ptr<Backend<R>> make_reference_backend();

}  // namespace natgrad
