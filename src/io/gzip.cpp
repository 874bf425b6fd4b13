#include "io/gzip.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <new>
#include <utility>

#include "host_memory.hpp"
#include "natgrad/error.hpp"

namespace natgrad {
namespace {

/// Decompresses members, one after the other, from a position in `input` to the end of `output`.
class Inflater {
 public:
  Inflater(std::span<const std::uint8_t> input, const std::string& path, std::uint64_t limit)
      : input_(input), path_(path), limit_(limit) {
    constexpr int gzip_only = 15 + 16;  // window bits 15; + 16 asks for the gzip header and trailer
    if (inflateInit2(&stream_, gzip_only) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  std::size_t position() const { return position_; }

  void member(Bytes& output) {
    inflateReset(&stream_);
    while (!step(output)) {
    }
  }

 private:
  /// One call of inflate with some input and some room; true at the member's end.
  bool step(Bytes& output) {
    constexpr std::size_t chunk = 1 << 16;
    const std::size_t filled = output.size();
    if (filled == output.capacity()) {
      const std::size_t wanted = filled + std::max(filled, chunk);
      require_host_memory(wanted, path_);
      output.reserve(wanted);
    }
    output.resize(filled + std::min(chunk, output.capacity() - filled));
    stream_.next_in = const_cast<Bytef*>(input_.data() + position_);
    stream_.avail_in = static_cast<uInt>(std::min(chunk, input_.size() - position_));
    stream_.next_out = output.data() + filled;
    stream_.avail_out = static_cast<uInt>(output.size() - filled);
    const int result = inflate(&stream_, Z_NO_FLUSH);
    position_ = static_cast<std::size_t>(stream_.next_in - input_.data());
    output.resize(static_cast<std::size_t>(stream_.next_out - output.data()));
    check(result, output.size());
    return result == Z_STREAM_END;
  }

  void check(int result, std::size_t size) const {
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    if (result == Z_BUF_ERROR) {  // there was room, so that it is the input that is missing
      throw DataError(
          fmt::format("{}: the gzip stream ends at byte {} before it is complete: the file is truncated",
                      path_, position_));
    }
    if (result != Z_OK && result != Z_STREAM_END) {
      throw DataError(fmt::format("{}: the gzip stream is damaged at byte {}: {}", path_, position_,
                                  stream_.msg ? stream_.msg : "unknown fault"));
    }
    if (size > limit_) {
      throw DataError(
          fmt::format("{}: the gzip stream expands to more than the {} bytes that --max-decompressed allows",
                      path_, limit_));
    }
  }

  std::span<const std::uint8_t> input_;
  const std::string& path_;
  std::uint64_t limit_;
  std::size_t position_ = 0;
  z_stream stream_{};
};

/// The trailer's size of the last member, modulo 2³², as far as the compressed size makes it credible.
std::size_t expected_size(std::span<const std::uint8_t> compressed) {
  constexpr std::size_t largest_ratio = 1032;  // of deflate
  if (compressed.size() < 18) return 0;
  const auto tail = compressed.last(4);
  const std::size_t size = tail[0] | tail[1] << 8 | tail[2] << 16 | static_cast<std::size_t>(tail[3]) << 24;
  return std::min(size, compressed.size() * largest_ratio);
}

}  // namespace

bool is_gzip(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

Bytes read_decompressed(const std::string& path, std::uint64_t limit) {
  Bytes bytes = read_file(path);
  try {
    return is_gzip(bytes) ? gunzip(bytes, path, limit) : std::move(bytes);
  } catch (const std::bad_alloc&) {
    throw OutOfMemory(fmt::format("{}: the decompressed content ({} bytes compressed) does not fit in memory",
                                  path, bytes.size()));
  }
}

Bytes gunzip(std::span<const std::uint8_t> compressed, const std::string& path, std::uint64_t limit) {
  const std::size_t expected = std::min<std::uint64_t>(expected_size(compressed), limit) + 1;
  require_host_memory(expected, path);
  Bytes output;
  output.reserve(expected);
  Inflater inflater(compressed, path, limit);
  do {
    inflater.member(output);
  } while (is_gzip(compressed.subspan(inflater.position())));

  const auto rest = compressed.subspan(inflater.position());
  if (std::ranges::any_of(rest,
                          [](std::uint8_t byte) { return byte != 0; })) {  // tapes are padded with zeros
    throw DataError(
        fmt::format("{}: the gzip stream ends at byte {}, but {} more bytes follow that are neither "
                    "zeros nor another gzip stream",
                    path, inflater.position(), rest.size()));
  }
  if (output.empty()) throw DataError(path + ": the gzip stream holds no data");
  return output;
}

}  // namespace natgrad
