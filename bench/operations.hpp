/// The operations that op_bench measures, each with the least work that it can be done with.
#pragma once

#include <string>
#include <vector>

#include "operands.hpp"

namespace natgrad::bench {

struct Operation {
  std::string name, shape;
  double flops = 0.0;  // symmetric results by their halves
  double bytes = 0.0;  // of inputs read once and outputs written once, triangles by their halves
  std::function<Repeated(const std::shared_ptr<Operands>&)> make;
  // A CUDA library and natgrad's kernels can both do it: see natgrad/cuda_options.hpp. Then in TF32 where
  // asked.
  bool routed = false;
};

/// Sizes of a measurement, or of a rehearsal: then divided, but not below 1.
struct Sizes {
  Index divisor = 1;
  Index operator()(Index n) const { return n < divisor ? 1 : n / divisor; }
};

std::vector<Operation> algebra_operations(const Sizes& sizes);
std::vector<Operation> network_operations(const Sizes& sizes);
std::vector<Operation> fisher_operations(const Sizes& sizes);
std::vector<Operation> layer_operations(const Sizes& sizes);

/// Bytes of so many f32 numbers.
inline double bytes_of(double elements) { return sizeof(float) * elements; }

}  // namespace natgrad::bench
