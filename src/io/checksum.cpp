#include "io/checksum.hpp"

#include <zlib.h>

namespace natgrad {

std::uint32_t crc32_of(std::span<const std::uint8_t> bytes, std::uint32_t before) {
  if (bytes.empty()) return before;  // zlib takes a null pointer for a new beginning
  return static_cast<std::uint32_t>(crc32_z(before, bytes.data(), bytes.size()));
}

}  // namespace natgrad
