/// Marks a function for both host and device, so that point-wise mathematics is written once.
#pragma once

#if defined(__CUDACC__)
#define NATGRAD_HD __host__ __device__ __forceinline__
#else
#define NATGRAD_HD inline
#endif
