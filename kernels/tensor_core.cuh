/// Tensor-core products of one warp, D ← AB + D, at the granularity of one instruction:
///
///     TF32  A 16 × 8, B 8 × 8, D 16 × 8, accumulated in f32;    f64  A 8 × 4, B 4 × 8, D 8 × 8.
///
/// Every lane holds fragments, with g = lane / 4 and t = lane % 4 (PTX ISA, mma.m16n8k8 and mma.m8n8k4):
///
///     TF32  a: A_(g,t), A_(g+8,t), A_(g,t+4), A_(g+8,t+4);  b: B_(t,g), B_(t+4,g);
///           d: D_(g,2t), D_(g,2t+1), D_(g+8,2t), D_(g+8,2t+1)
///     f64   a: A_(g,t);  b: B_(t,g);  d: D_(g,2t), D_(g,2t+1)
///
/// All 32 lanes take part. Compute capability 8.0 and above; below it the device stops (__trap), so the host
/// must not choose a kernel that comes here.
#pragma once

#include "launch.cuh"
#if !defined(__CUDACC__)
#include "host_cuda/tensor_core.hpp"
#endif

namespace natgrad::kernels {

/// x rounded to TF32, 10 bits behind the point (ties away from 0), as the tensor cores read it.
__device__ __forceinline__ float to_tf32(float x) {
#if !defined(__CUDACC__)
  return host_cuda::to_tf32(x);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return __uint_as_float(bits);
#else
  return x;
#endif
}

/// a and b rounded by to_tf32.
__device__ __forceinline__ void tensor_multiply(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
#if !defined(__CUDACC__)
  host_cuda::tensor_multiply(d, a, b);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
        "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
#elif defined(__CUDA_ARCH__)
  __trap();
#endif
}

__device__ __forceinline__ void tensor_multiply(double (&d)[2], double a, double b) {
#if !defined(__CUDACC__)
  host_cuda::tensor_multiply(d, a, b);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0, %1}, {%2}, {%3}, {%0, %1};"
               : "+d"(d[0]), "+d"(d[1])
               : "d"(a), "d"(b));
#elif defined(__CUDA_ARCH__)
  __trap();
#endif
}

}  // namespace natgrad::kernels
