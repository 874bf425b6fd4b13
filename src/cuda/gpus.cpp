#include "cuda/gpus.hpp"

#include <cstdio>

#include "cuda/check.hpp"
#include "natgrad/backend.hpp"

namespace natgrad {

std::string cuda_version(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string describe_gpu(int device) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  char memory[32];
  std::snprintf(memory, sizeof memory, "%.1f GiB", static_cast<double>(properties.totalGlobalMem) / 0x1p30);
  return std::string(properties.name) + ", " + memory + ", compute capability " +
         std::to_string(properties.major) + "." + std::to_string(properties.minor);
}

std::string gpu_problem(cudaError_t status, int count) {
  if (status == cudaSuccess && count > 0) return "";
  if (status == cudaErrorInsufficientDriver)
    return "no NVIDIA driver is installed, or it is older than CUDA " + cuda_version(CUDART_VERSION) +
           " needs; install or update it, or use --device cpu";
  if (status == cudaSuccess || status == cudaErrorNoDevice)
    return "no GPU is visible to this process; see what nvidia-smi lists and CUDA_VISIBLE_DEVICES hides, or use --device cpu";
  return std::string("the GPUs cannot be counted: ") + cudaGetErrorName(status) + " (" +
         cudaGetErrorString(status) + "); see what nvidia-smi says, or use --device cpu";
}

std::string find_gpus(int& count) {
  count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  cudaGetLastError();  // asked and answered
  return gpu_problem(status, count);
}

CudaStatus cuda_status() {
  CudaStatus status;
  status.built = true;
  int count = 0, driver = 0, runtime = 0, solver = 0;
  status.problem = find_gpus(count);
  try {
    for (int device = 0; device < count; ++device)
      status.devices.push_back("cuda:" + std::to_string(device) + ": " + describe_gpu(device));
  } catch (const Error& error) {
    status.problem = error.what();
  }
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  check(cusolverGetVersion(&solver), "cusolverGetVersion");
  status.versions = "driver " + (driver == 0 ? "none" : "for CUDA " + cuda_version(driver)) + ", runtime " +
                    cuda_version(runtime) + ", cuSOLVER " + std::to_string(solver / 1000) + "." +
                    std::to_string(solver % 1000 / 100) + "." + std::to_string(solver % 100) +
                    ", built with cuBLAS " + std::to_string(CUBLAS_VER_MAJOR) + "." +
                    std::to_string(CUBLAS_VER_MINOR) + "." + std::to_string(CUBLAS_VER_PATCH);
  return status;
}

}  // namespace natgrad
