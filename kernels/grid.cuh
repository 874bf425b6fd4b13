/// How threads share out the elements of an operation: grid-stride loops and column-major cells.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "launch.cuh"
#include "natgrad/matrix.hpp"

namespace natgrad::kernels {

inline constexpr int element_threads = 256;  // a block, one element a thread
inline constexpr int sample_threads =
    64;  // a block, one sample a thread: a batch then covers more processors

/// Blocks for `count` elements. Beyond the bound the grid-stride loop takes several elements a thread.
inline unsigned blocks_for(Index count, int threads = element_threads) {
  constexpr Index most = 1 << 20;
  return static_cast<unsigned>(std::min(most, (count + threads - 1) / threads));
}

/// A grid of exactly so many blocks; throws ShapeError where they are more than a launch can have.
inline unsigned grid_of(Index blocks) {
  constexpr Index most = std::numeric_limits<int>::max();
  if (blocks > most)
    throw ShapeError("kernel launch: " + std::to_string(blocks) + " blocks, a GPU allows " +
                     std::to_string(most) + "; try another --structure or a smaller --batch");
  return static_cast<unsigned>(blocks);
}

/// `for (Index i : grid_stride(count))` visits this thread's share of 0 … count−1.
struct GridStride {
  struct Iterator {
    Index i, step;
    __device__ __forceinline__ Index operator*() const { return i; }
    __device__ __forceinline__ void operator++() { i += step; }
    __device__ __forceinline__ bool operator!=(Index end) const { return i < end; }
  };
  Index count;
  __device__ __forceinline__ Iterator begin() const {
    return {static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x,
            static_cast<Index>(gridDim.x) * blockDim.x};
  }
  __device__ __forceinline__ Index end() const { return count; }
};
__device__ __forceinline__ GridStride grid_stride(Index count) { return {count}; }

/// Row and column of element i of a column-major matrix. Dividing in 32 bits where that is enough costs a
/// fraction of a 64-bit division.
struct Cell {
  Index row, col;
};
__device__ __forceinline__ Cell cell(Index i, Index rows) {
  if (((i | rows) >> 32) == 0) {
    const auto col = static_cast<std::uint32_t>(i) / static_cast<std::uint32_t>(rows);
    return {i - static_cast<Index>(col) * rows, static_cast<Index>(col)};
  }
  const Index col = i / rows;
  return {i - col * rows, col};
}

/// Row and column of element i of a lower triangle, counted row by row. Exact below i = 2⁵⁰: where 8i + 1 is
/// the square that a row begins with, so is its root.
__device__ __forceinline__ Cell lower_cell(Index i) {
  const auto row = static_cast<Index>((std::sqrt(8.0 * static_cast<double>(i) + 1.0) - 1.0) / 2.0);
  return {row, i - row * (row + 1) / 2};
}

/// Which elements of a matrix an operation takes: of a symmetric one the lower triangle alone.
enum class Part { all, lower };
__device__ __forceinline__ bool is_in(Part part, Index row, Index col) {
  return part == Part::all || row >= col;
}

template <class T>
__device__ __forceinline__ T& at(MatrixView<T> m, Index row, Index col) {
  return m.data[row + col * m.stride];
}
/// Columns of a batch are counted through all of its matrices.
template <class T>
__device__ __forceinline__ T& at(BatchView<T> f, Index row, Index col) {
  return f.data[row + col * f.stride];
}
template <class T>
__device__ __forceinline__ T* column(MatrixView<T> m, Index col) {
  return m.data + col * m.stride;
}

}  // namespace natgrad::kernels
