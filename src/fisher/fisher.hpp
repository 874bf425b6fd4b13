/// The structures, one file each; `make_fisher` chooses among them.
#pragma once

#include "natgrad/fisher.hpp"

namespace natgrad {

template <class R>
std::unique_ptr<Fisher<R>> make_dense_fisher(Backend<R>& backend, const NetworkShape& shape);

template <class R>
std::unique_ptr<Fisher<R>> make_unit_fisher(Backend<R>& backend, const NetworkShape& shape);

}  // namespace natgrad
