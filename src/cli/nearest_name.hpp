/// The known name that someone who mistyped another probably meant.
#pragma once

#include <span>
#include <string_view>

namespace natgrad::cli {

/// Fewest insertions, deletions and substitutions of a character that turn `a` into `b` (Levenshtein 1966).
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The known name with the smallest distance, the first of equals; empty where none is known.
std::string_view nearest_name(std::string_view name, std::span<const std::string_view> known);

}  // namespace natgrad::cli
