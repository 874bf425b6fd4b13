// Whoever starts the program: closed streams, a reader that goes away, a limit on the size of files.
#include <gtest/gtest.h>

#include "cli/console.hpp"
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

TEST(Process, ThatCannotPrintItsResultEndsWithAnErrorUnlessTheReaderHasGone) {
  const TemporaryDirectory directory;
  ASSERT_EQ(run_program(directory, "train --out run --hidden 3 --steps 1").status, 0);
  for (const char* command :
       {"eval --model run/model.safetensors", "plan", "train --print-config", "doctor"}) {
    const std::string start = "cd '" + directory.path(".") + "' && { '" + program_path() + "' " + command;
    std::system((start + " > /dev/full; echo $? > status; } 2> stderr.txt").c_str());
    EXPECT_EQ(content_of(directory.path("status")), "3\n") << command;
    EXPECT_NE(
        content_of(directory.path("stderr.txt")).find("standard output: cannot be written: No space left"),
        std::string::npos)
        << command;
    std::system((start + "; echo $? > status; } 2> stderr.txt | true").c_str());
    EXPECT_EQ(content_of(directory.path("status")), "0\n") << command;
  }
}

TEST(Process, ShowsPathsAsAShellTakesThem) {
  const TemporaryDirectory directory;
  EXPECT_EQ(cli::shell_word("runs/2026-01-02_03:04:05"), "runs/2026-01-02_03:04:05");
  for (const std::string path : {"", "a b", "it's", "$(touch x)", "`touch x`;&|<>*?~#!\\\"\n'", "ä"}) {
    std::system(("printf %s " + cli::shell_word(path) + " > '" + directory.path("word") + "'").c_str());
    EXPECT_EQ(content_of(directory.path("word")), path);
  }
}

}  // namespace
}  // namespace natgrad::testing
