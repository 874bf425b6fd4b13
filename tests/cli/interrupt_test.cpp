#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <thread>

#include "cli/program_run.hpp"

namespace natgrad::testing {
namespace {

/// Starts a run without an end, sends the signal once metrics come, returns the status.
int interrupt_run(
    const std::string& folder, int signal, const std::function<void()>& before = [] {}) {
  std::string program = program_path();
  std::string arguments[] = {program, "train",         "--device", "cpu",     "--hidden",
                             "3",     "--batch",       "50",       "--quiet", "--seed",
                             "3",     "--target-loss", "-1",       "--out",   folder};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t process = 0;
  if (posix_spawn(&process, program.c_str(), nullptr, nullptr, argv.data(), environ) != 0) return -1;
  while (content_of(folder + "/metrics.jsonl").find("kl_measured") == std::string::npos) {
    int status = 0;
    if (waitpid(process, &status, WNOHANG) == process) return -2;  // ended by itself
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  before();
  kill(process, signal);
  int status = 0;
  waitpid(process, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -3;
}

TEST(Interrupt, LeavesAUsableRunAndTheStatusOfTheSignal) {
  for (const auto& [signal, expected] : {std::pair{SIGINT, 130}, {SIGTERM, 143}}) {
    const TemporaryDirectory directory;
    EXPECT_EQ(interrupt_run(directory.path("run"), signal), expected);
    const auto rows = timeless_metrics(directory.path("run/metrics.jsonl"));
    ASSERT_FALSE(rows.empty());
    EXPECT_TRUE(rows.back().contains("train_loss")) << rows.back();
    EXPECT_EQ(run_program(directory, "eval --model run/model.safetensors").status, 0);
  }
}

TEST(Interrupt, LeavesACheckpointFromWhichTheRunGoesOnAsIfItHadNeverStopped) {
  const TemporaryDirectory directory;
  EXPECT_EQ(interrupt_run(directory.path("run"), SIGTERM), 143);
  const auto rows = timeless_metrics(directory.path("run/metrics.jsonl"));
  const std::string steps = std::to_string(rows.back()["step"].get<long>() + 3);
  EXPECT_EQ(run_program(directory, "train --resume run --quiet --steps " + steps).status, 0);
  EXPECT_EQ(
      run_program(directory,
                  "train --device cpu --hidden 3 --batch 50 --quiet --seed 3 --out whole --steps " + steps)
          .status,
      0);
  for (const char* file : {"model.safetensors", "model-best.safetensors"})
    EXPECT_EQ(content_of(directory.path(std::string("run/") + file)),
              content_of(directory.path(std::string("whole/") + file)))
        << file << " after " << steps << " steps";
}

TEST(Interrupt, OfARunWhoseFolderWasRemovedStillSavesTheModelAndTellsThatThereIsNoCheckpoint) {
  const TemporaryDirectory directory;
  const std::string run = directory.path("run");
  EXPECT_EQ(interrupt_run(run, SIGTERM, [&] { std::filesystem::remove_all(run); }), 3);
  EXPECT_EQ(run_program(directory, "eval --model run/model.safetensors").status, 0);
}

}  // namespace
}  // namespace natgrad::testing
