/// Choices of the CUDA backend that change its speed, and with tf32 its rounding, but not what it computes.
#pragma once

#include <string_view>

namespace natgrad {

/// Who does an operation that a CUDA library and natgrad's own kernels can both do. automatic: whoever is
/// faster at that size by the measured thresholds of src/cuda/routes.hpp.
enum class Route { automatic, library, own };

std::string_view to_string(Route route);
/// Throws UsageError, naming the allowed values, where `name` is none of them.
Route parse_route(std::string_view name);

struct CudaOptions {
  Route gram = Route::automatic;           // own: one kernel for K, all layers in registers
  Route outer_product = Route::automatic;  // own: rows expanded in shared memory, never in device memory
  Route cholesky = Route::automatic;       // own: one kernel for factor, right-hand side and solution
  Route epilogue = Route::automatic;       // own: bias and activation within the product (cuBLASLt)
  /// The f32 products behind a solve that is refined (FisherOptions::refine) round their inputs to TF32:
  /// those of the Gram matrix, of the dense Fisher, and of large Cholesky factorisations. Needs compute
  /// capability 8.0.
  bool tf32 = false;
  /// Steps are captured as CUDA graphs and replayed.
  bool graph = true;
};

}  // namespace natgrad
