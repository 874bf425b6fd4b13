/// CSV tables of numbers with one target column.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "io/file.hpp"
#include "natgrad/dataset.hpp"

namespace natgrad {

/// Splits a CSV text (RFC 4180) into records. The delimiter is that one of comma, semicolon and tab which the
/// first record holds most of. Lines end with LF or CRLF; blank lines are skipped; a quoted cell may hold
/// delimiters, line ends and doubled quotes; white space around an unquoted cell does not count, nor does a
/// UTF-8 byte order mark.
class CsvReader {
 public:
  /// `text` is the whole file; `path` is named in errors.
  CsvReader(std::string path, Bytes text);

  /// The cells of the next record, which stay valid as long as the reader; false after the last one.
  /// Throws DataError, naming the line, at a quoted cell that is not closed or is followed by text.
  bool next(std::vector<std::string_view>& cells);
  /// The line, from 1, at which the last record began.
  Index line() const { return record_line_; }

 private:
  char detect_delimiter() const;
  std::string_view cell();
  std::string_view quoted_cell();

  std::string path_;
  Bytes text_;
  std::deque<std::string> unescaped_;  // cells whose text differs from the file's
  std::size_t position_ = 0;
  Index next_line_ = 1, record_line_ = 0;
  char delimiter_ = ',';
};

/// A table, one sample per record.
template <class R>
struct CsvTable {
  std::vector<std::string> feature_names;  ///< of the n columns but the target; empty without a header
  HostMatrix<R> x;                         ///< n × N
  std::vector<std::string> targets;        ///< N cells of the target column, as text; empty without one
  std::vector<Index> lines;                ///< the line of each sample
};

/// `text` is a whole table, and `path` is named in errors. `target` names the target column, by its
/// header or, where it is all digits, by its 0-based index; empty where every column is a feature. A table
/// with just `features_alone` columns is taken to have none (pass −1 where it must have one). The first
/// record is a header where `target` is a name in it, or where it has text in some feature column and a
/// number in none. Throws DataError, naming file, line and column, at a record of another length, an empty
/// cell, a feature that is no finite number (as R), a target that is not there, or a table without a sample
/// or a feature.
template <class R>
CsvTable<R> parse_csv(const std::string& path, Bytes text, const std::string& target, Index features_alone);
/// Reads a table, plain or gzip of at most `max_decompressed` bytes.
template <class R>
CsvTable<R> read_csv(const std::string& path, const std::string& target, Index features_alone,
                     std::uint64_t max_decompressed = decompressed_limit);

}  // namespace natgrad
