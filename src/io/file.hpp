/// Whole files in memory, and files that appear whole or not at all.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace natgrad {

using Bytes = std::vector<std::uint8_t>;

/// The content of a regular file. Throws DataError where the file is missing, unreadable, empty, no regular
/// file (a pipe or a device may keep the reader waiting or never end), or changes its size while it is read;
/// OutOfMemory where it does not fit in memory.
Bytes read_file(const std::string& path);

/// Writes the parts, one after the other, to a temporary file in the same folder, flushes it to the disk,
/// renames it to `path` and flushes the folder: a reader sees the old content or the new one, never half of
/// it, a failed write leaves the old file as it was, and what was written outlives a crash of the system.
/// Throws DataError, naming the file and the system's reason. Where nothing but the folder's flush failed,
/// the new content stands already, whole, but may not outlive a crash.
void write_file(const std::string& path, std::span<const std::span<const std::uint8_t>> parts);

/// The names in a folder, in any order; with `error`, those read before it.
std::vector<std::string> names_in(const std::string& folder, std::error_code& error);

/// Removes the temporary files that killed calls of write_file left in a folder; none may be at work there.
/// Throws DataError, naming the folder and the system's reason.
void remove_temporaries(const std::string& folder);

/// The bytes of an array, as a part for write_file.
template <class T>
std::span<const std::uint8_t> bytes_of(std::span<const T> values) {
  return {reinterpret_cast<const std::uint8_t*>(values.data()), values.size_bytes()};
}

}  // namespace natgrad
