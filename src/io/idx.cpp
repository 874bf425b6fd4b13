#include "io/idx.hpp"

#include <fmt/format.h>

#include <utility>

namespace natgrad {
namespace {

ElementType element_type(const std::string& path, std::uint8_t code) {
  switch (code) {
    case 0x08:
      return ElementType::u1;
    case 0x09:
      return ElementType::i1;
    case 0x0b:
      return ElementType::i2;
    case 0x0c:
      return ElementType::i4;
    case 0x0d:
      return ElementType::f4;
    case 0x0e:
      return ElementType::f8;
    default:
      throw DataError(fmt::format(
          "{}: IDX element type {:02x} at byte 2, expected 08 (u1), 09 (i1), 0b (i2), 0c (i4), 0d (f4) or 0e (f8)",
          path, code));
  }
}

}  // namespace

bool is_idx(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= 2 && bytes[0] == 0 && bytes[1] == 0;
}

Array parse_idx(const std::string& path, Bytes bytes) {
  constexpr std::size_t magic_size = 4;
  if (bytes.size() < magic_size) {
    throw DataError(
        fmt::format("{}: the IDX header ends at byte {}: the file is truncated", path, bytes.size()));
  }
  Array array;
  array.path = path;
  array.type = element_type(path, bytes[2]);
  array.byte_order = std::endian::big;
  const std::size_t rank = bytes[3];
  if (rank == 0) throw DataError(path + ": IDX rank 0 at byte 3, expected 1 or more dimensions");
  array.offset = magic_size + 4 * rank;
  if (bytes.size() < array.offset) {
    throw DataError(
        fmt::format("{}: the IDX header of {} dimensions takes {} bytes, the file has {}: it is truncated",
                    path, rank, array.offset, bytes.size()));
  }
  for (std::size_t at = magic_size; at < array.offset; at += 4) {
    array.shape.push_back(Index{bytes[at]} << 24 | Index{bytes[at + 1]} << 16 | Index{bytes[at + 2]} << 8 |
                          Index{bytes[at + 3]});
  }
  array.bytes = std::move(bytes);
  require_elements_fill_file(array);
  return array;
}

}  // namespace natgrad
