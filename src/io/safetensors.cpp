#include "io/safetensors.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace natgrad {
namespace {

using Json = nlohmann::json;

constexpr std::size_t length_size = 8;  // the header's length, little-endian, before the header
constexpr const char* metadata_key = "__metadata__";

/// Elements of the shape; none where a dimension is negative or the count exceeds 2⁶³ − 1.
std::optional<Index> element_count(const std::vector<Index>& shape) {
  Index count = 1;
  for (const Index n : shape) {
    if (n < 0 || __builtin_mul_overflow(count, n, &count)) return std::nullopt;
  }
  return count;
}

Json parse_header(const std::string& path, const Bytes& content) {
  if (content.size() < length_size) {
    throw DataError(
        fmt::format("{}: has {} bytes, expected a safetensors file (8 bytes of header length first)", path,
                    content.size()));
  }
  std::uint64_t length = 0;
  std::memcpy(&length, content.data(), length_size);
  if (length > content.size() - length_size) {
    throw DataError(fmt::format(
        "{}: the first 8 bytes give a header of {} bytes, but {} follow: the file is truncated or no safetensors file",
        path, length, content.size() - length_size));
  }
  const auto begin = content.begin() + length_size;
  try {
    Json header = Json::parse(begin, begin + static_cast<std::ptrdiff_t>(length));
    if (!header.is_object()) throw DataError(path + ": byte 8: the safetensors header is not a JSON object");
    return header;
  } catch (const Json::parse_error& error) {
    throw DataError(fmt::format("{}: byte {}: the safetensors header is not valid JSON: {}", path,
                                length_size + error.byte, error.what()));
  }
}

/// A member of a tensor's description: a list of whole numbers, none negative.
std::vector<Index> index_list(const std::string& where, const Json& tensor, const char* key) {
  const auto fail = [&](const std::string& found) {
    return DataError(fmt::format("{}: '{}' is {}, expected a list of whole numbers from 0 to 2^63 - 1", where,
                                 key, found));
  };
  const auto member = tensor.find(key);
  if (member == tensor.end()) throw fail("missing");
  if (!member->is_array()) throw fail(member->type_name());
  std::vector<Index> values;
  for (const Json& item : *member) {
    if (!item.is_number_unsigned() || item.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) {
      throw fail(fmt::format("a list with the {} {}", item.type_name(), item.dump(-1, ' ', true)));
    }
    values.push_back(item.get<Index>());
  }
  return values;
}

/// The tensor that an entry of the header describes, with its bytes in `data`.
Tensor parse_tensor(const std::string& path, const std::string& name, const Json& entry,
                    std::span<const std::uint8_t> data) {
  const std::string where = fmt::format("{}: tensor '{}'", path, name);
  if (!entry.is_object())
    throw DataError(fmt::format("{}: is a JSON {}, expected an object", where, entry.type_name()));
  Tensor tensor;
  tensor.name = name;
  const auto dtype = entry.find("dtype");
  if (dtype == entry.end() || (*dtype != "F32" && *dtype != "F64")) {
    throw DataError(fmt::format("{}: the dtype is {}, expected \"F32\" or \"F64\"", where,
                                dtype == entry.end() ? "missing" : dtype->dump(-1, ' ', true)));
  }
  tensor.double_precision = *dtype == "F64";
  tensor.shape = index_list(where, entry, "shape");
  const std::vector<Index> offsets = index_list(where, entry, "data_offsets");
  const auto size = static_cast<Index>(data.size());
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > size) {
    throw DataError(fmt::format(
        "{}: data_offsets [{}], expected [begin, end] with begin <= end <= {}, the bytes after the header",
        where, fmt::join(offsets, ", "), size));
  }
  const Index bytes = offsets[1] - offsets[0];
  const Index width = tensor.double_precision ? 8 : 4;
  if (bytes % width != 0 || element_count(tensor.shape) != bytes / width) {
    throw DataError(fmt::format("{}: shape [{}] of {} does not fit its {} bytes", where,
                                fmt::join(tensor.shape, ", "), dtype->get<std::string>(), bytes));
  }
  tensor.bytes = data.subspan(static_cast<std::size_t>(offsets[0]), static_cast<std::size_t>(bytes));
  return tensor;
}

