/// Kronecker factors of the layers' blocks, F_l ≈ G_l ⊗ A_l in θ's order (Martens & Grosse 2015, section 3):
///
///     A_l = mean ããᵀ (ñ × ñ),   G_l = Σ_rows δδᵀ (m × m),   (G_l ⊗ A_l) v = A_l Ṽ G_l.
///
/// With a single sample that is exact. Averages are taken of the factors, not of their products.
#pragma once

#include "fisher/fisher.hpp"

namespace natgrad {

template <class R>
class KroneckerFactors {
 public:
  /// Takes its buffers, those of `plan`, out of `memory`.
  KroneckerFactors(Backend<R>& backend, const RowsShape& shape, PlannedBuffers<R>& memory);

  /// A_l ← α mean ããᵀ + βA_l, G_l ← αΣ δδᵀ + βG_l. Where β = 0, they may hold anything. `scratch` holds
  /// `extended_elements` at least.
  void accumulate(const Rows<R>& rows, R alpha, R beta, Buffer<R>& scratch);

  /// A_l and G_l, both triangles, equal up to rounding.
  MatrixView<const R> a(std::size_t l) const { return layers_[l].a_view(); }
  MatrixView<const R> g(std::size_t l) const { return layers_[l].g_view(); }

  /// out_a, out_g ← lower Cholesky factors of A_l + πγI and G_l + γ/π I; π and slots as
  /// Backend::damp_factors, slot factor_info as Backend::cholesky.
  void factor(std::size_t l, R gamma, MatrixView<R> out_a, MatrixView<R> out_g) const;

  /// The averages A_l and G_l.
  void visit_state(StateVisitor<R>& state);

  static std::vector<PlannedBuffer> plan(const RowsShape& shape);
  /// Of `accumulate`.
  static double flops(const RowsShape& shape);

 private:
  struct Layer {
    Index inputs, units;  // ñ, m
    Buffer<R> a, g;

    MatrixView<R> a_view() const { return a.matrix(inputs, inputs); }
    MatrixView<R> g_view() const { return g.matrix(units, units); }
  };

  Backend<R>& backend_;
  std::vector<Layer> layers_;
};

/// out ← op(X) V op(Y), V and out ñ × m; `scratch` holds mñ at least.
template <class R>
void sandwich(Backend<R>& backend, Transpose tx, MatrixView<const R> x, MatrixView<const R> v, Transpose ty,
              MatrixView<const R> y, MatrixView<R> out, Buffer<R>& scratch) {
  const MatrixView<R> xv = scratch.matrix(v.rows, v.cols);
  backend.gemm(tx, Transpose::no, R(1), x, v, R(0), xv);
  backend.gemm(Transpose::no, ty, R(1), xv, y, R(0), out);
}

/// The order of the largest factor.
Index largest_order(const RowsShape& shape);
/// FLOPs of one sandwich per layer: Σ 2 m ñ (ñ + m).
double sandwich_flops(const RowsShape& shape);
/// Σ (ñ³ + m³) over the layers: the unit of work of their factorisations.
double factor_cubes(const RowsShape& shape);

}  // namespace natgrad
