#include "support/reference_backend.hpp"

#include "support/reference_operations.hpp"

namespace natgrad {

template <class R>
std::unique_ptr<Backend<R>> make_reference_backend() {
  return std::make_unique<reference::Operations<R>>();
}

template std::unique_ptr<Backend<float>> make_reference_backend<float>();
template std::unique_ptr<Backend<double>> make_reference_backend<double>();

}  // namespace natgrad
