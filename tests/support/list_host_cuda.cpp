/// The CUDA backend's own sources, executed on the host: the libraries' routes, and those of natgrad's
/// kernels.
#include "support/backends.hpp"

namespace natgrad {

std::vector<std::string> backends_under_test() { return {"cuda", "cuda_own"}; }

template <class R>
std::unique_ptr<Backend<R>> make_backend_under_test(const std::string& name) {
  return make_cuda_backend<R>(0, nullptr, cuda_options_under_test(name));
}

template std::unique_ptr<Backend<float>> make_backend_under_test(const std::string&);
template std::unique_ptr<Backend<double>> make_backend_under_test(const std::string&);

}  // namespace natgrad
