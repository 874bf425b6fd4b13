/// Keeps two processes from writing to one folder.
#pragma once

#include <string>

#include "io/descriptor.hpp"

namespace natgrad {

/// Holds the file `lock` of an existing folder (flock(2)). The system releases it with the object or with the
/// process, however that ends; the file itself stays, and means nothing.
class DirectoryLock {
 public:
  /// Throws UsageError, naming the folder and the process, where another holds it; DataError where the file
  /// cannot be written or its file system knows no locks.
  explicit DirectoryLock(const std::string& folder);

 private:
  FileDescriptor file_;
};

}  // namespace natgrad
