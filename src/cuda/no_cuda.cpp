/// Stands in for the CUDA backend where natgrad is built without CUDA.
#include "natgrad/backend.hpp"

namespace natgrad {
namespace {

constexpr const char* problem =
    "natgrad was built without CUDA; to use a GPU install the CUDA toolkit (13.0 or newer) and build again with "
    "nvcc on the PATH, or use --device cpu";

}  // namespace

CudaStatus cuda_status() {
  CudaStatus status;
  status.problem = problem;
  return status;
}

template <class R>
std::unique_ptr<Backend<R>> make_cuda_backend(int, CUstream_st*, const CudaOptions&) {
  throw DeviceError(problem);
}
template std::unique_ptr<Backend<float>> make_cuda_backend(int, CUstream_st*, const CudaOptions&);
template std::unique_ptr<Backend<double>> make_cuda_backend(int, CUstream_st*, const CudaOptions&);

}  // namespace natgrad
