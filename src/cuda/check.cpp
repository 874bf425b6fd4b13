#include "cuda/check.hpp"

#include <limits>
#include <string>

#include "natgrad/error.hpp"

namespace natgrad {
namespace {

std::string position(const std::source_location& where) {
  const std::string path = where.file_name();
  return path.substr(path.find_last_of('/') + 1) + ":" + std::to_string(where.line());
}

const char* name(cusolverStatus_t status) {
  switch (status) {
    case CUSOLVER_STATUS_NOT_INITIALIZED:
      return "CUSOLVER_STATUS_NOT_INITIALIZED";
    case CUSOLVER_STATUS_ALLOC_FAILED:
      return "CUSOLVER_STATUS_ALLOC_FAILED";
    case CUSOLVER_STATUS_INVALID_VALUE:
      return "CUSOLVER_STATUS_INVALID_VALUE";
    case CUSOLVER_STATUS_ARCH_MISMATCH:
      return "CUSOLVER_STATUS_ARCH_MISMATCH";
    case CUSOLVER_STATUS_EXECUTION_FAILED:
      return "CUSOLVER_STATUS_EXECUTION_FAILED";
    case CUSOLVER_STATUS_INTERNAL_ERROR:
      return "CUSOLVER_STATUS_INTERNAL_ERROR";
    case CUSOLVER_STATUS_NOT_SUPPORTED:
      return "CUSOLVER_STATUS_NOT_SUPPORTED";
    default:
      return "a status of no known name";
  }
}

const char* advice(cudaError_t status) {
  switch (status) {
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorInvalidDevice:
    case cudaErrorDevicesUnavailable:
      return "try --device cpu, or see what nvidia-smi lists";
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
      return "rebuild with this GPU's compute capability in CMAKE_CUDA_ARCHITECTURES, or try --device cpu";
    case cudaErrorInvalidValue:
      return "an argument is not what the call allows: look for memory of another device or of the host, or a "
             "view outside its buffer";
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorLaunchFailure:
      return "an operation enqueued earlier failed and the GPU's context is lost: start the program again, under "
             "compute-sanitizer to find the operation";
    default:
      return "the cause may be an operation enqueued earlier: run again with CUDA_LAUNCH_BLOCKING=1 to find it, or try --device cpu";
  }
}

constexpr const char* library_advice =
    "the cause may be an operation enqueued earlier: run again with CUDA_LAUNCH_BLOCKING=1 to find it, or try --device cpu";

std::string free_memory() {
  std::size_t free = 0, total = 0;
  if (cudaMemGetInfo(&free, &total) != cudaSuccess) return "an unknown number of bytes is free";
  return std::to_string(free) + " of " + std::to_string(total) + " bytes are free";
}

[[noreturn]] void fail(const char* call, const std::source_location& where, const std::string& status,
                       bool out_of_memory, const char* what_to_try) {
  const std::string message = std::string(call) + " at " + position(where) + ": " + status + "; ";
  if (out_of_memory)
    throw OutOfMemory(message + free_memory() + "; try a smaller --batch or another structure");
  throw DeviceError(message + what_to_try);
}

}  // namespace

void check(cudaError_t status, const char* call, std::source_location where) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // or the next launch would report this error again
  fail(call, where, std::string(cudaGetErrorName(status)) + " (" + cudaGetErrorString(status) + ")",
       status == cudaErrorMemoryAllocation, advice(status));
}

void check(cublasStatus_t status, const char* call, std::source_location where) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail(call, where, cublasGetStatusName(status), status == CUBLAS_STATUS_ALLOC_FAILED, library_advice);
}

void check(cusolverStatus_t status, const char* call, std::source_location where) {
  if (status == CUSOLVER_STATUS_SUCCESS) return;
  fail(call, where, std::string(name(status)) + " (" + std::to_string(static_cast<int>(status)) + ")",
       status == CUSOLVER_STATUS_ALLOC_FAILED, library_advice);
}

int to_int(Index value, const char* call, const char* what) {
  constexpr Index most = std::numeric_limits<int>::max();
  if (value <= most) return static_cast<int>(value);
  throw ShapeError(std::string(call) + ": " + what + " is " + std::to_string(value) +
                   ", the library's interface allows " + std::to_string(most) +
                   "; try a smaller --batch, or a structure of smaller blocks");
}

}  // namespace natgrad
