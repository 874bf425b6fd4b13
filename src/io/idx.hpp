/// The IDX format of the MNIST files: 00 00, element type, rank, big-endian dimensions, big-endian elements.
#pragma once

#include <span>

#include "io/array.hpp"

namespace natgrad {

/// Whether the data begin as every IDX file does, with two zero bytes.
bool is_idx(std::span<const std::uint8_t> bytes);

/// `bytes` is the whole file, decompressed. Types u1, i1, i2, i4, f4, f8; rank 1 or more.
/// Throws DataError, naming `path` and the byte.
Array parse_idx(const std::string& path, Bytes bytes);

}  // namespace natgrad
