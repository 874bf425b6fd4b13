/// Enumerations and their names on the command line and in files.
#pragma once

#include <string>
#include <string_view>

#include "natgrad/error.hpp"

namespace natgrad {

template <class Enum>
struct Name {
  Enum value;
  std::string_view name;
};

template <class Enum, std::size_t n>
constexpr std::string_view name_of(const Name<Enum> (&names)[n], Enum value) {
  for (const auto& entry : names)
    if (entry.value == value) return entry.name;
  return "?";
}

/// Throws UsageError `what "name" is none of a, b, c`.
template <class Enum, std::size_t n>
Enum value_of(const Name<Enum> (&names)[n], std::string_view name, const char* what) {
  std::string allowed;
  for (const auto& entry : names) {
    if (entry.name == name) return entry.value;
    allowed += (allowed.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw UsageError(std::string(what) + " \"" + std::string(name) + "\" is none of " + allowed);
}

}  // namespace natgrad
