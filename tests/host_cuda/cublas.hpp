/// What the files that define cuBLAS share.
#pragma once

#include <cublas_v2.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "host_cuda/blas.hpp"
#include "host_cuda/library.hpp"
#include "host_cuda/tensor_core.hpp"

struct cublasContext {
  cudaStream_t stream = nullptr;
  cublasPointerMode_t pointer_mode = CUBLAS_POINTER_MODE_HOST;
  cublasMath_t math_mode = CUBLAS_DEFAULT_MATH;
  void* workspace = nullptr;  // the user's
  std::size_t workspace_size = 0;
};

namespace host_cuda {

cublasStatus_t cublas_status(cudaError_t status);

/// Throws where a workspace is not aligned to 256 bytes, or not device memory.
void require_workspace(void* workspace, std::size_t bytes);

/// The operation, after which a workspace holds anything (its first KiB: workspaces are large).
std::function<void()> with_workspace(void* workspace, std::size_t bytes, std::function<void()> operation);

/// Queues an operation of cuBLAS.
inline void enqueue_operation(const cublasContext& context, std::function<void()> operation) {
  enqueue_operation(context.stream,
                    with_workspace(context.workspace, context.workspace_size, std::move(operation)));
}

/// Whether the handle's math mode lets f32 products round their operands to TF32.
inline bool allows_tf32(const cublasContext& context) {
  return context.math_mode == CUBLAS_TF32_TENSOR_OP_MATH;
}

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

/// A column-major matrix as a product reads it: in f32 a copy rounded to TF32, where that is allowed.
template <class R>
class Input {
 public:
  Input(const R* data, std::int64_t rows, std::int64_t cols, std::int64_t ld, [[maybe_unused]] bool tf32)
      : data_(data), ld_(ld) {
    if constexpr (std::is_same_v<R, float>) {
      if (!tf32) return;
      ld_ = std::max<std::int64_t>(1, rows);
      for (std::int64_t j = 0; j < cols; ++j)
        std::transform(data + j * ld, data + j * ld + rows, std::back_inserter(rounded_), to_tf32);
    }
  }
  const R* data() const { return rounded_.empty() ? data_ : rounded_.data(); }
  int ld() const { return static_cast<int>(ld_); }

 private:
  const R* data_;
  std::int64_t ld_;
  std::vector<R> rounded_{};
};

}  // namespace host_cuda
