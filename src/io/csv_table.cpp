#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "io/csv.hpp"
#include "io/gzip.hpp"
#include "io/number.hpp"

namespace natgrad {
namespace {

using Cells = std::vector<std::string_view>;
constexpr Index no_target = -1;

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// The target's column, or no_target. `first` is the first record, header or not.
Index find_target(const std::string& path, const Cells& first, const std::string& target,
                  Index features_alone) {
  const auto columns = static_cast<Index>(first.size());
  if (target.empty() || columns == features_alone) return no_target;
  if (all_digits(target)) {
    const auto index = parse_number<Index>(target);
    if (index && *index < columns) return *index;
    throw DataError(
        fmt::format("{}: has {} columns, so that the target column {} is not there; allowed: 0 to {}", path,
                    columns, target, columns - 1));
  }
  const auto found = std::ranges::find(first, std::string_view(target));
  if (found == first.end()) {
    const Cells shown(first.begin(), first.begin() + std::min<Index>(columns, 20));
    throw DataError(fmt::format(
        "{}: line 1 has no column named '{}', found: {}{}; a table without a header takes the target's 0-based index",
        path, target, fmt::join(shown, ", "), columns > 20 ? ", …" : ""));
  }
  return found - first.begin();
}

bool is_header(const Cells& first, const std::string& target, Index target_column) {
  if (target_column != no_target && !all_digits(target)) return true;
  bool text = false;
  for (std::size_t j = 0; j < first.size(); ++j) {
    if (static_cast<Index>(j) == target_column) continue;
    if (parse_number<double>(first[j])) return false;
    text |= !first[j].empty();
  }
  return text;
}

/// Collects the records of a table of `columns` columns.
template <class R>
class TableBuilder {
 public:
  TableBuilder(const std::string& path, Index columns, Index target)
      : path_(path), columns_(columns), target_(target) {
    table_.x.rows = columns - (target == no_target ? 0 : 1);
    if (table_.x.rows == 0)
      throw DataError(path + ": has no column but the target, expected features as well");
  }

  void set_header(const Cells& names) {
    for (Index j = 0; j < columns_; ++j) {
      if (j != target_) table_.feature_names.emplace_back(names[static_cast<std::size_t>(j)]);
    }
  }

  void add(const Cells& cells, Index line) {
    if (static_cast<Index>(cells.size()) != columns_) {
      throw DataError(fmt::format("{}: line {}: has {} cells, expected {} as in the first line", path_, line,
                                  cells.size(), columns_));
    }
    for (Index j = 0; j < columns_; ++j) {
      const std::string_view cell = cells[static_cast<std::size_t>(j)];
      if (cell.empty()) fail(line, j, "the cell is empty", j == target_ ? "a target" : "a number");
      if (j == target_) {
        table_.targets.emplace_back(cell);
      } else {
        table_.x.data.push_back(number(cell, line, j));
      }
    }
    table_.lines.push_back(line);
  }

  CsvTable<R> finish() {
    if (table_.lines.empty()) throw DataError(path_ + ": has no sample, expected one a line");
    table_.x.cols = static_cast<Index>(table_.lines.size());
    return std::move(table_);
  }

 private:
  [[noreturn]] void fail(Index line, Index column, const std::string& found, const char* expected) const {
    throw DataError(fmt::format("{}: line {} (sample {}), column {}: {}, expected {}", path_, line,
                                table_.lines.size(), column, found, expected));
  }

  R number(std::string_view cell, Index line, Index column) const {
    const auto value = parse_number<double>(cell);
    if (!value) {
      fail(line, column, fmt::format("'{}' is not a number of f64's range", cell),
           "a feature such as -1.5 or 2e3 (a column of text labels is named with --target)");
    }
    const R result = static_cast<R>(*value);
    if (!std::isfinite(result)) {
      fail(line, column, fmt::format("'{}' is {} (as {})", cell, result, sizeof(R) == 4 ? "f32" : "f64"),
           "a finite number; remove or repair the sample");
    }
    return result;
  }

  const std::string& path_;
  Index columns_, target_;
  CsvTable<R> table_;
};

}  // namespace

template <class R>
CsvTable<R> parse_csv(const std::string& path, Bytes text, const std::string& target, Index features_alone) {
  CsvReader reader(path, std::move(text));
  Cells cells;
  if (!reader.next(cells)) throw DataError(path + ": has blank lines only, expected a table");
  const Index target_column = find_target(path, cells, target, features_alone);
  TableBuilder<R> builder(path, static_cast<Index>(cells.size()), target_column);
  if (is_header(cells, target, target_column)) {
    builder.set_header(cells);
  } else {
    builder.add(cells, reader.line());
  }
  while (reader.next(cells)) builder.add(cells, reader.line());
  return builder.finish();
}

template <class R>
CsvTable<R> read_csv(const std::string& path, const std::string& target, Index features_alone,
                     std::uint64_t max_decompressed) {
  return parse_csv<R>(path, read_decompressed(path, max_decompressed), target, features_alone);
}

template CsvTable<float> parse_csv(const std::string&, Bytes, const std::string&, Index);
template CsvTable<double> parse_csv(const std::string&, Bytes, const std::string&, Index);
template CsvTable<float> read_csv(const std::string&, const std::string&, Index, std::uint64_t);
template CsvTable<double> read_csv(const std::string&, const std::string&, Index, std::uint64_t);

}  // namespace natgrad
