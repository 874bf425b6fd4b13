/// A text file that grows by whole lines.
#pragma once

#include <string>

#include "io/descriptor.hpp"
#include "natgrad/matrix.hpp"

namespace natgrad {

/// Each line is written at once: a killed process leaves whole lines, but for the last one at worst, which is
/// cut off where the file is continued. Functions throw DataError, naming the file and the system's reason.
class LineFile {
 public:
  /// Creates the file, or empties it.
  explicit LineFile(const std::string& path);
  /// Opens an existing file to go on behind its first `bytes` bytes; what follows them is cut off. Throws
  /// DataError where the file is shorter, or these bytes do not end a line: it is another file then.
  LineFile(const std::string& path, Index bytes);

  /// Adds the line and its end. A line that cannot be written whole is taken back.
  void append(std::string line);
  /// Brings the lines to the disk. Throws where the path does not lead to them any more.
  void flush() const;
  /// Size of the file: where the next line begins.
  Index bytes() const { return bytes_; }

 private:
  std::string path_;
  FileDescriptor file_;
  Index bytes_;
};

}  // namespace natgrad
