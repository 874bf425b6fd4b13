/// The reference, the CPU, and the GPU where there is one: the libraries' routes, and those of natgrad's
/// kernels.
#include <stdexcept>

#include "support/backends.hpp"

namespace natgrad {

std::vector<std::string> backends_under_test() { return {"reference", "cpu", "cuda", "cuda_own"}; }

template <class R>
std::unique_ptr<Backend<R>> make_backend_under_test(const std::string& name) {
  if (name == "reference") return make_reference_backend<R>();
  if (name == "cpu") return make_cpu_backend<R>();
  if (name.starts_with("cuda")) return make_cuda_backend<R>(0, nullptr, cuda_options_under_test(name));
  throw std::invalid_argument("no backend \"" + name + "\" in this test");
}

template std::unique_ptr<Backend<float>> make_backend_under_test(const std::string&);
template std::unique_ptr<Backend<double>> make_backend_under_test(const std::string&);

}  // namespace natgrad
