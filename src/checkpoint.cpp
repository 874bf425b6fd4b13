#include "natgrad/checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "io/checksum.hpp"
#include "io/number.hpp"
#include "io/safetensors.hpp"

namespace natgrad {
namespace {

using Part = std::span<const std::uint8_t>;

constexpr std::string_view format_name = "natgrad-checkpoint-1";
constexpr std::string_view no_checksum = "00000000";
// What stands in the header before the checksum's digits, and nowhere else: texts have their quotes escaped.
constexpr std::string_view before_checksum = "\"crc32\":\"";

template <class R>
constexpr std::string_view precision_name = sizeof(R) == 8 ? "f64" : "f32";

[[noreturn]] void refuse(const std::string& complaint) {
  throw DataError(complaint + "; use an older checkpoint of the run");
}

/// CRC-32 of the parts, one after the other.
std::string checksum(std::span<const Part> parts) {
  std::uint32_t sum = 0;
  for (const Part part : parts) sum = crc32_of(part, sum);
  return fmt::format("{:08x}", sum);
}

template <class R>
std::map<std::string, std::string> metadata_of(const Checkpoint<R>& checkpoint) {
  std::map<std::string, std::string> metadata = {{"format", std::string(format_name)},
                                                 {"precision", std::string(precision_name<R>)},
                                                 {"crc32", std::string(no_checksum)}};
  for (const auto& [name, value] : checkpoint.state.counts) metadata["count." + name] = fmt::to_string(value);
  for (const auto& [name, value] : checkpoint.state.numbers)
    metadata["number." + name] = fmt::to_string(value);
  for (const auto& [name, text] : checkpoint.about) metadata["about." + name] = text;
  return metadata;
}

void require_format(const std::string& path, const Safetensors& file) {
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end())
    throw DataError(
        fmt::format("{}: is no checkpoint: its metadata lack 'format' (expected '{}')", path, format_name));
  if (format->second != format_name) {
    throw DataError(fmt::format(
        "{}: has format '{}', expected '{}'; use a checkpoint of this version of natgrad, or the version "
        "that wrote it",
        path, format->second, format_name));
  }
}

/// Compares the checksum with the one that the content states, whose digits become zeros.
void require_checksum(const std::string& path, Bytes& content) {
  const auto entry =
      std::search(content.begin(), content.end(), before_checksum.begin(), before_checksum.end());
  const auto size = static_cast<std::ptrdiff_t>(no_checksum.size());
  if (content.end() - entry < static_cast<std::ptrdiff_t>(before_checksum.size()) + size)
    refuse(path + ": the file is damaged: it lacks its checksum, 'crc32'");
  const auto digits = entry + static_cast<std::ptrdiff_t>(before_checksum.size());
  const std::string stated(digits, digits + size);
  std::ranges::copy(no_checksum, digits);
  const Part whole = content;
  const std::string found = checksum({&whole, 1});
  if (found != stated)
    refuse(fmt::format("{}: the file is damaged: its checksum is {}, expected {}", path, found, stated));
}

template <class R>
void require_precision(const std::string& path, const Safetensors& file) {
  const auto found = file.metadata.find("precision");
  if (found == file.metadata.end()) refuse(path + ": the metadata lack 'precision'");
  if (found->second == precision_name<R>) return;
  throw DataError(
      fmt::format("{}: was saved in precision {}, expected {}; go on in the precision that it was saved in",
                  path, found->second, precision_name<R>));
}

/// The number that an entry of the metadata spells.
template <class T>
T number_in(const std::string& path, const std::string& key, const std::string& text) {
  const auto value = parse_number<T>(text);
  if (!value) refuse(fmt::format("{}: metadata '{}' is '{}', expected a number", path, key, text));
  return *value;
}

template <class R>
std::vector<R> array_in(const std::string& path, const Tensor& tensor) {
  if (tensor.double_precision != (sizeof(R) == 8) || tensor.shape.size() != 1) {
    refuse(fmt::format("{}: tensor '{}' has {} dimensions in {}, expected 1 in {}", path, tensor.name,
                       tensor.shape.size(), tensor.double_precision ? "f64" : "f32", precision_name<R>));
  }
  std::vector<R> values(static_cast<std::size_t>(tensor.size()));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

Safetensors read(const std::string& path) {
  try {
    return read_safetensors(path);
  } catch (const DataError& error) {
    refuse(error.what());
  }
}

}  // namespace

template <class R>
void save_checkpoint(const std::string& path, const Checkpoint<R>& checkpoint) {
  std::vector<Tensor> tensors;
  for (const auto& [name, values] : checkpoint.state.arrays)
    tensors.push_back(
        {name, {static_cast<Index>(values.size())}, sizeof(R) == 8, bytes_of(std::span(values))});
  std::string header = safetensors_header(path, tensors, metadata_of(checkpoint));
  std::vector<Part> parts = {bytes_of(std::span<const char>(header))};
  for (const Tensor& tensor : tensors) parts.push_back(tensor.bytes);
  header.replace(header.find(before_checksum) + before_checksum.size(), no_checksum.size(), checksum(parts));
  write_file(path, parts);
}

template <class R>
Checkpoint<R> load_checkpoint(const std::string& path) {
  Safetensors file = read(path);
  require_format(path, file);
  require_checksum(path, file.content);
  require_precision<R>(path, file);
  Checkpoint<R> checkpoint;
  for (const auto& [key, text] : file.metadata) {
    const std::string name = key.substr(key.find('.') + 1);
    if (key.starts_with("count.")) checkpoint.state.counts[name] = number_in<Index>(path, key, text);
    if (key.starts_with("number.")) checkpoint.state.numbers[name] = number_in<double>(path, key, text);
    if (key.starts_with("about.")) checkpoint.about[name] = text;
  }
  for (const Tensor& tensor : file.tensors) checkpoint.state.arrays[tensor.name] = array_in<R>(path, tensor);
  return checkpoint;
}

template void save_checkpoint(const std::string&, const Checkpoint<float>&);
template void save_checkpoint(const std::string&, const Checkpoint<double>&);
template Checkpoint<float> load_checkpoint(const std::string&);
template Checkpoint<double> load_checkpoint(const std::string&);

}  // namespace natgrad
