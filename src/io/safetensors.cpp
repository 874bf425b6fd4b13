#include "io/safetensors.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <utility>

#include "io/array.hpp"
#include "io/json.hpp"

namespace natgrad {
namespace {

constexpr std::size_t length_size = 8;  // the header's length, little-endian, before the header
constexpr const char* metadata_key = "__metadata__";

/// Whether elements of this shape and width (in bytes) take just so many bytes.
bool fits(std::span<const Index> shape, std::size_t width, std::size_t bytes) {
  return bytes % width == 0 && element_count(shape) == static_cast<Index>(bytes / width);
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
  // Such as "data_offsets" of a tensor of the header: deeper ones would take memory and stack for nothing.
  constexpr int deepest = 3;
  const std::string_view text(reinterpret_cast<const char*>(content.data()) + length_size, length);
  try {
    Json header = Json::parse(text, deepest);
    if (header.as<Json::Object>() == nullptr)
      throw DataError(path + ": byte 8: the safetensors header is not a JSON object");
    return header;
  } catch (const JsonError& error) {
    throw DataError(fmt::format("{}: byte {}: the safetensors header is not valid JSON: {}", path,
                                length_size + error.byte, error.what()));
  }
}

/// A member of a tensor's description: a list of whole numbers, none negative.
std::vector<Index> index_list(const std::string& where, const Json::Object& tensor, const char* key) {
  const auto fail = [&](const std::string& found) {
    return DataError(fmt::format("{}: '{}' is {}, expected a list of whole numbers from 0 to 2^63 - 1", where,
                                 key, found));
  };
  const auto member = tensor.find(key);
  if (member == tensor.end()) throw fail("missing");
  const auto* list = member->second.as<Json::List>();
  if (list == nullptr) throw fail(member->second.type_name());
  std::vector<Index> values;
  for (const Json& item : *list) {
    const auto* number = item.as<std::uint64_t>();
    if (number == nullptr || *number > static_cast<std::uint64_t>(INT64_MAX))
      throw fail(fmt::format("a list with the {} {}", item.type_name(), item.dump()));
    values.push_back(static_cast<Index>(*number));
  }
  return values;
}

/// The tensor that an entry of the header describes, with its bytes in `data`.
Tensor parse_tensor(const std::string& path, const std::string& name, const Json& entry,
                    std::span<const std::uint8_t> data) {
  const std::string where = fmt::format("{}: tensor '{}'", path, name);
  const auto* members = entry.as<Json::Object>();
  if (members == nullptr)
    throw DataError(fmt::format("{}: is a JSON {}, expected an object", where, entry.type_name()));
  Tensor tensor;
  tensor.name = name;
  const auto member = members->find("dtype");
  const auto* dtype = member == members->end() ? nullptr : member->second.as<std::string>();
  if (dtype == nullptr || (*dtype != "F32" && *dtype != "F64")) {
    throw DataError(fmt::format("{}: the dtype is {}, expected \"F32\" or \"F64\"", where,
                                member == members->end() ? "missing" : member->second.dump()));
  }
  tensor.double_precision = *dtype == "F64";
  tensor.shape = index_list(where, *members, "shape");
  const std::vector<Index> offsets = index_list(where, *members, "data_offsets");
  const auto size = static_cast<Index>(data.size());
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > size) {
    throw DataError(fmt::format(
        "{}: data_offsets [{}], expected [begin, end] with begin <= end <= {}, the bytes after the header",
        where, fmt::join(offsets, ", "), size));
  }
  const auto bytes = static_cast<std::size_t>(offsets[1] - offsets[0]);
  if (!fits(tensor.shape, tensor.width(), bytes)) {
    throw DataError(fmt::format("{}: shape [{}] of {} does not fit its {} bytes", where,
                                fmt::join(tensor.shape, ", "), *dtype, bytes));
  }
  tensor.bytes = data.subspan(static_cast<std::size_t>(offsets[0]), bytes);
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

double Tensor::operator[](Index k) const {
  const auto read = [&]<class T>(T value) {
    std::memcpy(&value, bytes.data() + static_cast<std::size_t>(k) * sizeof(T), sizeof(T));
    return static_cast<double>(value);
  };
  return double_precision ? read(double{}) : read(float{});
}

Safetensors parse_safetensors(const std::string& path, Bytes content) {
  Safetensors file;
  file.content = std::move(content);
  const Json header = parse_header(path, file.content);
  std::uint64_t header_length = 0;
  std::memcpy(&header_length, file.content.data(), length_size);
  const auto data = std::span<const std::uint8_t>(file.content).subspan(length_size + header_length);
  for (const auto& [name, entry] : *header.as<Json::Object>()) {
    if (name != metadata_key) {
      file.tensors.push_back(parse_tensor(path, name, entry, data));
      continue;
    }
    const auto* metadata = entry.as<Json::Object>();
    if (metadata == nullptr) throw DataError(path + ": __metadata__ is not a JSON object");
    for (const auto& [key, value] : *metadata) {
      const auto* text = value.as<std::string>();
      if (text == nullptr) {
        throw DataError(fmt::format("{}: __metadata__ entry '{}' is a JSON {}, expected a string", path, key,
                                    value.type_name()));
      }
      file.metadata[key] = *text;
    }
  }
  require_tensors_fill_data(path, file.tensors, data);
  return file;
}

std::string safetensors_header(const std::string& path, std::span<const Tensor> tensors,
                               const std::map<std::string, std::string>& metadata) {
  JsonObject header;
  std::set<std::string_view> names = {metadata_key};
  std::size_t offset = 0;
  try {
    JsonObject texts;
    for (const auto& [key, text] : metadata) texts.add(key, text);
    header.add(metadata_key, texts);
    for (const Tensor& tensor : tensors) {
      const std::size_t end = offset + tensor.bytes.size();
      if (!fits(tensor.shape, tensor.width(), tensor.bytes.size())) {
        throw ShapeError(fmt::format("{}: tensor '{}': shape [{}] does not fit {} bytes", path, tensor.name,
                                     fmt::join(tensor.shape, ", "), tensor.bytes.size()));
      }
      if (!names.insert(tensor.name).second)
        throw ShapeError(fmt::format("{}: tensor '{}': the name is taken", path, tensor.name));
      JsonObject entry;
      entry.add("dtype", tensor.double_precision ? "F64" : "F32");
      entry.add("shape", tensor.shape);
      entry.add("data_offsets", std::vector<std::size_t>{offset, end});
      header.add(tensor.name, entry);
      offset = end;
    }
  } catch (const JsonError& error) {
    throw DataError(
        fmt::format("{}: cannot be written, a name or a text is not UTF-8: {}", path, error.what()));
  }
  std::string text = header.text();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // aligns the elements
  const std::uint64_t length = text.size();
  std::array<char, length_size> length_bytes;
  std::memcpy(length_bytes.data(), &length, length_size);
  return text.insert(0, length_bytes.data(), length_size);
}

Safetensors read_safetensors(const std::string& path) { return parse_safetensors(path, read_file(path)); }

void write_safetensors(const std::string& path, std::span<const Tensor> tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::string header = safetensors_header(path, tensors, metadata);
  std::vector<std::span<const std::uint8_t>> parts = {bytes_of(std::span<const char>(header))};
  for (const Tensor& tensor : tensors) parts.push_back(tensor.bytes);
  write_file(path, parts);
}

}  // namespace natgrad
