/// Numbers in text, read the same way in every locale.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace natgrad {

/// The number that the whole text spells, as T; a leading '+' is allowed, white space is not. None where the
/// text is no number, or one beyond T's range. Floating-point types also read "nan" and "inf".
template <class T>
std::optional<T> parse_number(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace natgrad
