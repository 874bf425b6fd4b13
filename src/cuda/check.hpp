/// Status checks of the CUDA runtime, cuBLAS and cuSOLVER.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <cusolverDn.h>

#include <source_location>

#include "natgrad/matrix.hpp"

namespace natgrad {

/// Throws OutOfMemory where memory could not be had, DeviceError for any other status than success. The
/// message names the call, the place in the source, the status and what to try.
void check(cudaError_t status, const char* call,
           std::source_location where = std::source_location::current());
void check(cublasStatus_t status, const char* call,
           std::source_location where = std::source_location::current());
void check(cusolverStatus_t status, const char* call,
           std::source_location where = std::source_location::current());

/// `value` for an interface of 32-bit sizes; throws ShapeError where it does not fit.
int to_int(Index value, const char* call, const char* what);

}  // namespace natgrad
