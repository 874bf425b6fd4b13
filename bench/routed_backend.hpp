/// The backend that a bench measures.
#pragma once

#include "natgrad/backend.hpp"

namespace natgrad::bench {

struct DeviceChoice {
  std::string device = "cpu";
  int threads = 0;  // of the CPU; 0: all available cores
  bool tf32 = false, graph = true;
};

/// One whose operations that a CUDA library and natgrad can both do are all done by `route`'s.
inline std::unique_ptr<Backend<float>> routed_backend(const DeviceChoice& choice, Route route) {
  const CudaOptions cuda{.gram = route,
                         .outer_product = route,
                         .cholesky = route,
                         .epilogue = route,
                         .tf32 = choice.tf32,
                         .graph = choice.graph};
  return make_backend<float>(choice.device, choice.threads, nullptr, cuda);
}

}  // namespace natgrad::bench
