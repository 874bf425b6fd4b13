/// Numeric arrays read from NPY and IDX files, in the file's own element type.
#pragma once

#include <bit>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/file.hpp"
#include "natgrad/dataset.hpp"

namespace natgrad {

/// u: unsigned, i: signed, f: floating point; the number is the size in bytes. Booleans are read as u1.
enum class ElementType { u1, i1, u2, i2, u4, i4, i8, f4, f8 };

/// Bytes of one element.
std::size_t element_size(ElementType type);
const char* to_string(ElementType type);

/// An array as its file holds it: the content, and where and how the elements lie in it. Every dimension is
/// at least 1, and the elements fill `bytes` from `offset` to its end.
struct Array {
  std::string path;
  std::vector<Index> shape;  ///< axis 0 is the samples
  ElementType type = ElementType::u1;
  std::endian byte_order = std::endian::little;
  bool fortran_order = false;
  Bytes bytes;
  std::size_t offset = 0;

  Index samples() const { return shape.front(); }
  /// The numbers of one sample: the product of the other dimensions.
  Index columns() const;
  bool is_integer() const { return type != ElementType::f4 && type != ElementType::f8; }
};

/// `bytes` is a whole NPY or IDX file, decompressed; the content tells which. Throws DataError, naming `path`
/// and the byte, where it is neither or damaged.
Array parse_array(const std::string& path, Bytes bytes);
/// Reads an NPY or an IDX file, plain or gzip.
/// Throws DataError, naming the file and the byte, where it is neither or damaged or expands to more than
/// `max_decompressed` bytes.
Array read_array(const std::string& path, std::uint64_t max_decompressed = decompressed_limit);

/// The array as one sample per column: columns() × samples(), a sample's elements in C order, converted to R.
/// Throws DataError, naming file, sample and column, at a number that is not finite (as R);
/// OutOfMemory where they do not fit in memory.
template <class R>
HostMatrix<R> to_samples(const Array& array);

/// The number of elements; none where a dimension is negative or the number exceeds 2⁶³ − 1.
std::optional<Index> element_count(std::span<const Index> shape);

/// Throws DataError unless the array has elements and they take just the bytes that the file has from
/// `offset` on. A header is therefore never believed beyond the file's size.
void require_elements_fill_file(const Array& array);

}  // namespace natgrad
