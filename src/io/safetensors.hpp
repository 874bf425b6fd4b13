/// The safetensors format (github.com/huggingface/safetensors): a length of 8 bytes, a JSON header of that
/// length, and the tensors' elements, row-major and little-endian, without gaps.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/file.hpp"
#include "natgrad/matrix.hpp"

namespace natgrad {

/// A tensor of F32 or F64.
struct Tensor {
  std::string name;
  std::vector<Index> shape;
  bool double_precision = false;
  std::span<const std::uint8_t> bytes;  ///< as the file holds them, not necessarily aligned

  std::size_t width() const { return double_precision ? 8 : 4; }  ///< bytes of an element
  Index size() const { return static_cast<Index>(bytes.size() / width()); }
  /// Element k in row-major order.
  double operator[](Index k) const;
};

/// A file's tensors in the order of their bytes, with the text that describes them.
struct Safetensors {
  std::map<std::string, std::string> metadata;
  std::vector<Tensor> tensors;  ///< their bytes lie in `content`
  Bytes content;

  Safetensors() = default;
  Safetensors(Safetensors&&) = default;
  Safetensors& operator=(Safetensors&&) = default;
};

/// `content` is a whole file. Throws DataError, naming `path` and the byte or the tensor, where the header or
/// an offset is damaged, tensors overlap or leave a gap, a shape does not fit its bytes, or a type is neither
/// F32 nor F64.
Safetensors parse_safetensors(const std::string& path, Bytes content);
Safetensors read_safetensors(const std::string& path);

/// What stands before the tensors' elements in a file of them in the given order: length and JSON. `path` is
/// named in errors: ShapeError where a shape does not fit its bytes or a name is there twice, DataError where
/// a text is not UTF-8.
std::string safetensors_header(const std::string& path, std::span<const Tensor> tensors,
                               const std::map<std::string, std::string>& metadata);

/// Writes tensors in the given order; the same arguments give the same bytes. The file appears whole or not
/// at all (write_file). Throws as safetensors_header, and DataError where the file cannot be written.
void write_safetensors(const std::string& path, std::span<const Tensor> tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace natgrad
