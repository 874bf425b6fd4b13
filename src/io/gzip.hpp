/// Decompression of gzip data (RFC 1952) in memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "io/file.hpp"

namespace natgrad {

/// Whether the data begin with the gzip magic 1f 8b.
bool is_gzip(std::span<const std::uint8_t> bytes);

/// The decompressed data of all members. `path` is named in errors. Throws DataError where the stream is
/// truncated, fails its check sum, is followed by anything but zeros, holds no data, or expands to more than
/// `limit` bytes.
Bytes gunzip(std::span<const std::uint8_t> compressed, const std::string& path, std::uint64_t limit);

}  // namespace natgrad
