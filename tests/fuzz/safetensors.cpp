/// Safetensors, models and checkpoints.
#include "io/safetensors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "fuzz/target.hpp"
#include "io/checksum.hpp"
#include "natgrad/checkpoint.hpp"
#include "natgrad/model_file.hpp"

namespace natgrad::fuzz {
namespace {

Bytes save(const Safetensors& file) {
  return written([&](const std::string& path) { write_safetensors(path, file.tensors, file.metadata); });
}

/// The input with the check sum that its content has: without it, no change of a checkpoint would get past
/// it.
Bytes with_checksum(Input input) {
  constexpr std::string_view before = "\"crc32\":\"";
  Bytes bytes = copy(input);
  const auto entry = std::search(bytes.begin(), bytes.end(), before.begin(), before.end());
  if (bytes.end() - entry < static_cast<std::ptrdiff_t>(before.size()) + 8) return bytes;
  const auto digits = entry + static_cast<std::ptrdiff_t>(before.size());
  std::fill_n(digits, 8, '0');
  std::ranges::copy(fmt::format("{:08x}", crc32_of(bytes)), digits);
  return bytes;
}

template <class R>
void parse_checkpoint(const Bytes& bytes) {
  try {
    const auto save = [](const Checkpoint<R>& checkpoint) {
      return written([&](const std::string& path) { save_checkpoint<R>(path, checkpoint); });
    };
    const Bytes once = save(load_checkpoint<R>(as_file(bytes)));
    require(save(load_checkpoint<R>(as_file(once))) == once, "a checkpoint is read otherwise than written");
  } catch (const Error&) {
  }
}

}  // namespace

void parse_safetensors_file(Input input) {
  const Safetensors file = parse_safetensors("input", copy(input));
  for (const Tensor& tensor : file.tensors) {
    for (Index k = 0; k < tensor.size(); ++k) static_cast<void>(tensor[k]);
  }
  const Bytes once = save(file);
  require(save(parse_safetensors("written", once)) == once,
          "a safetensors file is read otherwise than written");
}

void parse_model_file(Input input) {
  const auto save = [](const Model& model) {
    return written([&](const std::string& path) { save_model(path, model); });
  };
  const Bytes once = save(load_model(as_file(input)));
  require(save(load_model(as_file(once))) == once, "a model is read otherwise than written");
}

void parse_checkpoint_file(Input input) {
  const Bytes bytes = with_checksum(input);
  parse_checkpoint<float>(bytes);
  parse_checkpoint<double>(bytes);
}

}  // namespace natgrad::fuzz
