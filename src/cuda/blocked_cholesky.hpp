/// (F + λI)⁻¹b in f32 for large orders: a Cholesky factorisation whose products round their inputs to TF32,
/// and refinement of the solution to the accuracy of f32.
///
/// By panels of w columns, of n³/6 multiply-adds in all: the diagonal blocks (nw²/6) by small_cholesky and
/// the panels below them (n²w/4) by trsm in f32, the rest by tensor cores, as tiles of the lower triangle,
/// for cuBLAS has no syrk that may round. Rounded to TF32, which keeps 11 bits, the factors of a matrix of
/// condition κ leave an error of about 10⁻⁶κ in the solution; every refinement
///
///     r ← b − (F + λI)x,   x ← x + (LLᵀ)⁻¹r
///
/// costs 2n² multiply-adds in f32 and multiplies the error by as much again, down to what f32 gives. Factors
/// in f32 leave about 5·10⁻⁹κ: two refinements are enough up to κ = 7·10⁴, three would be up to 1.7·10⁵, and
/// far beyond that F + λI rounded to TF32 is no longer positive definite, which the factorisation reports.
/// Nothing is read back in between. Same device, same bits.
#pragma once

#include "cuda/cuda_device.hpp"

namespace natgrad {

struct MixedCholesky {
  Index panel = 512;  // w, at most kernels::small_cholesky_limit
  Index tile = 2048;  // of the update: what lies above the diagonal is wasted, small ones fill no device
  int refinements = 2;
};

/// As Backend::factor_and_solve, of which `l` is the factor that was rounded; what stands above its diagonal
/// is workspace too. `workspace`: 2n elements of device memory.
///
/// Products are fastest where the stride of `bordered` is a multiple of 4.
void mixed_factor_and_solve(const CudaDevice& device, MatrixView<const float> f, float lambda,
                            MatrixView<float> bordered, VectorView<float> b, float* workspace,
                            const MixedCholesky& options = {});

}  // namespace natgrad
