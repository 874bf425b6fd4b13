/// Whole files in memory, and files that appear whole or not at all.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace natgrad {

using Bytes = std::vector<std::uint8_t>;

/// Most bytes that a decompressed file may hold, unless told otherwise: 16 GiB. A gzip file can expand a
/// thousandfold, so that its own size bounds nothing.
inline constexpr std::uint64_t decompressed_limit = std::uint64_t{16} << 30;

/// The content of a file, decompressed where it begins with the gzip magic.
/// Throws DataError where the file is missing, unreadable, empty, a directory, a damaged or truncated gzip
/// stream, or expands to more than `limit` bytes; OutOfMemory where it does not fit in memory.
Bytes read_file(const std::string& path, std::uint64_t limit = decompressed_limit);

/// Writes the parts, one after the other, to a temporary file in the same folder, flushes it to the disk and
/// renames it to `path`: a reader sees the old content or the new one, never half of it, and a failed write
/// leaves the old file as it was. Throws DataError, naming the file and the system's reason.
void write_file(const std::string& path, std::span<const std::span<const std::uint8_t>> parts);

/// The bytes of an array, as a part for write_file.
template <class T>
std::span<const std::uint8_t> bytes_of(std::span<const T> values) {
  return {reinterpret_cast<const std::uint8_t*>(values.data()), values.size_bytes()};
}

}  // namespace natgrad
