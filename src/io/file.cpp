#include "io/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <new>
#include <utility>

#include "io/gzip.hpp"
#include "natgrad/error.hpp"

namespace natgrad {
namespace {

[[noreturn]] void fail(const std::string& path, const char* action, int error) {
  throw DataError(fmt::format("{}: cannot {}: {}", path, action, std::strerror(error)));
}

/// An open file, closed at the end of its life.
class FileDescriptor {
 public:
  explicit FileDescriptor(int number) : number_(number) {}
  ~FileDescriptor() {
    if (number_ >= 0) ::close(number_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  int get() const { return number_; }
  /// Some file systems report a failed write only here.
  int close() { return ::close(std::exchange(number_, -1)); }

 private:
  int number_;
};

Bytes read_raw(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) fail(path, "open the file", errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail(path, "inspect the file", errno);
  if (S_ISDIR(status.st_mode)) throw DataError(path + ": is a directory, expected a file");

  // One byte more than the size, so that the end of a regular file is met without growing the buffer.
  Bytes bytes(static_cast<std::size_t>(std::max<off_t>(status.st_size, 0)) + 1);
  std::size_t filled = 0;
  for (;;) {
    if (filled == bytes.size()) bytes.resize(2 * bytes.size());
    const ssize_t got = ::read(file.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path, "read the file", errno);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

void write_all(const FileDescriptor& file, std::span<const std::uint8_t> part, const std::string& path) {
  while (!part.empty()) {
    const ssize_t put = ::write(file.get(), part.data(), part.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail(path, "write the file", errno);
    part = part.subspan(static_cast<std::size_t>(put));
  }
}

/// A new file beside `path`, removed again unless it was renamed to it.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& path) : path_(path), descriptor_(create()) {}
  ~TemporaryFile() {
    if (!name_.empty()) ::unlink(name_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const FileDescriptor& descriptor() const { return descriptor_; }

  void publish() {
    if (::fsync(descriptor_.get()) != 0) fail(path_, "flush the file", errno);
    if (descriptor_.close() != 0) fail(path_, "close the file", errno);
    if (::rename(name_.c_str(), path_.c_str()) != 0) fail(path_, "replace the file", errno);
    name_.clear();
  }

 private:
  int create() {
    for (int attempt = 0; attempt < 100; ++attempt) {
      std::string name = fmt::format("{}.tmp-{}-{}", path_, ::getpid(), attempt);
      const int number = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (number >= 0) {
        name_ = std::move(name);
        return number;
      }
      if (errno != EEXIST) fail(path_, "create a file in its folder", errno);
    }
    fail(path_, "create a temporary file beside it", EEXIST);
  }

  std::string path_;
  std::string name_;  // of the temporary file; empty once it is published
  FileDescriptor descriptor_;
};

}  // namespace

Bytes read_file(const std::string& path, std::uint64_t limit) {
  try {
    Bytes bytes = read_raw(path);
    if (bytes.empty()) throw DataError(path + ": the file is empty");
    if (is_gzip(bytes)) bytes = gunzip(bytes, path, limit);
    return bytes;
  } catch (const std::bad_alloc&) {
    std::error_code unknown;
    throw OutOfMemory(fmt::format("{}: the content of the file ({} bytes on disk) does not fit in memory",
                                  path, std::filesystem::file_size(path, unknown)));
  }
}

void write_file(const std::string& path, std::span<const std::span<const std::uint8_t>> parts) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    throw DataError(path + ": exists and is not a regular file, so that it cannot be replaced");
  }
  TemporaryFile file(path);
  for (const auto part : parts) write_all(file.descriptor(), part, path);
  file.publish();
}

}  // namespace natgrad
