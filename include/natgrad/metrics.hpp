/// Metrics of a run as JSON lines.
#pragma once

#include <fstream>
#include <string>

#include "natgrad/trainer.hpp"

namespace natgrad {

/// One JSON object on one line, without the line's end. Keys as in the README; what was not measured is null.
std::string to_json(const StepRecord& record);
std::string to_json(const EvaluationRecord& record);

/// Writes records to a file, one line each, flushed line by line so that a killed run leaves whole lines.
class MetricsWriter {
 public:
  /// Creates or truncates the file. Throws DataError where it cannot be written.
  explicit MetricsWriter(const std::string& path);
  void write(const StepRecord& record) { write_line(to_json(record)); }
  void write(const EvaluationRecord& record) { write_line(to_json(record)); }

 private:
  void write_line(const std::string& line);

  std::string path_;
  std::ofstream file_;
};

}  // namespace natgrad
