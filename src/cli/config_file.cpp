#include "cli/config_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <filesystem>
#include <optional>
#include <sstream>

#include "cli/nearest_name.hpp"
#include "cli/option_value.hpp"
#include "io/file.hpp"

namespace natgrad::cli {
namespace {

/// A value, for a message. toml++ estimates the width of lists by arithmetic that is undefined for inf, 1e-9
/// or the least integer, so that it formats single values only.
std::string to_text(const toml::node& node) {
  if (node.is_table()) return "{...}";
  if (const auto* array = node.as_array()) {
    std::vector<std::string> elements;
    for (const toml::node& element : *array) elements.push_back(to_text(element));
    return fmt::format("[{}]", fmt::join(elements, ", "));
  }
  std::ostringstream out;
  node.visit([&](const auto& value) { out << toml::toml_formatter{value}; });
  return out.str();
}

/// Whether the option's type is one that `node` can stand for: an integer for a real number, and a text or an
/// array for a list.
bool fits(const toml::node& node, const OptionEntry& entry) {
  const bool word = !entry.traits.word_for_zero.empty() && node.is_string();
  struct {
    const toml::node& node;
    bool text() const { return node.is_string(); }
    bool integer() const { return node.is_integer(); }
    bool operator()(std::string Options::*) const { return text(); }
    bool operator()(std::vector<std::string> Options::*) const { return text() || node.is_array(); }
    bool operator()(std::vector<Index> Options::*) const { return text() || integer() || node.is_array(); }
    bool operator()(Index Options::*) const { return integer(); }
    bool operator()(std::uint64_t Options::*) const { return integer(); }
    bool operator()(std::optional<Index> Options::*) const { return integer(); }
    bool operator()(double Options::*) const { return node.is_number(); }
    bool operator()(std::optional<double> Options::*) const { return node.is_number(); }
    bool operator()(bool Options::*) const { return node.is_boolean(); }
  } const type_fits{node};
  const bool text = entry.traits.on_off || entry.traits.bytes;
  return word || (text && node.is_string()) || std::visit(type_fits, entry.member);
}

/// The value as it would stand on the command line; none where its type cannot.
std::optional<std::string> command_line_text(const toml::node& node) {
  if (const auto* array = node.as_array()) {
    std::vector<std::string> elements;
    for (const toml::node& element : *array) {
      if (element.is_array()) return std::nullopt;
      const auto text = command_line_text(element);
      if (!text) return std::nullopt;
      elements.push_back(*text);
    }
    return fmt::format("{}", fmt::join(elements, ","));
  }
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  if (node.is_integer() || node.is_boolean()) return to_text(node);
  return std::nullopt;
}

void read_entry(const std::string& path, const toml::key& key, const toml::node& node, Options& options) {
  const std::string where = fmt::format("{}: line {}", path, key.source().begin.line);
  const OptionEntry* entry = find_option(train, key.str());
  if (entry == nullptr) {
    throw UsageError(fmt::format("{}: unknown key '{}'; the nearest is '{}', see natgrad train --help", where,
                                 key.str(), nearest_name(key.str(), option_names(train))));
  }
  const std::string given = fmt::format("{}: {} = {}", where, key.str(), to_text(node));
  const auto text = fits(node, *entry) ? command_line_text(node) : std::nullopt;
  if (!text) throw UsageError(fmt::format("{}: expected {}", given, expectation(*entry)));
  set_value(*entry, given, *text, options);
  options.sources[entry->name] = Source::file;
}

/// toml++ recurses over the parts of a key, a.b.c, and would run out of stack: refuses lines with more dots
/// than a file of options needs between commas and slashes.
void require_short_keys(const std::string& path, std::string_view text) {
  constexpr int most_dots = 64;
  Index line = 1;
  int dots = 0;
  for (const char c : text) {
    line += c == '\n';
    dots = c == '\n' || c == ',' || c == '/' ? 0 : dots + (c == '.');
    if (dots > most_dots)
      throw UsageError(
          fmt::format("{}: line {}: found a key of many parts, expected NAME = VALUE", path, line));
  }
}

}  // namespace

void read_config(const std::string& path, Options& options) {
  const Bytes bytes = read_file(path);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  require_short_keys(path, text);
  try {
    const toml::table table = toml::parse(text, path);
    for (const auto& [key, node] : table) read_entry(path, key, node, options);
  } catch (const toml::parse_error& error) {
    throw UsageError(fmt::format("{}: line {}, column {}: {}", path, error.source().begin.line,
                                 error.source().begin.column, error.description()));
  }
}

std::string config_text(const Options& options) {
  std::string text = "# natgrad " NATGRAD_VERSION ": natgrad train --config <this file> repeats the run.\n";
  std::string_view group;
  for (const OptionEntry& entry : option_table()) {
    if ((entry.commands & train) == 0 || !entry.traits.recorded || !applies(entry, options)) continue;
    auto value = toml_value(entry, options);
    if (!value) continue;
    if (entry.traits.path) {
      const auto& file = options.*std::get<std::string Options::*>(entry.member);
      value = quoted(std::filesystem::absolute(file).lexically_normal().string());
    }
    if (entry.group != group) text += fmt::format("\n# {}\n", entry.group);
    group = entry.group;
    text += fmt::format("{} = {}\n", entry.name, *value);
  }
  return text;
}

}  // namespace natgrad::cli
