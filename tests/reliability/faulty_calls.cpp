#include "reliability/faulty_calls.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <filesystem>

namespace natgrad::testing {
namespace {

FaultyCalls* armed = nullptr;  // the functions below, which C calls, reach nothing else

std::string path_of(int file) {
  std::error_code unknown;
  return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file), unknown).string();
}

/// The error of this call, `half`, or 0 where it is to do its work.
int fault(Call call, const std::string& path) { return armed == nullptr ? 0 : armed->next(call, path); }
int fault(Call call, int file) { return armed == nullptr ? 0 : armed->next(call, path_of(file)); }

/// The call's result: −1 with the error, or that of its work.
template <class Work>
auto unless(int error, Work work) -> decltype(work()) {
  if (error <= 0) return work();
  errno = error;
  return -1;
}

/// The bytes to transfer where the call may be cut short.
std::size_t cut(int error, std::size_t bytes) { return error == half ? (bytes + 1) / 2 : bytes; }

}  // namespace

const char* to_string(Call call) {
  constexpr std::array names = {"open",      "read",  "pread", "write", "fsync",
                                "ftruncate", "fstat", "flock", "close", "rename"};
  return names[static_cast<std::size_t>(call)];
}

std::string to_string(const Fault& fault) {
  return std::string(to_string(fault.call)) + " " + std::to_string(fault.index) + ": " +
         (fault.error == half ? "half of the bytes" : std::strerror(fault.error));
}

FaultyCalls::FaultyCalls(std::vector<Fault> faults) : faults_(std::move(faults)) { armed = this; }
FaultyCalls::~FaultyCalls() { armed = nullptr; }

int FaultyCalls::next(Call call, const std::string& path) {
  const auto index = std::ranges::count(made_, call, &MadeCall::call);
  made_.push_back({call, path});
  for (const Fault& fault : faults_) {
    if (fault.call != call || fault.index != index) continue;
    ++met_;
    return fault.error;
  }
  return 0;
}

}  // namespace natgrad::testing

using natgrad::testing::Call;
using natgrad::testing::cut;
using natgrad::testing::fault;
using natgrad::testing::unless;

// The linker's names: __wrap_X is called for X, __real_X is X.
extern "C" {

int __real_open(const char*, int, ...);
ssize_t __real_read(int, void*, size_t);
ssize_t __real_pread(int, void*, size_t, off_t);
ssize_t __real_write(int, const void*, size_t);
int __real_fsync(int);
int __real_ftruncate(int, off_t);
int __real_fstat(int, struct stat*);
int __real_flock(int, int);
int __real_close(int);
int __real_rename(const char*, const char*);

int __wrap_open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return unless(fault(Call::open, path), [&] { return __real_open(path, flags, mode); });
}

ssize_t __wrap_read(int file, void* bytes, size_t size) {
  const int error = fault(Call::read, file);
  return unless(error, [&] { return __real_read(file, bytes, cut(error, size)); });
}

ssize_t __wrap_pread(int file, void* bytes, size_t size, off_t offset) {
  return unless(fault(Call::pread, file), [&] { return __real_pread(file, bytes, size, offset); });
}

ssize_t __wrap_write(int file, const void* bytes, size_t size) {
  const int error = fault(Call::write, file);
  return unless(error, [&] { return __real_write(file, bytes, cut(error, size)); });
}

int __wrap_fsync(int file) {
  return unless(fault(Call::fsync, file), [&] { return __real_fsync(file); });
}

int __wrap_ftruncate(int file, off_t size) {
  return unless(fault(Call::ftruncate, file), [&] { return __real_ftruncate(file, size); });
}

int __wrap_fstat(int file, struct stat* status) {
  return unless(fault(Call::fstat, file), [&] { return __real_fstat(file, status); });
}

int __wrap_flock(int file, int operation) {
  return unless(fault(Call::flock, file), [&] { return __real_flock(file, operation); });
}

int __wrap_close(int file) {
  const int error = fault(Call::close, file);
  const int result = __real_close(file);
  return unless(error, [&] { return result; });
}

int __wrap_rename(const char* from, const char* to) {
  return unless(fault(Call::rename, from), [&] { return __real_rename(from, to); });
}

}  // extern "C"
