#include "operands.hpp"

#include <algorithm>
#include <limits>

namespace natgrad::bench {

MatrixView<float> Operands::upload(const std::vector<float>& host, Index rows, Index cols) {
  buffers_.emplace_back(backend_, rows * cols);
  if (!host.empty()) buffers_.back().upload(host.data());
  return buffers_.back().matrix(rows, cols);
}

MatrixView<float> Operands::matrix(Index rows, Index cols) {
  std::uniform_real_distribution<float> value(-0.5f, 0.5f);
  std::vector<float> host(static_cast<std::size_t>(rows * cols));
  std::ranges::generate(host, [&] { return value(engine_); });
  return upload(host, rows, cols);
}

// I + E/n with |E| ≤ 1/2: diagonally dominant.
BatchView<float> Operands::positive_definite(Index n, Index count) {
  std::uniform_real_distribution<float> value(-0.5f, 0.5f);
  std::vector<float> host(static_cast<std::size_t>(n * n * count));
  const auto at = [&](Index k, Index i, Index j) -> float& {
    return host[static_cast<std::size_t>((k * n + j) * n + i)];
  };
  for (Index k = 0; k < count; ++k) {
    for (Index j = 0; j < n; ++j) {
      for (Index i = j; i < n; ++i) at(k, i, j) = at(k, j, i) = value(engine_) / static_cast<float>(n);
      at(k, j, j) += 1.0f;
    }
  }
  return {upload(host, n * n, count).data, n, count};
}

MatrixView<float> Operands::labels(Index classes, Index samples) {
  std::uniform_int_distribution<Index> label(0, classes - 1);
  std::vector<float> host(static_cast<std::size_t>(samples));
  std::ranges::generate(host, [&] { return static_cast<float>(label(engine_)); });
  return upload(host, 1, samples);
}

std::vector<LayerFactors<float>> Operands::factors(std::span<const Index> widths, Index samples, Index r) {
  std::vector<LayerFactors<float>> layers;
  for (std::size_t l = 0; l + 1 < widths.size(); ++l)
    layers.push_back({matrix(widths[l], samples), matrix(widths[l + 1], samples * r)});
  return layers;
}

std::vector<MatrixView<float>> Operands::room_for_copies(MatrixView<const float> original) {
  constexpr Index most_elements = (Index{256} << 20) / sizeof(float);
  const Index count = std::clamp<Index>(most_elements / std::max<Index>(1, original.size()), 1, 32);
  std::vector<MatrixView<float>> copies;
  for (Index k = 0; k < count; ++k) copies.push_back(upload({}, original.rows, original.cols));
  return copies;
}

Repeated repeated(std::function<void()> run) {
  return {[run = std::move(run)](Index) { run(); }, std::numeric_limits<Index>::max() / 2};
}

Repeated on_copies(const std::shared_ptr<Operands>& operands, MatrixView<float> original,
                   std::function<void(MatrixView<float>)> run) {
  const std::vector<MatrixView<float>> copies = operands->room_for_copies(original);
  const auto restore = [operands, original, copies] {
    for (const MatrixView<float>& copy : copies) operands->backend().copy(original, copy);
  };
  return {[copies, run = std::move(run)](Index k) { run(copies[static_cast<std::size_t>(k)]); },
          static_cast<Index>(copies.size()), restore};
}

}  // namespace natgrad::bench
