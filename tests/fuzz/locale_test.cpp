/// Numbers are read and written alike in every locale.
#include <gtest/gtest.h>

#include <clocale>
#include <cstdio>
#include <filesystem>
#include <locale>

#include "cli/config_file.hpp"
#include "fuzz/target.hpp"
#include "io/temporary_directory.hpp"
#include "natgrad/metrics.hpp"

namespace natgrad {
namespace {

using testing::TemporaryDirectory;

struct DecimalComma : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

/// German numbers in C++'s streams, and where localedef can make them also in C's functions.
class GermanNumbers {
 public:
  GermanNumbers() : before_(std::locale::global(std::locale(std::locale::classic(), new DecimalComma))) {
    const std::string make = "localedef -i de_DE -f UTF-8 '" + folder_.path("de_DE.UTF-8") + "' 2> /dev/null";
    if (std::system(make.c_str()) != 0) return;
    ::setenv("LOCPATH", folder_.path("").c_str(), 1);
    in_c_ = std::setlocale(LC_ALL, "de_DE.UTF-8") != nullptr;
  }
  ~GermanNumbers() {
    std::setlocale(LC_ALL, "C");
    ::unsetenv("LOCPATH");
    std::locale::global(before_);
  }

  bool in_c() const { return in_c_; }

 private:
  TemporaryDirectory folder_;
  std::locale before_;
  bool in_c_ = false;
};

/// All that numbers become when they are read from files and written again, and what the corpus' files end
/// with.
std::vector<std::string> texts() {
  const TemporaryDirectory directory;
  std::vector<std::string> all;
  cli::Options options;
  cli::read_config(directory.write("c", "steps = 1234567\nkl = 1234.5\ndamping = 1e-3\nhidden = [12345]\n"),
                   options);
  all.push_back(cli::config_text(options));
  EvaluationRecord record;
  record.step = 1234567;
  record.test.emplace().loss = 1234.5;
  all.push_back(to_json(record));
  for (const fuzz::Target& target : fuzz::targets()) {
    for (const auto& entry :
         std::filesystem::directory_iterator(NATGRAD_FUZZ_CORPUS "/" + std::string(target.name))) {
      const std::string content = testing::content_of(entry.path().string());
      try {
        target.parse(bytes_of(std::span<const char>(content)));
        all.push_back("parsed");
      } catch (const Error& error) {
        all.push_back(error.what());
      }
    }
  }
  return all;
}

TEST(Locale, ChangesNeitherWhatIsReadNorWhatIsWritten) {
  const std::vector<std::string> expected = texts();
  const GermanNumbers german;
  char text[8];
  std::snprintf(text, sizeof text, "%.1f", 1.5);
  EXPECT_STREQ(text, german.in_c() ? "1,5" : "1.5");
  EXPECT_EQ(texts(), expected);
}

}  // namespace
}  // namespace natgrad
