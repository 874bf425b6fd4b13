/// Parsers under bytes that anybody could have written. libFuzzer makes them up (libfuzzer.cpp), and a test
/// replays the corpus under the normal build (tests/fuzz/replay_test.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "io/file.hpp"

namespace natgrad::fuzz {

using Input = std::span<const std::uint8_t>;

/// A parser, and what it may allocate at once: `factor` times the input's size and a constant. Factors count
/// the growth of vectors (three times their size while they double), and for text what a cell or a JSON value
/// of one or two bytes takes in memory.
struct Target {
  std::string_view name;
  void (*parse)(Input input);
  std::size_t factor;
};

/// Of every target: messages, buffers of streams, zlib's window and a block of decompressed data.
inline constexpr std::size_t constant_bytes = std::size_t{64} << 10;

/// What gzip and the formats inside it may expand to here.
inline constexpr std::uint64_t max_decompressed = 1 << 20;

std::span<const Target> targets();
/// Throws std::invalid_argument, listing the names, where there is none of this name.
const Target& find_target(std::string_view name);

/// Gives the input to the parser and returns the most bytes that it had allocated at once. The parser may
/// refuse the input by an Error; lets every other exception pass, and throws std::logic_error where more was
/// allocated than the target allows.
std::size_t run(const Target& target, Input input);

/// Throws std::logic_error with the complaint unless the condition holds.
void require(bool condition, const std::string& complaint);

/// The input as the content of a file that is overwritten by the next call.
const std::string& as_file(Input input);
/// The content of what `write` writes to a path.
template <class Write>
Bytes written(Write write) {
  const std::string& path = as_file({});
  write(path);
  return read_file(path);
}

inline Bytes copy(Input input) { return {input.begin(), input.end()}; }

void parse_npy_file(Input input);
void parse_idx_file(Input input);
void parse_gzip_file(Input input);
void parse_csv_file(Input input);
void parse_safetensors_file(Input input);
void parse_model_file(Input input);
void parse_checkpoint_file(Input input);
void parse_config_file(Input input);

}  // namespace natgrad::fuzz
