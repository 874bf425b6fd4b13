#include "io/directory_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <array>
#include <filesystem>

#include "io/file.hpp"
#include "io/number.hpp"
#include "natgrad/error.hpp"

namespace natgrad {
namespace {

/// The process that wrote its number into the file, in words.
std::string holder(const FileDescriptor& file) {
  std::array<char, 32> text{};
  const ssize_t size = ::pread(file.get(), text.data(), text.size(), 0);
  const auto process = parse_number<pid_t>({text.data(), static_cast<std::size_t>(size < 0 ? 0 : size)});
  return process ? fmt::format("process {}", *process) : "another process";
}

}  // namespace

DirectoryLock::DirectoryLock(const std::string& folder)
    : file_(open_file((std::filesystem::path(folder) / "lock").string(), O_RDWR | O_CREAT,
                      "create or open the lock of its folder")) {
  if (uninterrupted([&] { return ::flock(file_.get(), LOCK_EX | LOCK_NB); }) != 0) {
    if (errno != EWOULDBLOCK) fail_with_reason(folder, "lock the folder", errno);
    throw UsageError(fmt::format("{}: is in use by {}; wait until that has ended, or give another folder",
                                 folder, holder(file_)));
  }
  const std::string process = fmt::format("{}", ::getpid());
  if (uninterrupted([&] { return ::ftruncate(file_.get(), 0); }) != 0)
    fail_with_reason(folder, "write the lock of the folder", errno);
  write_all(file_, bytes_of(std::span<const char>(process)), folder);
}

}  // namespace natgrad
