/// Errors. Every exception that natgrad throws derives from Error; its message says what, where, the value
/// found, the value allowed and what to try. Where the host has no memory left for a small thing,
/// std::bad_alloc passes through; the program ends with exit status 5 then.
#pragma once

#include <stdexcept>
#include <string>

namespace natgrad {

/// Base of all errors. `exit_code()` is the exit status that the `natgrad` program ends with.
class Error : public std::runtime_error {
 public:
  Error(const std::string& message, int exit_code) : std::runtime_error(message), exit_code_(exit_code) {}
  int exit_code() const noexcept { return exit_code_; }

 private:
  int exit_code_;
};

/// An option or an argument that cannot be used as given.
struct UsageError : Error {
  explicit UsageError(const std::string& message) : Error(message, 2) {}
};

/// A file or an array whose content is not what it must be: names the file and the byte or line.
struct DataError : Error {
  explicit DataError(const std::string& message) : Error(message, 3) {}
};

/// Operands whose sizes do not fit together.
struct ShapeError : Error {
  explicit ShapeError(const std::string& message) : Error(message, 3) {}
};

/// Arithmetic that left the finite numbers and could not be brought back.
struct NumericError : Error {
  explicit NumericError(const std::string& message) : Error(message, 4) {}
};

/// A device, a driver or a device library that failed, or is not there.
struct DeviceError : Error {
  explicit DeviceError(const std::string& message) : Error(message, 5) {}
};

/// Host or device memory that could not be had: names the bytes wanted and, where known, the bytes free.
struct OutOfMemory : Error {
  explicit OutOfMemory(const std::string& message) : Error(message, 5) {}
};

}  // namespace natgrad
