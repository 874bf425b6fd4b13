/// Limits of the program: --memory-limit to the byte, and absurd sizes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "cli/program.hpp"
#include "io/temporary_directory.hpp"
#include "reliability/quiet_error.hpp"
#include "reliability/small_training.hpp"
#include "support/figure.hpp"

namespace natgrad {
namespace {

struct Outcome {
  int status = 0;
  std::string error;
  double seconds = 0.0;
};

/// `natgrad train` on the digits, quietly, with these options; the run's folder is `out`.
Outcome train(const std::string& out, std::vector<std::string> options) {
  std::vector<std::string> words = {"natgrad", "train", "--device", "cpu", "--gemm-rate", "1",
                                    "--out",   out,     "--steps",  "1",   "--quiet"};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<const char*> arguments;
  for (const std::string& word : words) arguments.push_back(word.c_str());
  const QuietError quiet;
  const auto start = std::chrono::steady_clock::now();
  const int status = cli::run_program(static_cast<int>(arguments.size()), arguments.data());
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  return {status, quiet.take(), taken.count()};
}

/// The bytes that a refused run says it takes.
long long bytes_taken(const std::string& error) {
  const std::size_t at = error.find("takes ");
  return at == std::string::npos ? -1 : std::stoll(error.substr(at + 6));
}

TEST(Limits, TheMemoryLimitIsKeptToTheByte) {
  int runs = 0;
  for (const Method& method : methods()) {
    if (method.name.find(',') != std::string::npos) continue;
    SCOPED_TRACE(method.name);
    const testing::TemporaryDirectory directory;
    const std::string out = directory.path("run");
    const auto with_limit = [&](long long bytes) {
      std::vector<std::string> options = {"--hidden", "4", "--memory-limit", std::to_string(bytes)};
      if (method.is_natural())
        options.insert(options.end(), {"--fisher", "mc", "--structure", method.name});
      else
        options.insert(options.end(), {"--optimizer", method.name});
      return train(out, options);
    };
    const Outcome refused = with_limit(1);
    const long long bytes = bytes_taken(refused.error);
    ASSERT_GT(bytes, 1000) << refused.error;
    const Outcome less = with_limit(bytes - 1);
    EXPECT_EQ(less.status, 5) << less.error;
    EXPECT_NE(less.error.find("try a smaller --batch or network"), std::string::npos) << less.error;
    EXPECT_FALSE(std::filesystem::exists(out)) << "a refused run leaves nothing behind";
    const Outcome exact = with_limit(bytes);
    EXPECT_EQ(exact.status, 0) << exact.error;
    ++runs;
  }
  report_figure("Limits",
                fmt::format("--memory-limit on cpu, {} optimisers: the plan's bytes run, one byte less is "
                            "refused before anything is written",
                            runs));
}

TEST(Limits, AbsurdOptionsAreRefusedAtOnce) {
  const testing::TemporaryDirectory directory;
  const std::string out = directory.path("run");
  const std::vector<std::vector<std::string>> all = {
      {"--hidden", "1000000000"},
      {"--hidden", "1000000000,1000000000"},
      {"--hidden", "10000000000"},
      {"--hidden", "9223372036854775807"},
      {"--hidden", "1000000000", "--structure", "auto"},
      {"--hidden", "1000000000", "--structure", "diagonal"},
      {"--batch", "1000000000000"},
      {"--fisher", "mc", "--fisher-samples", "1000000000000"},
      {"--fisher", "mc", "--fisher-samples", "9223372036854775807"},
      {"--threads", "4294967297"},
      {"--refresh", "4294967296"},
      {"--memory-limit", "99999999999G"}};
  double slowest = 0.0;
  for (const auto& options : all) {
    const Outcome found = train(out, options);
    SCOPED_TRACE(fmt::format("{} {}", options[options.size() - 2], options.back()));
    EXPECT_TRUE(found.status == 2 || found.status == 3 || found.status == 5) << found.status << found.error;
    EXPECT_NE(found.error.find("natgrad: error: "), std::string::npos);
    EXPECT_EQ(found.error.find("unexpected"), std::string::npos) << found.error;
    EXPECT_FALSE(std::filesystem::exists(out));
    slowest = std::max(slowest, found.seconds);
  }
  EXPECT_EQ(train(out, {"--hidden", "4", "--threads", "64"}).status, 0) << "more threads than cores";
  report_figure("Limits",
                fmt::format("{} absurd options: each refused, the slowest after {:.2f} s (allowed: 1 s)",
                            all.size(), slowest));
  EXPECT_LT(slowest, 1.0);
}

}  // namespace
}  // namespace natgrad
