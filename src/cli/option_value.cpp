#include "cli/option_value.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <type_traits>

#include "io/number.hpp"

namespace natgrad::cli {
namespace {

template <class T>
struct ElementOf {
  using type = T;
};
template <class T>
struct ElementOf<std::vector<T>> {
  using type = T;
};
template <class T>
struct ElementOf<std::optional<T>> {
  using type = T;
};

/// The type of a member's value, and that of one element of it.
template <class M>
using Value = std::remove_reference_t<decltype(std::declval<Options&>().*std::declval<M>())>;
template <class M>
using Element = typename ElementOf<Value<M>>::type;

template <class T>
constexpr bool is_list = std::is_same_v<T, std::vector<typename ElementOf<T>::type>>;
template <class T>
constexpr bool is_optional = std::is_same_v<T, std::optional<typename ElementOf<T>::type>>;
template <class T>
constexpr bool is_integer = std::is_integral_v<T> && !std::is_same_v<T, bool>;

/// "2G" is 2 · 2³⁰; none for what is no such number or too large.
std::optional<Index> parse_bytes(std::string_view text) {
  constexpr std::string_view units = "KMG";  // 2¹⁰, 2²⁰, 2³⁰
  const auto unit = text.empty() ? std::string_view::npos : units.find(text.back());
  Index scale = 1;
  if (unit != std::string_view::npos) {
    scale = Index{1} << (10 * (unit + 1));
    text.remove_suffix(1);
  }
  const auto number = parse_number<Index>(text);
  if (!number || *number > std::numeric_limits<Index>::max() / scale) return std::nullopt;
  return *number * scale;
}

/// One element from text; none where the option does not allow it.
template <class T>
std::optional<T> parse(const OptionTraits& traits, std::string_view text) {
  if constexpr (std::is_same_v<T, std::string>) {
    if (text.empty() || text.find('\0') != text.npos) return std::nullopt;  // a path would end there
    if (traits.choices.empty()) return std::string(text);
    const auto choice = std::ranges::find(traits.choices, text);
    return choice == traits.choices.end() ? std::nullopt : std::optional(std::string(text));
  } else if constexpr (std::is_same_v<T, bool>) {
    if (text == "on" || text == "true") return true;
    if (text == "off" || text == "false") return false;
    return std::nullopt;
  } else {
    // Integers go through a signed type, which is also what TOML has.
    using Number = std::conditional_t<is_integer<T>, Index, T>;
    const auto read = [&]() -> std::optional<Number> {
      if constexpr (is_integer<T>)
        if (traits.bytes) return parse_bytes(text);
      return parse_number<Number>(text);
    };
    const auto number = read();
    const double value = number ? static_cast<double>(*number) : NAN;
    if (!std::isfinite(value) || !traits.range.contains(value)) return std::nullopt;
    return static_cast<T>(*number);
  }
}

/// A comma-separated list; none where the option does not allow an element. An empty text is the empty list.
template <class T>
std::optional<std::vector<T>> parse_list(const OptionTraits& traits, std::string_view text) {
  std::vector<T> list;
  if (text.empty()) return list;
  for (std::size_t begin = 0, end = 0; begin <= text.size(); begin = end + 1) {
    end = std::min(text.find(',', begin), text.size());
    const auto element = parse<T>(traits, text.substr(begin, end - begin));
    if (!element) return std::nullopt;
    list.push_back(*element);
  }
  return list;
}

std::string number_words(const Range& range) {
  const bool low = std::isfinite(range.low), high = std::isfinite(range.high);
  if (low && high) {
    return fmt::format(" from {:g} {} {:g}", range.low, range.below_high ? "up to, but not including," : "to",
                       range.high);
  }
  return low ? fmt::format(" {} {:g}", range.above_low ? "above" : "of at least", range.low) : "";
}

template <class T>
std::string toml_element(const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    return quoted(value);
  } else if constexpr (std::is_same_v<T, double>) {
    const std::string text = fmt::format("{}", value);  // the shortest that reads back exactly
    return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
  } else {
    return fmt::format("{}", value);
  }
}

}  // namespace

std::string quoted(const std::string& text) {
  std::ostringstream out;
  out << toml::toml_formatter{toml::value<std::string>(text),
                              toml::toml_formatter::default_flags &
                                  ~toml::format_flags::allow_literal_strings &
                                  ~toml::format_flags::allow_multi_line_strings};
  return out.str();
}

