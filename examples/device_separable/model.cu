#include "model.cuh"

__host__ __device__ double feature(int i, double u, double v) {
  int degree = 0;  // the features run through 1; u, v; u², uv, v²; …
  for (; i > degree; ++degree) i -= degree + 1;
  double value = 1.0;
  for (int power = 0; power < degree; ++power) value *= power < i ? v : u;
  return value;
}
