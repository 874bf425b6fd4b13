/// The CUDA backend's own sources, executed on the host.
#include "support/backends.hpp"

namespace natgrad {

std::vector<std::string> backends_under_test() { return {"cuda"}; }

template <class R>
std::unique_ptr<Backend<R>> make_backend_under_test(const std::string&) {
  return make_cuda_backend<R>();
}

template std::unique_ptr<Backend<float>> make_backend_under_test(const std::string&);
template std::unique_ptr<Backend<double>> make_backend_under_test(const std::string&);

}  // namespace natgrad
