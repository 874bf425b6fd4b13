/// Decompression of gzip data (RFC 1952) in memory, for the formats that data come in.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "io/file.hpp"

namespace natgrad {

/// Whether the data begin with the gzip magic 1f 8b.
bool is_gzip(std::span<const std::uint8_t> bytes);

/// The content of a file, decompressed where it begins with the gzip magic. Throws as read_file and gunzip
/// do.
Bytes read_decompressed(const std::string& path, std::uint64_t limit);

/// The decompressed data of all members. `path` is named in errors. Throws DataError where the stream is
/// truncated, fails its check sum, is followed by anything but zeros, holds no data, or expands to more than
/// `limit` bytes; OutOfMemory where they do not fit in memory.
Bytes gunzip(std::span<const std::uint8_t> compressed, const std::string& path, std::uint64_t limit);

}  // namespace natgrad
