/// JSON that is read, and JSON text that is written. nlohmann's library reads tokens and formats scalars; its
/// own lists and objects take memory while they are destroyed, which would end the program where there is
/// none left.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace natgrad {

/// What is no JSON, or not the JSON expected.
struct JsonError : std::runtime_error {
  JsonError(std::size_t at, const std::string& message) : std::runtime_error(message), byte(at) {}
  std::size_t byte;  // from 1; 0: of a value as a whole
};

/// A value that was read.
class Json {
 public:
  using List = std::vector<Json>;
  using Object = std::map<std::string, Json>;

  Json() = default;
  template <class T>
  explicit Json(T value) : value_(std::move(value)) {}

  /// Throws JsonError where `text` is none, or nests lists and objects more than `deepest` deep.
  static Json parse(std::string_view text, int deepest);

  /// The value where it is a T, else null: List, Object, std::string, bool, std::uint64_t (whole numbers from
  /// 0), std::int64_t (the negative ones), double (the others).
  template <class T>
  const T* as() const {
    return std::get_if<T>(&value_);
  }
  template <class T>
  T* as() {
    return std::get_if<T>(&value_);
  }
  /// "number", "string", "object", …
  const char* type_name() const;
  /// As text.
  std::string dump() const;

 private:
  std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string, List, Object> value_;
};

/// A list of numbers or of strings; throws JsonError where `text` is another value.
template <class T>
std::vector<T> parse_json_list(std::string_view text);

/// As JSON: numbers in the fewest digits that read back exactly, NaN and infinities as null. Throws JsonError
/// for a text that is not UTF-8.
std::string json_text(double value);
std::string json_text(bool value);
std::string json_text(std::int64_t value);
std::string json_text(std::uint64_t value);
std::string json_text(std::string_view value);
inline std::string json_text(const char* value) { return json_text(std::string_view(value)); }
inline std::string json_text(const std::string& value) { return json_text(std::string_view(value)); }
template <std::integral T>
std::string json_text(T value) {
  return json_text(static_cast<std::int64_t>(value));
}
template <class T>
std::string json_text(const std::vector<T>& values) {
  std::string text = "[";
  for (const T& value : values) text += (text.size() > 1 ? "," : "") + json_text(value);
  return text + "]";
}

/// The text of an object, member by member.
class JsonObject {
 public:
  template <class T>
  void add(std::string_view key, const T& value) {
    text_ += (text_.size() > 1 ? "," : "") + json_text(key) + ":" + json_text(value);
  }
  std::string text() const { return text_ + "}"; }

 private:
  std::string text_ = "{";
};
inline std::string json_text(const JsonObject& value) { return value.text(); }

}  // namespace natgrad
