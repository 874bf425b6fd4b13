/// Files for tests, and the check that an error says what it must.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "natgrad/error.hpp"

namespace natgrad::testing {

/// A folder of its own, removed with all it holds at the end of its life.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "natgrad-test-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("cannot create " + name);
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::string path(const std::string& name) const { return (path_ / name).string(); }

  /// Writes a file and returns its path.
  std::string write(const std::string& name, std::string_view content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }

  std::vector<std::string> list() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      names.push_back(entry.path().filename());
    return names;
  }

 private:
  std::filesystem::path path_;
};

inline std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Expects that `function` throws an E whose message holds every one of `words`.
template <class E, class F>
void expect_error(F function, const std::vector<std::string>& words) {
  try {
    function();
    ADD_FAILURE() << "no error was thrown";
  } catch (const E& error) {
    EXPECT_EQ(error.exit_code(), E("").exit_code());
    const std::string message = error.what();
    for (const std::string& word : words) {
      EXPECT_NE(message.find(word), std::string::npos) << "'" << word << "' is missing in: " << message;
    }
  }
}

/// Expects a DataError that names the file from every proper prefix of `content`.
template <class F>
void expect_error_at_every_truncation(const TemporaryDirectory& directory, std::string_view content, F read) {
  for (std::size_t length = 0; length < content.size(); ++length) {
    SCOPED_TRACE(length);
    const std::string path = directory.write("truncated", content.substr(0, length));
    expect_error<DataError>([&] { read(path); }, {path});
  }
}

}  // namespace natgrad::testing
