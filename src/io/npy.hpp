/// The NPY format of NumPy (numpy.lib.format, versions 1.0 to 3.0).
#pragma once

#include <span>

#include "io/array.hpp"

namespace natgrad {

/// Whether the data begin with the NPY magic, 93 "NUMPY".
bool is_npy(std::span<const std::uint8_t> bytes);

/// `bytes` is the whole file, decompressed. Little-endian u1, i1, u2, i2, u4, i4, i8, f4, f8 and booleans, in
/// C or Fortran order, rank 1 or more. Throws DataError, naming `path` and the byte or the dtype.
Array parse_npy(const std::string& path, Bytes bytes);

/// Writes the columns of `values`, one after the other, as an array of this shape in C order: a C × N matrix
/// with one sample per column becomes shape (N, C). The file appears whole or not at all (write_file). Throws
/// ShapeError where the shape does not hold just the values, DataError where the file cannot be written.
template <class R>
void write_npy(const std::string& path, MatrixView<const R> values, const std::vector<Index>& shape);

}  // namespace natgrad
