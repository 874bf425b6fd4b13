/// Views of matrices and vectors in device or host memory, and an owning host matrix.
///
/// All matrices are column-major: element (i, j) is `data[i + j * stride]`, `stride >= rows`. A batch of
/// samples holds one sample per column. Views do not own and are passed by value.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <string>
#include <vector>

#include "natgrad/error.hpp"

namespace natgrad {

/// Sizes and indices: 64 bits, signed, so that N·n and P² never overflow.
using Index = std::int64_t;

/// More elements than any memory holds, few enough that their bytes still fit an Index.
inline constexpr Index countless = Index{1} << 58;

/// x·y for sizes of buffers, at most `countless`: what would exceed 64 bits must not come out small, but be
/// refused where it is allocated. x, y ≥ 0.
inline Index capped_product(Index x, Index y) { return y > 0 && x > countless / y ? countless : x * y; }
inline Index capped_product(Index x, Index y, Index z) { return capped_product(capped_product(x, y), z); }

/// rows · cols. Throws ShapeError where one is negative or the product does not fit an Index.
inline std::size_t element_count(const char* what, Index rows, Index cols) {
  if (rows >= 0 && cols >= 0 && (rows == 0 || cols <= std::numeric_limits<Index>::max() / rows))
    return static_cast<std::size_t>(rows * cols);
  throw ShapeError(std::string(what) + ": sizes " + std::to_string(rows) + " x " + std::to_string(cols) +
                   " must be at least 0, and their product below 2^63");
}

/// `size` consecutive elements.
template <class T>
struct VectorView {
  T* data = nullptr;
  Index size = 0;

  bool operator==(const VectorView&) const = default;
  VectorView slice(Index begin, Index count) const { return {data + begin, count}; }
  template <std::same_as<const T> U>
  operator VectorView<U>() const {
    return {data, size};
  }
};

/// rows × cols, column-major.
template <class T>
struct MatrixView {
  T* data = nullptr;
  Index rows = 0, cols = 0, stride = 0;

  MatrixView() = default;
  MatrixView(T* data, Index rows, Index cols) : MatrixView(data, rows, cols, rows) {}
  MatrixView(T* data, Index rows, Index cols, Index stride)
      : data(data), rows(rows), cols(cols), stride(stride) {}

  bool operator==(const MatrixView&) const = default;
  Index size() const { return rows * cols; }
  MatrixView columns(Index begin, Index count) const { return {data + begin * stride, rows, count, stride}; }
  VectorView<T> column(Index j) const { return {data + j * stride, rows}; }
  MatrixView block(Index row, Index col, Index row_count, Index col_count) const {
    return {data + row + col * stride, row_count, col_count, stride};
  }
  template <std::same_as<const T> U>
  operator MatrixView<U>() const {
    return {data, rows, cols, stride};
  }
};

/// `count` square matrices of order n, each column-major and contiguous, one after the other. A single matrix
/// may have a stride.
template <class T>
struct BatchView {
  T* data = nullptr;
  Index n = 0, count = 0, stride = 0;

  BatchView() = default;
  BatchView(T* data, Index n, Index count) : data(data), n(n), count(count), stride(n) {}
  explicit BatchView(MatrixView<T> single)
      : data(single.data), n(single.rows), count(1), stride(single.stride) {}

  bool operator==(const BatchView&) const = default;
  Index size() const { return n * n * count; }
  MatrixView<T> operator[](Index k) const { return {data + k * n * stride, n, n, stride}; }
  template <std::same_as<const T> U>
  operator BatchView<U>() const {
    BatchView<U> other(data, n, count);
    other.stride = stride;
    return other;
  }
};

/// An owning, contiguous, column-major matrix in host memory.
template <class T>
struct HostMatrix {
  std::vector<T> data;
  Index rows = 0, cols = 0;

  HostMatrix() = default;
  /// All 0. Throws ShapeError for negative sizes, OutOfMemory.
  HostMatrix(Index rows, Index cols) : rows(rows), cols(cols) {
    const std::size_t elements = element_count("matrix", rows, cols);
    try {
      data.resize(elements);
    } catch (const std::exception&) {  // bad_alloc or length_error
      throw OutOfMemory("matrix: " + std::to_string(rows) + " x " + std::to_string(cols) + " elements of " +
                        std::to_string(sizeof(T)) + " bytes could not be had on the host; use less data");
    }
  }

  T& operator()(Index i, Index j) { return data[static_cast<std::size_t>(i + j * rows)]; }
  const T& operator()(Index i, Index j) const { return data[static_cast<std::size_t>(i + j * rows)]; }
  MatrixView<T> view() { return {data.data(), rows, cols}; }
  MatrixView<const T> view() const { return {data.data(), rows, cols}; }
};

}  // namespace natgrad
