#include "io/descriptor.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cstring>
#include <filesystem>

#include "natgrad/error.hpp"

namespace natgrad {

void fail_with_reason(const std::string& path, const char* action, int error) {
  throw DataError(fmt::format("{}: cannot {}: {}", path, action, std::strerror(error)));
}

FileDescriptor open_file(const std::string& path, int flags, const char* action) {
  FileDescriptor file(uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0666); }));
  if (file.get() < 0) fail_with_reason(path, action, errno);
  return file;
}

FileDescriptor open_folder_of(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  FileDescriptor file(
      uninterrupted([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (file.get() < 0) fail_with_reason(path, "open the folder of the file", errno);
  return file;
}

void write_all(const FileDescriptor& file, std::span<const std::uint8_t> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t put = uninterrupted([&] { return ::write(file.get(), bytes.data(), bytes.size()); });
    if (put <= 0) fail_with_reason(path, "write the file", put < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

void flush(const FileDescriptor& file, const std::string& path) {
  if (uninterrupted([&] { return ::fsync(file.get()); }) != 0)
    fail_with_reason(path, "flush the file", errno);
}

void flush_folder(const FileDescriptor& folder, const std::string& path) {
  const int result = uninterrupted([&] { return ::fsync(folder.get()); });
  // EINVAL: a file system that keeps its folders safe in another way, or not at all.
  if (result != 0 && errno != EINVAL) fail_with_reason(path, "flush the folder of the file", errno);
}

}  // namespace natgrad
