/// Where a function runs. With nvcc: NATGRAD_HD on host and device, so that point-wise mathematics is written
/// once; NATGRAD_DEVICE on the device alone. Other compilers see plain functions.
///
/// NATGRAD_UNROLL stands before a loop over an array that lives in registers: registers have no addresses, so
/// every index must become a constant. Left to itself, nvcc 13 puts a warp's rows of order 17 into local
/// memory.
#pragma once

#if defined(__CUDACC__)
#define NATGRAD_HD __host__ __device__ __forceinline__
#define NATGRAD_DEVICE __device__ __forceinline__
#define NATGRAD_UNROLL _Pragma("unroll")
#else
#define NATGRAD_HD inline
#define NATGRAD_DEVICE inline
#define NATGRAD_UNROLL
#endif
