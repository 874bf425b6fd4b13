# The CUDA backend's sources, as seen from any directory of the build.
set(natgrad_cuda_sources
  ${PROJECT_SOURCE_DIR}/src/cuda/blocked_cholesky.cu
  ${PROJECT_SOURCE_DIR}/src/cuda/check.cpp
  ${PROJECT_SOURCE_DIR}/src/cuda/cuda_backend.cu
  ${PROJECT_SOURCE_DIR}/src/cuda/cuda_device.cu
  ${PROJECT_SOURCE_DIR}/src/cuda/cuda_fisher.cu
  ${PROJECT_SOURCE_DIR}/src/cuda/cuda_linear_algebra.cu
  ${PROJECT_SOURCE_DIR}/src/cuda/cuda_network.cu
  ${PROJECT_SOURCE_DIR}/src/cuda/cuda_permutation.cu
  ${PROJECT_SOURCE_DIR}/src/cuda/cuda_spectral.cu
  ${PROJECT_SOURCE_DIR}/src/cuda/fused_product.cpp
  ${PROJECT_SOURCE_DIR}/src/cuda/gpus.cpp
  ${PROJECT_SOURCE_DIR}/src/cuda/phase_clock.cpp
  ${PROJECT_SOURCE_DIR}/src/cuda/replay.cpp)
