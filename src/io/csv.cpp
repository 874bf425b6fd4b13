#include "io/csv.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace natgrad {
namespace {

std::string_view trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

CsvReader::CsvReader(std::string path, Bytes text) : path_(std::move(path)), text_(std::move(text)) {
  constexpr std::array<std::uint8_t, 3> byte_order_mark = {0xef, 0xbb, 0xbf};
  if (text_.size() >= 3 && std::equal(byte_order_mark.begin(), byte_order_mark.end(), text_.begin()))
    position_ = 3;
  delimiter_ = detect_delimiter();
}

char CsvReader::detect_delimiter() const {
  constexpr std::array candidates = {',', ';', '\t'};
  std::array<Index, 3> counts{};
  bool quoted = false, seen = false;
  for (std::size_t i = position_; i < text_.size(); ++i) {
    const char c = static_cast<char>(text_[i]);
    if (c == '\n' && !quoted && seen) break;
    seen |= c != '\n' && c != '\r' && c != ' ';
    quoted ^= c == '"';
    for (std::size_t k = 0; k < candidates.size(); ++k) counts[k] += !quoted && c == candidates[k];
  }
  return candidates[static_cast<std::size_t>(std::ranges::max_element(counts) - counts.begin())];
}

bool CsvReader::next(std::vector<std::string_view>& cells) {
  while (position_ < text_.size()) {
    cells.clear();
    record_line_ = next_line_;
    for (;;) {
      cells.push_back(cell());
      if (position_ >= text_.size()) break;
      if (text_[position_++] == '\n') {
        ++next_line_;
        break;
      }
    }
    if (cells.size() > 1 || !cells[0].empty()) return true;  // else a blank line
  }
  return false;
}

/// Leaves `position_` at the delimiter or line end after the cell, or at the text's end.
std::string_view CsvReader::cell() {
  const char* data = reinterpret_cast<const char*>(text_.data());
  while (position_ < text_.size() && data[position_] == ' ') ++position_;
  if (position_ < text_.size() && data[position_] == '"') return quoted_cell();
  const std::size_t start = position_;
  while (position_ < text_.size() && data[position_] != delimiter_ && data[position_] != '\n') ++position_;
  return trim({data + start, position_ - start});
}

std::string_view CsvReader::quoted_cell() {
  const char* data = reinterpret_cast<const char*>(text_.data());
  const Index first_line = next_line_;
  const std::size_t start = ++position_;
  std::string* unescaped = nullptr;
  std::size_t copied = start;  // the cell's text before here is in `unescaped`
  for (;; ++position_) {
    if (position_ >= text_.size()) {
      throw DataError(
          fmt::format("{}: line {}: a quoted cell begins here and is never closed", path_, first_line));
    }
    next_line_ += data[position_] == '\n';
    if (data[position_] != '"') continue;
    if (position_ + 1 >= text_.size() || data[position_ + 1] != '"') break;
    ++position_;  // a doubled quote stands for one: copy it, skip the other
    if (!unescaped) unescaped = &unescaped_.emplace_back();
    unescaped->append(data + copied, position_ - copied);
    copied = position_ + 1;
  }
  std::string_view content(data + start, position_ - start);
  if (unescaped) content = unescaped->append(data + copied, position_ - copied);
  const std::size_t end = ++position_;
  while (position_ < text_.size() && data[position_] != delimiter_ && data[position_] != '\n') ++position_;
  const std::string_view rest = trim({data + end, position_ - end});
  if (!rest.empty()) {
    throw DataError(
        fmt::format("{}: line {}: found '{}' after a closing quote, expected a delimiter or the line's end",
                    path_, next_line_, rest));
  }
  return content;
}

}  // namespace natgrad