/// Sorts the tensors by their place and makes sure that they fill the data.
void require_tensors_fill_data(const std::string& path, std::vector<Tensor>& tensors,
                               std::span<const std::uint8_t> data) {
  std::ranges::stable_sort(tensors, [](const Tensor& a, const Tensor& b) {
    return std::pair(a.bytes.data(), a.bytes.size()) < std::pair(b.bytes.data(), b.bytes.size());
  });
  const std::uint8_t* end = data.data();
  for (const Tensor& tensor : tensors) {
    if (tensor.bytes.data() != end) {
      throw DataError(fmt::format(
          "{}: tensor '{}' begins at data byte {}, expected {}: tensors must neither overlap nor leave a gap",
          path, tensor.name, tensor.bytes.data() - data.data(), end - data.data()));
    }
    end += tensor.bytes.size();
  }
  const auto used = static_cast<std::size_t>(end - data.data());
  if (used != data.size()) {
    throw DataError(fmt::format("{}: the tensors end at data byte {}, but the file goes on to {}", path, used,
                                data.size()));
  }
}

}  // namespace

Index Tensor::size() const { return element_count(shape).value_or(-1); }

double Tensor::operator[](Index k) const {
  const auto read = [&]<class T>(T value) {
    std::memcpy(&value, bytes.data() + static_cast<std::size_t>(k) * sizeof(T), sizeof(T));
    return static_cast<double>(value);
  };
  return double_precision ? read(double{}) : read(float{});
}

Safetensors read_safetensors(const std::string& path) {
  Safetensors file;
  file.content = read_file(path);
  const Json header = parse_header(path, file.content);
  std::uint64_t header_length = 0;
  std::memcpy(&header_length, file.content.data(), length_size);
  const auto data = std::span<const std::uint8_t>(file.content).subspan(length_size + header_length);
  for (const auto& [name, entry] : header.items()) {
    if (name != metadata_key) {
      file.tensors.push_back(parse_tensor(path, name, entry, data));
      continue;
    }
    if (!entry.is_object()) throw DataError(path + ": __metadata__ is not a JSON object");
    for (const auto& [key, text] : entry.items()) {
      if (!text.is_string()) {
        throw DataError(fmt::format("{}: __metadata__ entry '{}' is a JSON {}, expected a string", path, key,
                                    text.type_name()));
      }
      file.metadata[key] = text.get<std::string>();
    }
  }
  require_tensors_fill_data(path, file.tensors, data);
  return file;
}

void write_safetensors(const std::string& path, std::span<const Tensor> tensors,
                       const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header;
  header[metadata_key] = metadata;
  std::size_t offset = 0;
  for (const Tensor& tensor : tensors) {
    const std::size_t end = offset + tensor.bytes.size();
    if (static_cast<std::size_t>(tensor.size()) * (tensor.double_precision ? 8 : 4) != tensor.bytes.size()) {
      throw ShapeError(fmt::format("{}: tensor '{}': shape [{}] does not fit {} bytes", path, tensor.name,
                                   fmt::join(tensor.shape, ", "), tensor.bytes.size()));
    }
    header[tensor.name] = {{"dtype", tensor.double_precision ? "F64" : "F32"},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::ordered_json::type_error& error) {
    throw DataError(
        fmt::format("{}: cannot be written, a name or a text is not UTF-8: {}", path, error.what()));
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');  // aligns the elements
  const std::uint64_t length = text.size();
  std::vector<std::span<const std::uint8_t>> parts = {bytes_of(std::span<const std::uint64_t>(&length, 1)),
                                                      bytes_of(std::span<const char>(text))};
  for (const Tensor& tensor : tensors) parts.push_back(tensor.bytes);
  write_file(path, parts);
}

}  // namespace natgrad
