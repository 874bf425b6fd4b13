/// cuBLAS: handles and statuses.
#include <cstdint>
#include <cstring>

#include "host_cuda/cublas.hpp"

using host_cuda::cublas_call;
using host_cuda::require;

namespace host_cuda {

cublasStatus_t cublas_status(cudaError_t status) {
  switch (status) {
    case cudaSuccess:
      return CUBLAS_STATUS_SUCCESS;
    case cudaErrorInvalidValue:
      return CUBLAS_STATUS_INVALID_VALUE;
    case cudaErrorInvalidResourceHandle:
      return CUBLAS_STATUS_NOT_INITIALIZED;
    case cudaErrorNotSupported:
      return CUBLAS_STATUS_NOT_SUPPORTED;
    case cudaErrorMemoryAllocation:
      return CUBLAS_STATUS_ALLOC_FAILED;
    default:
      return CUBLAS_STATUS_EXECUTION_FAILED;
  }
}

void require_workspace(void* workspace, std::size_t bytes) {
  constexpr std::uintptr_t alignment = 256;
  require(reinterpret_cast<std::uintptr_t>(workspace) % alignment == 0,
          "the workspace is not aligned to " + std::to_string(alignment) + " bytes");
  require_operand(workspace, static_cast<std::int64_t>(bytes), "the workspace");
}

std::function<void()> with_workspace(void* workspace, std::size_t bytes, std::function<void()> operation) {
  if (bytes == 0) return operation;
  require_workspace(workspace, bytes);
  return [=, operation = std::move(operation)] {
    std::memset(workspace, 0xFF, std::min<std::size_t>(bytes, 1024));
    operation();
  };
}

}  // namespace host_cuda

cublasStatus_t cublasCreate(cublasHandle_t* handle) {
  return host_cuda::library_call(__func__, host_cuda::cublas_status, [=] {
    host_cuda::require_memory();
    *handle = new cublasContext;
  });
}

cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  return cublas_call(__func__, handle, [](cublasContext& context) { delete &context; });
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t streamId) {
  return cublas_call(__func__, handle, [=](cublasContext& context) {
    host_cuda::is_idle(streamId);  // refuses a stream that is not there
    context.stream = streamId;
    context.workspace_size = 0;  // as the original does: back to its own
  });
}

cublasStatus_t cublasGetStream(cublasHandle_t handle, cudaStream_t* streamId) {
  return cublas_call(__func__, handle, [=](cublasContext& context) { *streamId = context.stream; });
}

cublasStatus_t cublasSetPointerMode(cublasHandle_t handle, cublasPointerMode_t mode) {
  return cublas_call(__func__, handle, [=](cublasContext& context) {
    require(mode == CUBLAS_POINTER_MODE_HOST || mode == CUBLAS_POINTER_MODE_DEVICE, "no such pointer mode");
    context.pointer_mode = mode;
  });
}

cublasStatus_t cublasGetPointerMode(cublasHandle_t handle, cublasPointerMode_t* mode) {
  return cublas_call(__func__, handle, [=](cublasContext& context) { *mode = context.pointer_mode; });
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  return cublas_call(__func__, handle, [=](cublasContext& context) {
    if (mode != CUBLAS_DEFAULT_MATH && mode != CUBLAS_PEDANTIC_MATH && mode != CUBLAS_TF32_TENSOR_OP_MATH)
      throw host_cuda::Fault(cudaErrorNotSupported,
                             "math mode " + std::to_string(mode) + " is not known here");
    context.math_mode = mode;
  });
}

cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* mode) {
  return cublas_call(__func__, handle, [=](cublasContext& context) { *mode = context.math_mode; });
}

// Whether the order of sums is fixed: CBLAS is as ordered as any mode asks.
cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t mode) {
  return cublas_call(__func__, handle, [=](cublasContext&) {
    require(mode == CUBLAS_ATOMICS_NOT_ALLOWED || mode == CUBLAS_ATOMICS_ALLOWED, "no such atomics mode");
  });
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace, std::size_t workspaceSizeInBytes) {
  return cublas_call(__func__, handle, [=](cublasContext& context) {
    host_cuda::require_workspace(workspace, workspaceSizeInBytes);
    context.workspace = workspace;
    context.workspace_size = workspaceSizeInBytes;
  });
}

cublasStatus_t cublasGetVersion(cublasHandle_t, int* version) {
  *version = CUBLAS_VERSION;
  return CUBLAS_STATUS_SUCCESS;
}

const char* cublasGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
      return "unknown cuBLAS status";
  }
}

const char* cublasGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "success";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "the library was not initialized";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "the resource allocation failed";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "an unsupported value or parameter was passed to the function";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "the function failed to launch on the GPU";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "the requested functionality is not supported";
    default:
      return "unknown cuBLAS status";
  }
}
