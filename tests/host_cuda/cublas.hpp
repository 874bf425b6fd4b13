/// What the files that define cuBLAS share.
#pragma once

#include <cublas_v2.h>

#include <string>

#include "host_cuda/blas.hpp"
#include "host_cuda/library.hpp"

struct cublasContext {
  cudaStream_t stream = nullptr;
  cublasPointerMode_t pointer_mode = CUBLAS_POINTER_MODE_HOST;
};

namespace host_cuda {

cublasStatus_t cublas_status(cudaError_t status);

/// Runs body(context) for the cuBLAS function `name`.
template <class Body>
cublasStatus_t cublas_call(const char* name, cublasHandle_t handle, Body body) {
  return library_call(name, cublas_status, [&] {
    if (handle == nullptr) throw Fault(cudaErrorInvalidResourceHandle, "the handle is null");
    body(*handle);
  });
}

inline CBLAS_TRANSPOSE to_cblas(cublasOperation_t operation) {
  require(operation == CUBLAS_OP_N || operation == CUBLAS_OP_T || operation == CUBLAS_OP_C,
          "no such operation");
  return operation == CUBLAS_OP_N ? CblasNoTrans : CblasTrans;
}

inline CBLAS_UPLO to_cblas(cublasFillMode_t uplo) {
  require(uplo == CUBLAS_FILL_MODE_LOWER || uplo == CUBLAS_FILL_MODE_UPPER, "no such fill mode");
  return uplo == CUBLAS_FILL_MODE_LOWER ? CblasLower : CblasUpper;
}

inline CBLAS_SIDE to_cblas(cublasSideMode_t side) {
  require(side == CUBLAS_SIDE_LEFT || side == CUBLAS_SIDE_RIGHT, "no such side");
  return side == CUBLAS_SIDE_LEFT ? CblasLeft : CblasRight;
}

inline CBLAS_DIAG to_cblas(cublasDiagType_t diag) {
  require(diag == CUBLAS_DIAG_UNIT || diag == CUBLAS_DIAG_NON_UNIT, "no such kind of diagonal");
  return diag == CUBLAS_DIAG_UNIT ? CblasUnit : CblasNonUnit;
}

/// Throws where `pointer` is not in the memory that the handle's pointer mode says.
template <class R>
void require_pointer_mode(const cublasContext& context, const R* pointer, const char* name) {
  require(pointer != nullptr, std::string(name) + " is null");
  const Allocation* found = heap().find(pointer);
  if (context.pointer_mode == CUBLAS_POINTER_MODE_DEVICE)
    heap().require_device_access(pointer, sizeof(R), std::string(name) + ", with pointer mode device");
  else
    require(found == nullptr || found->space == Space::pinned,
            std::string(name) + " is in device memory, with pointer mode host");
}

/// alpha or beta: read at the call in pointer mode host, when the operation runs in pointer mode device.
template <class R>
class Scalar {
 public:
  Scalar(const cublasContext& context, const R* pointer, const char* name) {
    require_pointer_mode(context, pointer, name);
    if (context.pointer_mode == CUBLAS_POINTER_MODE_HOST)
      value_ = *pointer;
    else
      pointer_ = pointer;
  }
  R get() const { return pointer_ != nullptr ? *pointer_ : value_; }
  bool is_known_zero() const { return pointer_ == nullptr && value_ == R(0); }

 private:
  R value_{};
  const R* pointer_ = nullptr;
};

}  // namespace host_cuda
