/// Matrices, vectors and batches on a device, laid out so that mistakes show: strides larger than the number
/// of rows, and poison (all-ones bytes: NaN) in the padding, behind the end and in results not yet written.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "natgrad/backend.hpp"

namespace natgrad {

/// The poison: NaN, or −1 as an integer.
template <class T>
T poison() {
  T value;
  std::memset(&value, 0xff, sizeof value);
  return value;
}

template <class T>
bool is_poison(const T& value) {
  const T expected = poison<T>();
  return std::memcmp(&value, &expected, sizeof value) == 0;
}

template <class T>
HostMatrix<T> poisoned(Index rows, Index cols) {
  HostMatrix<T> m(rows, cols);
  std::fill(m.data.begin(), m.data.end(), poison<T>());
  return m;
}

/// Symmetric matrices, side by side, as operations must take them: poison over the diagonals.
template <class T>
HostMatrix<T> lower_only(HostMatrix<T> m) {
  for (Index j = 0; j < m.cols; ++j)
    for (Index i = 0; i < m.rows && i < j % m.rows; ++i) m(i, j) = poison<T>();
  return m;
}

/// A rows × cols matrix in device memory; converts to the views that operations take.
template <class T>
class DeviceMatrix {
 public:
  DeviceMatrix(Device& device, const HostMatrix<T>& values, Index padding = 2)
      : rows_(values.rows),
        cols_(values.cols),
        stride_(values.rows + padding),
        buffer_(device, stride_ * values.cols + tail) {
    std::vector<T> layout(static_cast<std::size_t>(buffer_.size()), poison<T>());
    for (Index j = 0; j < cols_; ++j)
      std::copy_n(values.data.data() + j * rows_, rows_, layout.data() + j * stride_);
    buffer_.upload(layout.data());
  }
  /// A result not yet written.
  DeviceMatrix(Device& device, Index rows, Index cols, Index padding = 2)
      : DeviceMatrix(device, poisoned<T>(rows, cols), padding) {}

  MatrixView<T> view() const { return {buffer_.data(), rows_, cols_, stride_}; }
  operator MatrixView<T>() const { return view(); }
  operator MatrixView<const T>() const { return view(); }
  operator VectorView<T>() const { return vector(); }
  operator VectorView<const T>() const { return vector(); }

  /// What the device holds; fails the test where anything but the elements was written.
  HostMatrix<T> download() const {
    const std::vector<T> layout = buffer_.download();
    HostMatrix<T> values(rows_, cols_);
    for (Index at = 0; at < buffer_.size(); ++at) {
      const Index i = at % std::max<Index>(stride_, 1), j = at / std::max<Index>(stride_, 1);
      const T& value = layout[static_cast<std::size_t>(at)];
      if (i < rows_ && j < cols_)
        values(i, j) = value;
      else if (!is_poison(value))
        ADD_FAILURE() << "the operation wrote " << value << " outside its " << rows_ << " × " << cols_
                      << " result (stride " << stride_ << "), at row " << i << " of column " << j;
    }
    return values;
  }

 private:
  static constexpr Index tail = 2;  // elements behind the last column

  VectorView<T> vector() const {
    if (cols_ != 1) throw ShapeError("a matrix of several columns is no vector");
    return {buffer_.data(), rows_};
  }

  Index rows_, cols_, stride_;
  Buffer<T> buffer_;
};

/// A vector in device memory.
template <class T>
class DeviceVector : public DeviceMatrix<T> {
 public:
  DeviceVector(Device& device, const HostMatrix<T>& column) : DeviceMatrix<T>(device, column) {}
  DeviceVector(Device& device, Index size) : DeviceMatrix<T>(device, size, 1) {}
};

/// `count` square matrices of order n side by side: n × n·count.
template <class T>
class DeviceBatch : public DeviceMatrix<T> {
 public:
  DeviceBatch(Device& device, const HostMatrix<T>& side_by_side, Index count)
      : DeviceMatrix<T>(device, side_by_side, 0), count_(count) {}
  /// A result not yet written.
  DeviceBatch(Device& device, Index n, Index count) : DeviceBatch(device, poisoned<T>(n, n * count), count) {}

  operator BatchView<T>() const { return {this->view().data, this->view().rows, count_}; }
  operator BatchView<const T>() const { return {this->view().data, this->view().rows, count_}; }

 private:
  Index count_;
};

}  // namespace natgrad
