/// Views of matrices and vectors in device or host memory, and an owning host matrix.
///
/// All matrices are column-major: element (i, j) is `data[i + j * stride]`, `stride >= rows`. A batch of
/// samples holds one sample per column. Views do not own and are passed by value.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "natgrad/error.hpp"

namespace natgrad {

/// Sizes and indices: 64 bits, signed, so that N·n and P² never overflow.
using Index = std::int64_t;

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
  HostMatrix(Index rows, Index cols) : data(static_cast<std::size_t>(rows * cols)), rows(rows), cols(cols) {}

  T& operator()(Index i, Index j) { return data[static_cast<std::size_t>(i + j * rows)]; }
  const T& operator()(Index i, Index j) const { return data[static_cast<std::size_t>(i + j * rows)]; }
  MatrixView<T> view() { return {data.data(), rows, cols}; }
  MatrixView<const T> view() const { return {data.data(), rows, cols}; }
};

}  // namespace natgrad
