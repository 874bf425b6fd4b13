/// Products with the bias and the activation within them, over cuBLASLt's epilogues.
#pragma once

#include <cublasLt.h>

#include <map>
#include <optional>
#include <tuple>

#include "cuda/handles.hpp"
#include "natgrad/activation.hpp"

namespace natgrad {

/// D ← φ(WᵀX + b1ᵀ) for what cuBLASLt has an epilogue for: φ = identity or relu.
template <class R>
class FusedProduct {
 public:
  static constexpr Index workspace_bytes = Index{4} << 20;

  static bool has(Activation phi) { return phi == Activation::identity || phi == Activation::relu; }

  /// A part of θ may stand anywhere; a bias that is not aligned to this is left to others.
  static constexpr Index bias_alignment = 16;

  /// W: n × m, X: n × N, b: m, D: m × N, none of them empty; `workspace`: workspace_bytes of device memory.
  /// False, and nothing done, where the library has no kernel for these operands.
  bool run(Activation phi, MatrixView<const R> w, VectorView<const R> bias, MatrixView<const R> x,
           MatrixView<R> d, void* workspace, cudaStream_t stream);

 private:
  /// φ; m, N, n; strides and alignments of W, X and D.
  using Key = std::tuple<Activation, Index, Index, Index, Index, Index, Index, Index, Index, Index>;

  LtHandle handle_ = make_lt();
  std::map<Key, std::optional<cublasLtMatmulAlgo_t>> algorithms_;  // asking for one takes long
};

}  // namespace natgrad
