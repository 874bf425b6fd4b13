/// What the files that define cuBLASLt share.
#pragma once

#include <cublasLt.h>

#include <cstdint>
#include <string>

#include "host_cuda/cublas.hpp"

namespace host_cuda {

struct Layout : cublasLtMatrixLayoutOpaque_t {
  cudaDataType type = CUDA_R_32F;
  std::uint64_t rows = 0, cols = 0;
  std::int64_t ld = 0;
};

struct Description : cublasLtMatmulDescOpaque_t {
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cudaDataType scale = CUDA_R_32F;
  cublasPointerMode_t pointer_mode = CUBLAS_POINTER_MODE_HOST;
  cublasOperation_t transa = CUBLAS_OP_N, transb = CUBLAS_OP_N;
  std::uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
  void* aux = nullptr;  ///< for epilogues that are not known here, like its leading dimension
  std::int64_t aux_ld = 0;
};

struct Preference : cublasLtMatmulPreferenceOpaque_t {
  std::uint64_t max_workspace = 0;
};

/// Runs the body of a cuBLASLt function.
template <class Body>
cublasStatus_t lt_call(const char* name, Body body) {
  return library_call(name, cublas_status, body);
}

/// The struct that the library's own code made behind a handle.
template <class Own, class Opaque>
Own& checked(Opaque* handle, const char* name) {
  require(handle != nullptr, std::string(name) + " is null");
  return static_cast<Own&>(*handle);
}

}  // namespace host_cuda
