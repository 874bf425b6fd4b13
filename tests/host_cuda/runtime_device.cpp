/// CUDA runtime: the one device, and the names of errors.
#include <algorithm>
#include <cstring>
#include <string>

#include "host_cuda/api.hpp"
#include "host_cuda/executor.hpp"
#include "host_cuda/heap.hpp"

using host_cuda::Fault;
using host_cuda::runtime_call;

namespace {

constexpr int multiprocessors = 4;  // few: a cooperative launch fills them with fibres
constexpr int shared_per_block = 48 << 10, max_shared_per_block = host_cuda::Executor::max_shared_bytes;

void check_device(int device) {
  if (device != 0)
    throw Fault(cudaErrorInvalidDevice, "device " + std::to_string(device) + "; there is one, 0");
}

}  // namespace

cudaError_t cudaGetDeviceCount(int* count) {
  return runtime_call(__func__, [=] { *count = 1; });
}

cudaError_t cudaSetDevice(int device) {
  return runtime_call(__func__, [=] { check_device(device); });
}

cudaError_t cudaGetDevice(int* device) {
  return runtime_call(__func__, [=] { *device = 0; });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* prop, int device) {
  return runtime_call(__func__, [=] {
    check_device(device);
    *prop = {};
    std::strcpy(prop->name, "host CUDA (executed on the CPU)");
    prop->totalGlobalMem = host_cuda::heap().capacity();
    prop->major = 9;
    prop->multiProcessorCount = multiprocessors;
    prop->cooperativeLaunch = 1;
    prop->warpSize = 32;
    prop->maxThreadsPerBlock = prop->maxThreadsPerMultiProcessor = 1024;
    std::copy_n(std::initializer_list<int>{1024, 1024, 64}.begin(), 3, prop->maxThreadsDim);
    std::copy_n(std::initializer_list<int>{0x7fffffff, 65535, 65535}.begin(), 3, prop->maxGridSize);
    prop->sharedMemPerBlock = shared_per_block;
    prop->sharedMemPerBlockOptin = prop->sharedMemPerMultiprocessor = max_shared_per_block;
    prop->memoryPoolsSupported = prop->unifiedAddressing = 1;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attr, int device) {
  return runtime_call(__func__, [=] {
    check_device(device);
    switch (attr) {
      case cudaDevAttrMaxThreadsPerMultiProcessor:
        *value = 2048;
        return;
      case cudaDevAttrMaxThreadsPerBlock:
      case cudaDevAttrMaxBlockDimX:
      case cudaDevAttrMaxBlockDimY:
        *value = 1024;
        return;
      case cudaDevAttrMaxBlockDimZ:
        *value = 64;
        return;
      case cudaDevAttrMaxGridDimX:
        *value = 0x7fffffff;
        return;
      case cudaDevAttrMaxGridDimY:
      case cudaDevAttrMaxGridDimZ:
        *value = 65535;
        return;
      case cudaDevAttrMaxSharedMemoryPerBlock:
        *value = shared_per_block;
        return;
      case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = max_shared_per_block;
        return;
      case cudaDevAttrWarpSize:
        *value = 32;
        return;
      case cudaDevAttrComputeCapabilityMajor:
        *value = 9;
        return;
      case cudaDevAttrComputeCapabilityMinor:
        *value = 0;
        return;
      case cudaDevAttrMultiProcessorCount:
        *value = multiprocessors;
        return;
      case cudaDevAttrCooperativeLaunch:
      case cudaDevAttrUnifiedAddressing:
      case cudaDevAttrMemoryPoolsSupported:
        *value = 1;
        return;
      default:
        throw Fault(cudaErrorInvalidValue, "attribute " + std::to_string(attr) + " is not known here");
    }
  });
}

cudaError_t cudaDriverGetVersion(int* driverVersion) {
  return runtime_call(__func__, [=] { *driverVersion = CUDART_VERSION; });
}

cudaError_t cudaRuntimeGetVersion(int* runtimeVersion) {
  return runtime_call(__func__, [=] { *runtimeVersion = CUDART_VERSION; });
}

namespace {

struct ErrorText {
  cudaError_t error;
  const char *name, *text;
};

constexpr ErrorText error_texts[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorCooperativeLaunchTooLarge, "cudaErrorCooperativeLaunchTooLarge",
     "too many blocks in cooperative launch"},
    {cudaErrorIllegalState, "cudaErrorIllegalState",
     "the operation cannot be performed in the present state"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureMerge, "cudaErrorStreamCaptureMerge",
     "operation would result in a merge of separate capture sequences"},
    {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
     "dependency created on uncaptured work in another stream"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
     "operation not permitted on an event last recorded in a capturing stream"},
    {cudaErrorStreamCaptureWrongThread, "cudaErrorStreamCaptureWrongThread",
     "attempt to terminate a thread-local capture sequence from another thread"},
    {cudaErrorGraphExecUpdateFailure, "cudaErrorGraphExecUpdateFailure",
     "the graph update was not performed because it included changes which violated constraints specific to "
     "instantiated graph update"},
};

const ErrorText& error_text(cudaError_t error) {
  static constexpr ErrorText unknown{cudaErrorUnknown, "unrecognized error code", "unrecognized error code"};
  const auto* found = std::ranges::find(error_texts, error, &ErrorText::error);
  return found != std::end(error_texts) ? *found : unknown;
}

}  // namespace

const char* cudaGetErrorName(cudaError_t error) { return error_text(error).name; }
const char* cudaGetErrorString(cudaError_t error) { return error_text(error).text; }
