// Whoever starts the program: closed streams, a reader that goes away, a limit on the size of files.
#include <gtest/gtest.h>

#include "cli/program_run.hpp"

namespace natgrad::testing {
namespace {

/// A short training as a line of the shell in `directory`, which is the exit status.
int shell(const TemporaryDirectory& directory, const std::string& before, const std::string& options,
          const std::string& after) {
  const std::string line = "cd '" + directory.path(".") + "' && " + before + " '" + program_path() +
                           "' train --device cpu --hidden 3 --batch 50 --seed 3 --out run " + options + " " +
                           after;
  const int status = std::system(line.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Process, WithClosedStreamsWritesTheSameFilesAndNothingElseIntoThem) {
  const TemporaryDirectory closed, open;
  EXPECT_EQ(shell(open, "", "--steps 5", "> /dev/null 2> /dev/null"), 0);
  EXPECT_EQ(shell(closed, "", "--steps 5", "<&- >&- 2>&-"), 0);
  EXPECT_EQ(timeless_metrics(closed.path("run/metrics.jsonl")),
            timeless_metrics(open.path("run/metrics.jsonl")));
  for (const char* file : {"model.safetensors", "config.toml"})
    EXPECT_EQ(content_of(closed.path(std::string("run/") + file)),
              content_of(open.path(std::string("run/") + file)));
}

TEST(Process, GoesOnWhereTheReaderOfItsOutputGoesAway) {
  const TemporaryDirectory directory;
  EXPECT_EQ(shell(directory, "{", "--steps 300; echo $? > status; }", "2> /dev/null | head -n 1 > /dev/null"),
            0);
  EXPECT_EQ(content_of(directory.path("status")), "0\n");
  EXPECT_EQ(timeless_metrics(directory.path("run/metrics.jsonl")).back()["step"], 300);
}

TEST(Process, BeyondTheAllowedSizeOfFilesEndsWithAnErrorAndAWholeCheckpoint) {
  const TemporaryDirectory directory;
  EXPECT_EQ(shell(directory, "ulimit -f 40 &&", "--quiet --steps 300 --checkpoint-every 5", "2> stderr.txt"),
            3);
  const std::string error = content_of(directory.path("stderr.txt"));
  EXPECT_NE(error.find("metrics.jsonl: "), std::string::npos) << error;
  EXPECT_NE(error.find("File too large"), std::string::npos) << error;
  EXPECT_NE(error.find("train --resume run goes on"), std::string::npos) << error;
  EXPECT_EQ(run_program(directory, "train --resume run --quiet").status, 0);
  EXPECT_EQ(timeless_metrics(directory.path("run/metrics.jsonl")).back()["step"], 300);
}

}  // namespace
}  // namespace natgrad::testing
