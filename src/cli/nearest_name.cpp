#include "cli/nearest_name.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace natgrad::cli {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);  // distances of a's prefix to all prefixes of b
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string_view nearest_name(std::string_view name, std::span<const std::string_view> known) {
  const auto nearest =
      std::ranges::min_element(known, {}, [&](std::string_view other) { return edit_distance(name, other); });
  return nearest == known.end() ? std::string_view{} : *nearest;
}

}  // namespace natgrad::cli
