/// RAII owners of what the CUDA libraries hand out.
#pragma once

#include <cublasLt.h>

#include <memory>

#include "cuda/check.hpp"

namespace natgrad {

/// A status of destruction has no one to tell: it is dropped.
template <auto destroy>
struct Destroy {
  template <class T>
  void operator()(T* handle) const noexcept {
    destroy(handle);
  }
};

using StreamHandle = std::unique_ptr<CUstream_st, Destroy<cudaStreamDestroy>>;
using EventHandle = std::unique_ptr<CUevent_st, Destroy<cudaEventDestroy>>;
using GraphHandle = std::unique_ptr<CUgraph_st, Destroy<cudaGraphDestroy>>;
using GraphExecHandle = std::unique_ptr<CUgraphExec_st, Destroy<cudaGraphExecDestroy>>;
using BlasHandle = std::unique_ptr<cublasContext, Destroy<cublasDestroy>>;
using LtHandle = std::unique_ptr<cublasLtContext, Destroy<cublasLtDestroy>>;
using SolverHandle = std::unique_ptr<cusolverDnContext, Destroy<cusolverDnDestroy>>;

/// Page-locked host memory, which the device reads and writes asynchronously.
template <class T>
using Pinned = std::unique_ptr<T, Destroy<cudaFreeHost>>;

inline StreamHandle make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  return StreamHandle(stream);
}

inline EventHandle make_event() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreate(&event), "cudaEventCreate");
  return EventHandle(event);
}

/// cuBLAS on `stream`: scalars from the host, no atomics (same bits every run), f32 in full f32 and never in
/// TF32.
inline BlasHandle make_blas(cudaStream_t stream) {
  cublasHandle_t handle = nullptr;
  check(cublasCreate(&handle), "cublasCreate");
  BlasHandle owner(handle);
  check(cublasSetStream(handle, stream), "cublasSetStream");
  check(cublasSetPointerMode(handle, CUBLAS_POINTER_MODE_HOST), "cublasSetPointerMode");
  check(cublasSetAtomicsMode(handle, CUBLAS_ATOMICS_NOT_ALLOWED), "cublasSetAtomicsMode");
  check(cublasSetMathMode(handle, CUBLAS_DEFAULT_MATH), "cublasSetMathMode");
  return owner;
}

inline LtHandle make_lt() {
  cublasLtHandle_t handle = nullptr;
  check(cublasLtCreate(&handle), "cublasLtCreate");
  return LtHandle(handle);
}

inline SolverHandle make_solver(cudaStream_t stream) {
  cusolverDnHandle_t handle = nullptr;
  check(cusolverDnCreate(&handle), "cusolverDnCreate");
  SolverHandle owner(handle);
  check(cusolverDnSetStream(handle, stream), "cusolverDnSetStream");
  return owner;
}

template <class T>
Pinned<T> make_pinned() {
  void* memory = nullptr;
  check(cudaMallocHost(&memory, sizeof(T)), "cudaMallocHost");
  return Pinned<T>(static_cast<T*>(memory));
}

}  // namespace natgrad
