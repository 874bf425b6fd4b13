#include "io/file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

#include "host_memory.hpp"
#include "io/descriptor.hpp"
#include "io/number.hpp"
#include "natgrad/error.hpp"

namespace natgrad {
namespace {

Bytes read_raw(const std::string& path) {
  // Without O_NONBLOCK, opening a pipe would wait for its writer.
  const FileDescriptor file = open_file(path, O_RDONLY | O_NONBLOCK, "open the file");
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail_with_reason(path, "inspect the file", errno);
  if (S_ISDIR(status.st_mode)) throw DataError(path + ": is a directory, expected a file");
  if (!S_ISREG(status.st_mode))
    throw DataError(path +
                    ": is a pipe, a socket or a device, expected a regular file; write it to one first");

  const auto size = static_cast<std::size_t>(status.st_size);
  require_host_memory(size, path);
  Bytes bytes(size + 1);  // one more, so that the file's end is met
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got =
        uninterrupted([&] { return ::read(file.get(), bytes.data() + filled, bytes.size() - filled); });
    if (got < 0) fail_with_reason(path, "read the file", errno);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  if (filled != size) {
    throw DataError(
        fmt::format("{}: has a size of {} bytes, but {} were read: it changes, or is no file on a disk", path,
                    size, filled > size ? "more" : std::to_string(filled)));
  }
  if (size == 0) throw DataError(path + ": the file is empty");
  bytes.resize(size);
  return bytes;
}

constexpr std::string_view temporary_mark = ".tmp-";  // then process and attempt

/// Whether a temporary file may have this name.
bool is_temporary(std::string_view name) {
  const std::size_t mark = name.rfind(temporary_mark);
  if (mark == std::string_view::npos) return false;
  const std::string_view numbers = name.substr(mark + temporary_mark.size());
  const std::size_t dash = numbers.find('-');
  return dash != std::string_view::npos && parse_number<pid_t>(numbers.substr(0, dash)) &&
         parse_number<int>(numbers.substr(dash + 1));
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

  /// A crash of the system leaves the old content or the new one: the content is on the disk before the name
  /// points to it, and the name is when this returns.
  void publish() {
    const FileDescriptor folder = open_folder_of(path_);  // while a failure still leaves the old content
    flush(descriptor_, path_);
    descriptor_.close(path_);
    if (::rename(name_.c_str(), path_.c_str()) != 0) fail_with_reason(path_, "replace the file", errno);
    name_.clear();
    flush_folder(folder, path_);
  }

 private:
  FileDescriptor create() {
    for (int attempt = 0; attempt < 100; ++attempt) {
      std::string name = fmt::format("{}{}{}-{}", path_, temporary_mark, ::getpid(), attempt);
      const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
      FileDescriptor file(uninterrupted([&] { return ::open(name.c_str(), flags, 0666); }));
      if (file.get() >= 0) {
        name_ = std::move(name);
        return file;
      }
      if (errno != EEXIST) fail_with_reason(path_, "create a file in its folder", errno);
    }
    fail_with_reason(path_, "create a temporary file beside it", EEXIST);
  }

  std::string path_;
  std::string name_;  // of the temporary file; empty once it is published
  FileDescriptor descriptor_;
};

}  // namespace

Bytes read_file(const std::string& path) {
  try {
    return read_raw(path);
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

// std::filesystem's iterators would end the program where there is no memory for them.
std::vector<std::string> names_in(const std::string& folder, std::error_code& error) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(folder.c_str()), ::closedir);
  errno = directory == nullptr ? errno : 0;
  while (directory != nullptr) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  error = {errno, std::generic_category()};
  return names;
}

void remove_temporaries(const std::string& folder) {
  std::error_code error;
  for (const std::string& name : names_in(folder, error))
    if (!error && is_temporary(name)) std::filesystem::remove(std::filesystem::path(folder) / name, error);
  if (error)
    throw DataError(fmt::format("{}: cannot remove what a killed process left: {}", folder, error.message()));
}

}  // namespace natgrad
