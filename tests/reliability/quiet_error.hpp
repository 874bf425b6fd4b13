/// Standard error, out of the way of a test's own output.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <string>

namespace natgrad {

/// Standard error goes to a file without a name while this lives.
class QuietError {
 public:
  QuietError() : kept_(::dup(2)), file_(std::tmpfile()) {
    std::fflush(stderr);
    ::dup2(::fileno(file_), 2);
  }
  ~QuietError() {
    std::fflush(stderr);
    ::dup2(kept_, 2);
    ::close(kept_);
    std::fclose(file_);
  }
  QuietError(const QuietError&) = delete;
  QuietError& operator=(const QuietError&) = delete;

  /// What was written since the last call.
  std::string take() const {
    std::fflush(stderr);
    std::string text(static_cast<std::size_t>(::lseek(2, 0, SEEK_CUR)), '\0');
    const auto size = ::pread(2, text.data(), text.size(), 0);
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    if (::ftruncate(2, 0) == 0) ::lseek(2, 0, SEEK_SET);
    return text;
  }

 private:
  int kept_;
  std::FILE* file_;
};

}  // namespace natgrad
