#include "cli/console.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "natgrad/error.hpp"

namespace natgrad::cli {
namespace {

/// Whether all of it was written; else errno tells why not.
bool print(std::FILE* stream, std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), stream) == text.size() && std::fflush(stream) == 0;
}

}  // namespace

void print_out(std::string_view text) { print(stdout, text); }
void print_error(std::string_view text) { print(stderr, text); }

void print_result(std::string_view text) {
  if (!print(stdout, text) && errno != EPIPE)
    throw DataError(std::string("standard output: cannot be written: ") + std::strerror(errno));
}

void print_escaped(std::string_view text) {
  constexpr std::size_t head = 3000, tail = 1000;
  constexpr std::string_view omission = " ... ", hex = "0123456789abcdef";
  std::array<char, 4 * (head + tail) + omission.size()> shown;  // \xNN takes four
  auto end = shown.begin();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == head && text.size() > head + tail) {
      end = std::ranges::copy(omission, end).out;
      i = text.size() - tail;
    }
    const auto c = static_cast<unsigned char>(text[i]);
    const char escape[] = {'\\', 'x', hex[c / 16], hex[c % 16]};
    end = c < 0x20 || c == 0x7f ? std::ranges::copy(escape, end).out : (*end = text[i], end + 1);
  }
  print_error({shown.begin(), end});
}

std::string shell_word(std::string_view path) {
  constexpr std::string_view plain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=:,./@%";
  if (!path.empty() && path.find_first_not_of(plain) == std::string_view::npos) return std::string(path);
  std::string word = "'";
  for (const char c : path) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

}  // namespace natgrad::cli
