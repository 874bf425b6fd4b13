/// F = SᵀS from factored rows: by rows, or by products over pairs.
#pragma once

#include "natgrad/fisher.hpp"

namespace natgrad {

/// Which blocks of F are wanted: those of all pairs of layers, or of the layers alone.
enum class Blocks { all, diagonal };

/// By rows: S is expanded chunk by chunk, R P² FLOPs. By pairs, for r > 1: the block of layers l and l' is
/// one product over samples,
///
///     F_(jp)(j'q) = Σ_n (ã_p ã'_q)_n (Σ_k δ_j δ'_j')_n,
///
/// in which the r rows of a sample are added up first and, within a layer, each unordered pair stands once: r
/// times fewer FLOPs across layers, 2r times within one.
template <class R>
class OuterProduct {
 public:
  OuterProduct(Backend<R>& backend, const RowsShape& shape, Blocks blocks);

  /// Lower triangle of F ← αSᵀS + βF for rows of that shape; with Blocks::diagonal, for one layer of them.
  /// Where β = 0, F may hold anything.
  void accumulate(const Rows<R>& rows, R alpha, R beta, MatrixView<R> f, Accuracy accuracy = Accuracy::full);

  static std::vector<PlannedBuffer> buffers(const RowsShape& shape, Blocks blocks);
  static double flops(const RowsShape& shape, Blocks blocks);

 private:
  void accumulate_block(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y, R alpha, R beta,
                        MatrixView<R> f);

  Backend<R>& backend_;
  Buffer<R> left_;      // expanded rows; or pairs of inputs
  Buffer<R> right_;     // pairs of signals
  Buffer<R> products_;  // of pairs
};

}  // namespace natgrad
