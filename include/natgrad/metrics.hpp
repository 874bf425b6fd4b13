/// Metrics of a run as JSON lines.
#pragma once

#include <memory>
#include <string>

#include "natgrad/trainer.hpp"

namespace natgrad {

/// One JSON object on one line, without the line's end. Keys as in the README; what was not measured is null.
std::string to_json(const StepRecord& record);
std::string to_json(const EvaluationRecord& record);

class LineFile;

/// Writes records to a file, one line each, each line at once: a killed run leaves whole lines, but for the
/// last one at worst. A line that cannot be written whole is taken back. Functions throw DataError, naming
/// the file and the system's reason.
class MetricsWriter {
 public:
  /// Creates or empties the file.
  explicit MetricsWriter(const std::string& path);
  /// Continues a file behind its first `bytes` bytes, as bytes() once gave them; later lines are cut off.
  /// Throws DataError where the file is shorter, or no line ends there.
  MetricsWriter(const std::string& path, Index bytes);
  MetricsWriter(MetricsWriter&&) noexcept;
  MetricsWriter& operator=(MetricsWriter&&) noexcept;
  ~MetricsWriter();

  void write(const StepRecord& record);
  void write(const EvaluationRecord& record);

  /// Size of the file: where the next line begins.
  Index bytes() const;
  /// Brings the lines to the disk: due before bytes() is saved in a checkpoint, which may outlive them
  /// otherwise.
  void flush() const;

 private:
  std::unique_ptr<LineFile> file_;
};

}  // namespace natgrad
