#include "io/line_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "io/file.hpp"
#include "natgrad/error.hpp"

namespace natgrad {

LineFile::LineFile(const std::string& path)
    : path_(path),
      file_(open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, "open the file for writing")),
      bytes_(0) {
  flush_folder(open_folder_of(path), path);
}

LineFile::LineFile(const std::string& path, Index bytes)
    : path_(path), file_(open_file(path, O_RDWR | O_APPEND, "open the file to continue it")), bytes_(bytes) {
  struct stat status {};
  if (::fstat(file_.get(), &status) != 0) fail_with_reason(path, "inspect the file", errno);
  if (bytes < 0 || status.st_size < bytes) {
    throw DataError(
        fmt::format("{}: has {} bytes, but is to be continued behind byte {}: lines are missing, or it "
                    "belongs to another run; bring the file back, or start a new run",
                    path, status.st_size, bytes));
  }
  char last = '\n';
  if (bytes > 0 && uninterrupted([&] { return ::pread(file_.get(), &last, 1, bytes - 1); }) < 0)
    fail_with_reason(path, "read the file", errno);
  if (last != '\n') {
    throw DataError(
        fmt::format("{}: byte {} does not end a line, so that this is not the file to continue from "
                    "there; bring the file back, or start a new run",
                    path, bytes - 1));
  }
  if (uninterrupted([&] { return ::ftruncate(file_.get(), bytes); }) != 0)
    fail_with_reason(path, "cut off the end of the file", errno);
}

void LineFile::append(std::string line) {
  line += '\n';
  try {
    write_all(file_, bytes_of(std::span<const char>(line)), path_);
  } catch (const DataError&) {
    // Where even this fails, half a line stays until the file is continued.
    [[maybe_unused]] const int ignored = ::ftruncate(file_.get(), bytes_);
    throw;
  }
  bytes_ += static_cast<Index>(line.size());
}

void LineFile::flush() const {
  natgrad::flush(file_, path_);
  struct stat own {
  }, found{};
  if (::fstat(file_.get(), &own) != 0) fail_with_reason(path_, "inspect the file", errno);
  if (::stat(path_.c_str(), &found) != 0 || own.st_ino != found.st_ino || own.st_dev != found.st_dev)
    throw DataError(path_ +
                    ": was removed or replaced while it was being written; bring it back, or start anew");
}

}  // namespace natgrad
