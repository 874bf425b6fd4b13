#include "io/npy.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

namespace natgrad {
namespace {

constexpr std::string_view magic = "\x93NUMPY";

/// Reads the header, a Python dictionary such as {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }.
class HeaderParser {
 public:
  HeaderParser(const std::string& path, std::string_view text, std::size_t offset)
      : path_(path), text_(text), offset_(offset) {}

  void parse(Array& array) {
    std::optional<ElementType> type;
    std::optional<bool> fortran_order;
    std::optional<std::vector<Index>> shape;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string();
      expect(':');
      if (key == "descr") {
        type = element_type();
      } else if (key == "fortran_order") {
        fortran_order = boolean();
      } else if (key == "shape") {
        shape = tuple();
      } else {
        fail(fmt::format("unknown key '{}'", key), "'descr', 'fortran_order' or 'shape'");
      }
      if (!accept(',') && peek() != '}') fail(found(), "',' or '}'");
    }
    if (peek() != '\0') fail(found(), "the header's end");
    if (!type || !fortran_order || !shape)
      fail("an incomplete header", "'descr', 'fortran_order' and 'shape'");
    array.type = *type;
    array.fortran_order = *fortran_order;
    array.shape = std::move(*shape);
  }

 private:
  [[noreturn]] void fail(const std::string& found, const std::string& expected) const {
    throw DataError(fmt::format("{}: NPY header, byte {}: found {}, expected {}", path_, offset_ + position_,
                                found, expected));
  }

  /// The next character that is not white space; '\0' at the end.
  char peek() {
    position_ = std::min(text_.find_first_not_of(" \t\r\n", position_), text_.size());
    return position_ < text_.size() ? text_[position_] : '\0';
  }
  std::string found() { return peek() ? fmt::format("{:?}", text_.substr(position_, 1)) : "its end"; }

  bool accept(char wanted) {
    if (peek() != wanted) return false;
    ++position_;
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted)) fail(found(), fmt::format("'{}'", wanted));
  }

  std::string_view string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail(found(), "a quoted string");
    const std::size_t end = text_.find(quote, position_ + 1);
    if (end == std::string_view::npos) fail("a string without end", "a closing quote");
    const std::string_view content = text_.substr(position_ + 1, end - position_ - 1);
    position_ = end + 1;
    return content;
  }

  bool boolean() {
    peek();
    for (const auto& [word, value] : {std::pair{std::string_view("True"), true}, {"False", false}}) {
      if (!text_.substr(position_).starts_with(word)) continue;
      position_ += word.size();
      return value;
    }
    fail(found(), "True or False");
  }

  std::vector<Index> tuple() {
    std::vector<Index> values;
    expect('(');
    while (!accept(')')) {
      peek();
      Index value = 0;
      const char* begin = text_.data() + position_;
      const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
      if (error != std::errc() || value < 0) fail(found(), "a dimension from 0 to 2^63 - 1");
      position_ += static_cast<std::size_t>(end - begin);
      accept('L');  // Python 2's long integers
      values.push_back(value);
      if (!accept(',') && peek() != ')') fail(found(), "',' or ')'");
    }
    return values;
  }

  ElementType element_type() {
    if (peek() == '[') fail("a structured dtype", "an array of numbers; save its fields as columns");
    const std::string_view name = string();
    constexpr std::pair<std::string_view, ElementType> types[] = {
        {"|u1", ElementType::u1}, {"|b1", ElementType::u1}, {"|i1", ElementType::i1},
        {"<u2", ElementType::u2}, {"<i2", ElementType::i2}, {"<u4", ElementType::u4},
        {"<i4", ElementType::i4}, {"<i8", ElementType::i8}, {"<f4", ElementType::f4},
        {"<f8", ElementType::f8}};
    for (const auto& [known, type] : types) {
      if (name == known) return type;
    }
    const char* hint = "convert it with x.astype('<f8')";
    if (name.starts_with('>')) hint = "it is big-endian; convert it with x.astype(x.dtype.newbyteorder('<'))";
    if (name.starts_with("|O"))
      hint = "an object array holds Python objects, no numbers; convert it with x.astype('<f8')";
    fail(fmt::format("dtype '{}'", name),
         fmt::format("|u1, |i1, |b1, <u2, <i2, <u4, <i4, <i8, <f4 or <f8 ({})", hint));
  }

  const std::string& path_;
  std::string_view text_;
  std::size_t offset_;
  std::size_t position_ = 0;
};

std::string_view header_text(const std::string& path, const Bytes& bytes) {
  const auto truncated = [&](std::size_t wanted) {
    return DataError(
        fmt::format("{}: the NPY header takes {} bytes, the file has {}: it is truncated or damaged", path,
                    wanted, bytes.size()));
  };
  if (bytes.size() < 10) throw truncated(10);
  const unsigned major = bytes[6], minor = bytes[7];
  if (major < 1 || major > 3 || minor != 0) {
    throw DataError(
        fmt::format("{}: NPY version {}.{} at byte 6, expected 1.0, 2.0 or 3.0", path, major, minor));
  }
  const std::size_t begin = major == 1 ? 10 : 12;
  if (bytes.size() < begin) throw truncated(begin);
  std::size_t length = 0;
  for (std::size_t at = begin; at-- > 8;) length = length << 8 | bytes[at];
  if (bytes.size() - begin < length) throw truncated(begin + length);
  return {reinterpret_cast<const char*>(bytes.data()) + begin, length};
}

}  // namespace

bool is_npy(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin(),
                    [](char a, auto b) { return static_cast<std::uint8_t>(a) == b; });
}

Array parse_npy(const std::string& path, Bytes bytes) {
  Array array;
  array.path = path;
  const std::string_view header = header_text(path, bytes);
  const auto header_begin =
      static_cast<std::size_t>(reinterpret_cast<const std::uint8_t*>(header.data()) - bytes.data());
  HeaderParser(path, header, header_begin).parse(array);
  array.offset = header_begin + header.size();
  array.bytes = std::move(bytes);
  require_elements_fill_file(array);
  return array;
}

template <class R>
void write_npy(const std::string& path, MatrixView<const R> values, const std::vector<Index>& shape) {
  if (element_count(shape) != values.size()) {
    throw ShapeError(fmt::format("{}: shape ({}) does not hold the {} x {} = {} elements given", path,
                                 fmt::join(shape, ", "), values.rows, values.cols, values.size()));
  }
  static_assert(std::endian::native == std::endian::little);
  std::string header = fmt::format("{{'descr': '<f{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                   sizeof(R), fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  constexpr std::size_t begin = 10, alignment = 64;  // the elements start at a multiple of 64, as NumPy's do
  header.resize((begin + header.size() + 1 + alignment - 1) / alignment * alignment - begin - 1, ' ');
  header += '\n';
  const std::string start = std::string(magic) + '\x01' + '\0' + static_cast<char>(header.size() & 0xff) +
                            static_cast<char>(header.size() >> 8);

  std::vector<std::span<const std::uint8_t>> parts = {bytes_of(std::span<const char>(start)),
                                                      bytes_of(std::span<const char>(header))};
  const bool contiguous = values.stride == values.rows;
  const std::size_t run = static_cast<std::size_t>(contiguous ? values.size() : values.rows);
  for (Index j = 0; j < (contiguous ? 1 : values.cols); ++j) {
    parts.push_back(bytes_of(std::span<const R>(values.data + j * values.stride, run)));
  }
  write_file(path, parts);
}

template void write_npy(const std::string&, MatrixView<const float>, const std::vector<Index>&);
template void write_npy(const std::string&, MatrixView<const double>, const std::vector<Index>&);

}  // namespace natgrad
