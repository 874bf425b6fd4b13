/// System calls on open files, with their errors as exceptions.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace natgrad {

/// Throws DataError: "PATH: cannot ACTION: the system's reason".
[[noreturn]] void fail_with_reason(const std::string& path, const char* action, int error);

/// The result of a system call, called again while a signal interrupts it.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// An open file, closed at the end of its life.
class FileDescriptor {
 public:
  explicit FileDescriptor(int number) : number_(number) {}
  ~FileDescriptor() {
    if (number_ >= 0) ::close(number_);
  }
  FileDescriptor(FileDescriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&&) = delete;

  int get() const { return number_; }
  /// Some file systems report a failed write only here. An interrupted close has closed the file on Linux.
  void close(const std::string& path) {
    if (::close(std::exchange(number_, -1)) != 0 && errno != EINTR)
      fail_with_reason(path, "close the file", errno);
  }

 private:
  int number_;
};

/// Throws DataError where the file cannot be opened, as `action` says. Flags as for open(2).
FileDescriptor open_file(const std::string& path, int flags, const char* action);

/// The folder in which the file is, or is to be. Throws DataError, naming the file, where it cannot be
/// opened.
FileDescriptor open_folder_of(const std::string& path);

/// Writes all bytes; `path` is named in the DataError where that fails.
void write_all(const FileDescriptor& file, std::span<const std::uint8_t> bytes, const std::string& path);

/// Brings what was written to the disk.
void flush(const FileDescriptor& file, const std::string& path);

/// Brings the names of the files in a folder to the disk, where its file system can.
void flush_folder(const FileDescriptor& folder, const std::string& path);

}  // namespace natgrad
