/// CRC-32 as of gzip.
#pragma once

#include <cstdint>
#include <span>

namespace natgrad {

/// Of the bytes, continuing that of bytes before them.
std::uint32_t crc32_of(std::span<const std::uint8_t> bytes, std::uint32_t before = 0);

}  // namespace natgrad
