#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "cli/program_run.hpp"

namespace natgrad::testing {
namespace {

/// A run without an end, of which metrics have come.
class EndlessRun {
 public:
  explicit EndlessRun(const std::string& folder) : metrics_(folder + "/metrics.jsonl") {
    std::string program = program_path();
    std::string arguments[] = {program, "train",         "--device", "cpu",     "--hidden",
                               "3",     "--batch",       "50",       "--quiet", "--seed",
                               "3",     "--target-loss", "-1",       "--out",   folder};
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    if (posix_spawn(&process_, program.c_str(), nullptr, nullptr, argv.data(), environ) != 0)
      throw std::runtime_error("cannot start " + program);
    wait_for_metrics();
  }

  /// Until there is a step more than at the last call, or the run has ended.
  void wait_for_metrics() {
    const std::size_t before = bytes_;
    while (!ended_ && content_of(metrics_).find("kl_measured", before) == std::string::npos) {
      ended_ = waitpid(process_, &status_, WNOHANG) == process_;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    bytes_ = content_of(metrics_).size();
  }

  void send(int signal) const {
    if (!ended_) kill(process_, signal);
  }

  /// The exit status; -1 where a signal ended it.
  int wait() {
    if (!ended_) waitpid(process_, &status_, 0);
    ended_ = true;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
  }

 private:
  std::string metrics_;
  std::size_t bytes_ = 0;
  pid_t process_ = 0;
  int status_ = 0;
  bool ended_ = false;
};

/// The status of a run that is sent a signal.
int interrupt_run(const std::string& folder, int signal) {
  EndlessRun run(folder);
  run.send(signal);
  return run.wait();
}

TEST(Interrupt, LeavesAUsableRunAndTheStatusOfTheSignal) {
  for (const auto& [signal, expected] : {std::pair{SIGINT, 130}, {SIGTERM, 143}, {SIGHUP, 129}}) {
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
  EndlessRun run(directory.path("run"));
  std::filesystem::remove_all(directory.path("run"));
  run.send(SIGTERM);
  EXPECT_EQ(run.wait(), 3);
  EXPECT_EQ(run_program(directory, "eval --model run/model.safetensors").status, 0);
}

TEST(Interrupt, OfATerminalThatGoesAwayIsIgnoredUnderNohup) {
  const TemporaryDirectory directory;
  const auto before = signal(SIGHUP, SIG_IGN);  // what nohup does; a new process inherits it
  EndlessRun run(directory.path("run"));
  signal(SIGHUP, before);
  run.send(SIGHUP);
  for (int i = 0; i < 3; ++i) run.wait_for_metrics();
  run.send(SIGTERM);
  EXPECT_EQ(run.wait(), 143);
}

}  // namespace
}  // namespace natgrad::testing
