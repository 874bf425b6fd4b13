#include "io/json.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace natgrad {
namespace {

using Library = nlohmann::json;

/// Builds a value from the library's tokens. `open_`: the lists and objects under way, outermost first.
class Builder final : public nlohmann::json_sax<Library> {
 public:
  explicit Builder(int deepest) : deepest_(static_cast<std::size_t>(deepest)) {}

  Json take() { return std::move(root_); }

  bool null() override { return put(Json()); }
  bool boolean(bool value) override { return put(Json(value)); }
  bool number_integer(std::int64_t value) override { return put(Json(value)); }
  bool number_unsigned(std::uint64_t value) override { return put(Json(value)); }
  bool number_float(double value, const std::string&) override { return put(Json(value)); }
  bool string(std::string& value) override { return put(Json(std::move(value))); }
  bool binary(Library::binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Json(Json::Object())); }
  bool start_array(std::size_t) override { return open(Json(Json::List())); }
  bool key(std::string& name) override {
    key_ = std::move(name);
    return true;
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t byte, const std::string&, const Library::exception& error) override {
    throw JsonError(byte, error.what());
  }

 private:
  Json& place(Json value) {
    if (open_.empty()) return root_ = std::move(value);
    if (auto* list = open_.back()->as<Json::List>()) return list->emplace_back(std::move(value));
    return (*open_.back()->as<Json::Object>())[key_] = std::move(value);
  }
  bool put(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json value) {
    if (open_.size() == deepest_) throw JsonError(0, fmt::format("it nests deeper than {} levels", deepest_));
    open_.push_back(&place(std::move(value)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::size_t deepest_;
  Json root_;
  std::vector<Json*> open_;  // what they are in does not grow before they are closed
  std::string key_;
};

// Scalars of the library take no memory when they are destroyed.
template <class T>
std::string scalar_text(const T& value) {
  try {
    return Library(value).dump();
  } catch (const Library::type_error& error) {
    throw JsonError(0, error.what());
  }
}

template <class T>
T value_of(const Json& item) {
  if constexpr (std::is_same_v<T, std::string>) {
    if (const auto* text = item.as<std::string>()) return *text;
  } else {
    if (const auto* number = item.as<double>()) return *number;
    if (const auto* number = item.as<std::int64_t>()) return static_cast<double>(*number);
    if (const auto* number = item.as<std::uint64_t>()) return static_cast<double>(*number);
  }
  throw JsonError(0, fmt::format("a list with a {}", item.type_name()));
}

}  // namespace

Json Json::parse(std::string_view text, int deepest) {
  Builder builder(deepest);
  Library::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

const char* Json::type_name() const {
  constexpr const char* names[] = {"null",   "boolean", "number", "number",
                                   "number", "string",  "array",  "object"};
  return names[value_.index()];
}

std::string Json::dump() const {
  return std::visit(
      []<class T>(const T& value) -> std::string {
        if constexpr (std::is_same_v<T, std::nullptr_t>) {
          return "null";
        } else if constexpr (std::is_same_v<T, List> || std::is_same_v<T, Object>) {
          return std::is_same_v<T, List> ? "[...]" : "{...}";
        } else {
          return json_text(value);
        }
      },
      value_);
}

template <class T>
std::vector<T> parse_json_list(std::string_view text) {
  const Json json = Json::parse(text, 1);
  const auto* list = json.as<Json::List>();
  if (list == nullptr) throw JsonError(0, fmt::format("a {}", json.type_name()));
  std::vector<T> values;
  for (const Json& item : *list) values.push_back(value_of<T>(item));
  return values;
}
template std::vector<double> parse_json_list(std::string_view);
template std::vector<std::string> parse_json_list(std::string_view);

std::string json_text(double value) { return scalar_text(value); }
std::string json_text(bool value) { return value ? "true" : "false"; }
std::string json_text(std::int64_t value) { return scalar_text(value); }
std::string json_text(std::uint64_t value) { return scalar_text(value); }
std::string json_text(std::string_view value) { return scalar_text(std::string(value)); }

}  // namespace natgrad
