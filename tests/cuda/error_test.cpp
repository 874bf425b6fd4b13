/// What the CUDA backend says when the device or a library refuses: over host CUDA, where failures can be
/// made.
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "cuda/check.hpp"
#include "cuda/gpus.hpp"
#include "grid.cuh"
#include "host_cuda/host_cuda.hpp"
#include "launch.cuh"
#include "natgrad/backend.hpp"

namespace natgrad {
namespace {

/// The message of the E that `action` must throw.
template <class E, class Action>
std::string message_of(Action action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << "it throws nothing";
  return "";
}

void expect_words(const std::string& message, std::initializer_list<const char*> words) {
  for (const char* word : words)
    EXPECT_NE(message.find(word), std::string::npos) << '"' << word << "\" is not in: " << message;
}

TEST(CudaErrors, StatusesNameTheCallThePlaceTheStatusAndWhatToTry) {
  for (const auto& [status, advice] :
       {std::pair{cudaErrorNoDevice, "--device cpu"},
        std::pair{cudaErrorNoKernelImageForDevice, "CMAKE_CUDA_ARCHITECTURES"},
        std::pair{cudaErrorInvalidValue, "argument"}, std::pair{cudaErrorIllegalAddress, "compute-sanitizer"},
        std::pair{cudaErrorUnknown, "CUDA_LAUNCH_BLOCKING"}})
    expect_words(message_of<DeviceError>([&, s = status] { check(s, "cudaCall"); }),
                 {"cudaCall", "error_test.cpp:", cudaGetErrorName(status), advice});
  expect_words(message_of<DeviceError>([] { check(CUBLAS_STATUS_EXECUTION_FAILED, "cublas gemm"); }),
               {"cublas gemm", "CUBLAS_STATUS_EXECUTION_FAILED"});
}

TEST(CudaErrors, SolverStatusesHaveNames) {
  for (const auto& [status, name] : {std::pair{CUSOLVER_STATUS_NOT_INITIALIZED, "NOT_INITIALIZED"},
                                     std::pair{CUSOLVER_STATUS_INVALID_VALUE, "INVALID_VALUE"},
                                     std::pair{CUSOLVER_STATUS_ARCH_MISMATCH, "ARCH_MISMATCH"},
                                     std::pair{CUSOLVER_STATUS_EXECUTION_FAILED, "EXECUTION_FAILED"},
                                     std::pair{CUSOLVER_STATUS_INTERNAL_ERROR, "INTERNAL_ERROR"},
                                     std::pair{CUSOLVER_STATUS_NOT_SUPPORTED, "NOT_SUPPORTED"},
                                     std::pair{CUSOLVER_STATUS_ZERO_PIVOT, "no known name"}})
    expect_words(message_of<DeviceError>([s = status] { check(s, "cusolver potrf"); }),
                 {"cusolver potrf", name});
}

TEST(CudaErrors, MemoryThatCannotBeHadNamesTheBytesWantedAndFree) {
  const auto backend = make_cuda_backend<float>();
  host_cuda::fail_allocation(1);
  expect_words(message_of<OutOfMemory>([&] { backend->allocate(12345); }), {"12345 bytes wanted", "free"});
  expect_words(message_of<OutOfMemory>([] { check(cudaErrorMemoryAllocation, "cudaMalloc"); }),
               {"bytes are free"});
  expect_words(message_of<OutOfMemory>([] { check(CUSOLVER_STATUS_ALLOC_FAILED, "cusolverDnCreate"); }),
               {"CUSOLVER_STATUS_ALLOC_FAILED", "bytes are free"});
}

TEST(CudaErrors, AGpuThatDoesNotExistIsNamed) {
  expect_words(message_of<DeviceError>([] { make_cuda_backend<float>(7); }), {"cuda:7", "cuda:0"});
}

TEST(CudaErrors, WhyNoGpuIsUsableIsSaidInWords) {
  EXPECT_EQ(gpu_problem(cudaSuccess, 1), "");
  expect_words(gpu_problem(cudaErrorInsufficientDriver, 0), {"driver", "--device cpu"});
  expect_words(gpu_problem(cudaErrorNoDevice, 0), {"CUDA_VISIBLE_DEVICES"});
  expect_words(gpu_problem(cudaErrorInvalidValue, 0), {"cudaErrorInvalidValue"});
}

TEST(CudaErrors, SizesBeyondALibrarysInterfaceAreRefused) {
  EXPECT_EQ(to_int(7, "cusolver potrf", "the order"), 7);
  expect_words(message_of<ShapeError>([] { to_int(Index{1} << 31, "cusolver potrf", "the order"); }),
               {"cusolver potrf", "the order", "2147483648"});
}

TEST(CudaErrors, AGridBeyondWhatALaunchCanHaveIsRefused) {
  constexpr Index most = (Index{1} << 31) - 1;
  EXPECT_EQ(kernels::grid_of(0), 0U);
  EXPECT_EQ(kernels::grid_of(most), most);
  for (const Index blocks : {most + 1, Index{1} << 32, std::numeric_limits<Index>::max()})
    expect_words(message_of<ShapeError>([blocks] { kernels::grid_of(blocks); }),
                 {std::to_string(blocks).c_str(), "2147483647", "--batch"});
}

__global__ void no_operation_kernel() {}

TEST(CudaErrors, ALaunchThatIsRefusedNamesGridAndBlock) {
  expect_words(message_of<DeviceError>([] { launch(no_operation_kernel, 1, 2048, 0, nullptr); }),
               {"kernel", "(2048, 1, 1)"});
  expect_words(message_of<DeviceError>([] { launch(no_operation_kernel, 1, 32, 64 << 10, nullptr); }),
               {"65536"});
  expect_words(message_of<DeviceError>([] { allow_shared(no_operation_kernel, 1 << 20); }), {"1048576"});
  allow_shared(no_operation_kernel, 64 << 10);
  launch(no_operation_kernel, 1, 32, 64 << 10, nullptr);
  launch(no_operation_kernel, dim3(0), 32, 0, nullptr);  // nothing to launch
  EXPECT_EQ(cudaStreamSynchronize(nullptr), cudaSuccess);
}

}  // namespace
}  // namespace natgrad