void set_value(const OptionEntry& entry, const std::string& given, std::string_view text, Options& options) {
  std::visit(
      [&](auto member) {
        using T = Value<decltype(member)>;
        const OptionTraits& traits = entry.traits;
        if (!traits.word_for_zero.empty() && text == traits.word_for_zero) {
          options.*member = T{};
          return;
        }
        if constexpr (is_list<T>) {
          auto list = parse_list<typename T::value_type>(traits, text);
          if (list) return void(options.*member = std::move(*list));
        } else {
          const auto value = parse<Element<decltype(member)>>(traits, text);
          if (value) return void(options.*member = *value);
        }
        throw UsageError(fmt::format("{}: expected {}; {}: {}", given, expectation(entry), entry.name,
                                     description(entry)));
      },
      entry.member);
}

std::optional<std::string> toml_value(const OptionEntry& entry, const Options& options) {
  return std::visit(
      [&](auto member) -> std::optional<std::string> {
        using T = Value<decltype(member)>;
        const auto& value = options.*member;
        if constexpr (is_list<T>) {
          std::vector<std::string> elements;
          for (const auto& element : value) elements.push_back(toml_element(element));
          return fmt::format("[{}]", fmt::join(elements, ", "));
        } else if constexpr (is_optional<T>) {
          return value ? std::optional(toml_element(*value)) : std::nullopt;
        } else if constexpr (std::is_same_v<T, std::string>) {
          return value.empty() ? std::nullopt : std::optional(toml_element(value));
        } else if constexpr (is_integer<T>) {
          const auto& word = entry.traits.word_for_zero;
          return value == 0 && !word.empty() ? quoted(std::string(word)) : toml_element(value);
        } else {
          return toml_element(value);
        }
      },
      entry.member);
}

std::string expectation(const OptionEntry& entry) {
  return std::visit(
      [&](auto member) -> std::string {
        using T = Value<decltype(member)>;
        using E = Element<decltype(member)>;
        const OptionTraits& traits = entry.traits;
        std::string one;
        if constexpr (std::is_same_v<E, bool>) {
          one = traits.on_off ? "on or off" : "true or false";
        } else if constexpr (std::is_same_v<E, std::string>) {
          one = traits.choices.empty() ? "a text that is not empty"
                                       : fmt::format("{}", fmt::join(traits.choices, ", "));
          if (traits.choices.size() > 1) one = "one of " + one;
        } else {
          one = (is_integer<E> ? "an integer" : "a finite number") + number_words(traits.range);
          if (traits.bytes) one += ", also with K, M or G behind it";
        }
        if (is_list<T>) one += ", or several with commas between";
        return traits.word_for_zero.empty() ? one : fmt::format("{}, or {}", one, traits.word_for_zero);
      },
      entry.member);
}

std::string placeholder(const OptionEntry& entry) {
  return std::visit(
      [&](auto member) -> std::string {
        using T = Value<decltype(member)>;
        using E = Element<decltype(member)>;
        const OptionTraits& traits = entry.traits;
        if (std::is_same_v<T, bool>) return traits.on_off ? "on|off" : "";
        if (std::is_same_v<T, std::string> && !traits.choices.empty())
          return fmt::format("{}", fmt::join(traits.choices, "|"));
        std::string one = std::is_same_v<E, std::string> ? "TEXT" : is_integer<E> ? "N" : "X";
        if (is_list<T>) one += ",...";
        if (traits.path) one = "FILE";
        if (traits.bytes) one = "BYTES";
        return traits.word_for_zero.empty() ? one : fmt::format("{}|{}", one, traits.word_for_zero);
      },
      entry.member);
}

std::string description(const OptionEntry& entry) {
  std::optional<std::string> standard = toml_value(entry, Options{});
  const bool flag = std::holds_alternative<bool Options::*>(entry.member) && !entry.traits.on_off;
  const bool told = entry.help.find("(default") != std::string_view::npos;
  if (flag || told || !standard) return std::string(entry.help);
  std::erase_if(*standard, [](char c) { return c == '"' || c == '[' || c == ']'; });
  if (entry.traits.on_off) *standard = *standard == "true" ? "on" : "off";
  return fmt::format("{} (default {})", entry.help, *standard);
}

}  // namespace natgrad::cli
