/// The GPUs of this machine, in words.
#pragma once

#include <cuda_runtime.h>

#include <string>

namespace natgrad {

/// Why no GPU is usable, empty where one is. `count` ← the number of GPUs.
std::string find_gpus(int& count);

/// "NVIDIA H200, 139.7 GiB, compute capability 9.0".
std::string describe_gpu(int device);

/// "13.0" of 13000, as the CUDA runtime and the driver count.
std::string cuda_version(int version);

/// What cudaGetDeviceCount's answer means to a person; empty where a GPU is usable.
std::string gpu_problem(cudaError_t status, int count);

}  // namespace natgrad
