/// Random operands of a measurement, in the device's memory.
#pragma once

#include <memory>
#include <random>
#include <span>
#include <vector>

#include "natgrad/backend.hpp"
#include "timing.hpp"

namespace natgrad::bench {

/// Owns what it hands out views of. Values are uniform in [−1/2, 1/2).
class Operands {
 public:
  explicit Operands(Backend<float>& backend) : backend_(backend) {}

  Backend<float>& backend() { return backend_; }

  MatrixView<float> matrix(Index rows, Index cols);
  VectorView<float> vector(Index size) { return matrix(size, 1).column(0); }
  /// `count` positive definite matrices of order n with eigenvalues near 1, both triangles.
  BatchView<float> positive_definite(Index n, Index count = 1);
  /// Class indices below `classes`, 1 × N.
  MatrixView<float> labels(Index classes, Index samples);
  /// Factors of score rows of a network of these widths, r rows a sample.
  std::vector<LayerFactors<float>> factors(std::span<const Index> widths, Index samples, Index r);
  /// Room for several matrices like `original`: as many as 256 MiB hold, 1 to 32.
  std::vector<MatrixView<float>> room_for_copies(MatrixView<const float> original);

 private:
  MatrixView<float> upload(const std::vector<float>& host, Index rows, Index cols);

  Backend<float>& backend_;
  std::vector<Buffer<float>> buffers_;
  std::mt19937 engine_{1};
};

/// An operation that leaves its operands as they are, or in its range.
Repeated repeated(std::function<void()> run);

/// An operation that overwrites an operand, given as a fresh copy of `original` each time.
Repeated on_copies(const std::shared_ptr<Operands>& operands, MatrixView<float> original,
                   std::function<void(MatrixView<float>)> run);

}  // namespace natgrad::bench
