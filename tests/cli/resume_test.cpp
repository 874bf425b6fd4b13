/// natgrad train --resume, as a process of its own.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/program_run.hpp"

namespace natgrad::testing {
namespace {

namespace fs = std::filesystem;

const std::string net =
    " --device cpu --hidden 3 --batch 50 --fisher mc --average 0.9 --seed 3 --eval-every 4 --quiet ";

const std::string other_net = " --device cpu --batch 50 --quiet ";

/// Rows without what belongs to the process: time, and memory that it takes anew.
std::vector<nlohmann::json> rows_of(const std::string& run) {
  auto rows = timeless_metrics(run + "/metrics.jsonl");
  for (auto& row : rows)
    for (const char* key : {"synchronizations", "allocations", "graph_launches"}) row.erase(key);
  return rows;
}

void expect_success(const ProgramResult& result) { EXPECT_EQ(result.status, 0) << result.error; }

/// The run that never stopped, in the folder `whole`.
void run_whole(const TemporaryDirectory& directory, const std::string& steps) {
  expect_success(run_program(directory, "train --out whole --steps " + steps + net));
}

void expect_same_runs(const TemporaryDirectory& directory) {
  EXPECT_EQ(rows_of(directory.path("whole")), rows_of(directory.path("pieces")));
  for (const char* file : {"model.safetensors", "model-best.safetensors", "model-average.safetensors"})
    EXPECT_EQ(content_of(directory.path(std::string("whole/") + file)),
              content_of(directory.path(std::string("pieces/") + file)))
        << file;
}

TEST(Resume, OfTenStepsInThreePiecesIsTheRunInOne) {
  const TemporaryDirectory directory;
  run_whole(directory, "10");
  expect_success(run_program(directory, "train --out pieces --steps 3" + net));
  expect_success(run_program(directory, "train --resume pieces --steps 6 --quiet"));
  expect_success(run_program(
      directory, "train --resume pieces/checkpoints/step-0000000006.safetensors --steps 10 --quiet"));
  expect_same_runs(directory);
}

TEST(Resume, GoesOnAfterAKillFromTheLastCheckpoint) {
  const TemporaryDirectory directory;
  run_whole(directory, "9");
  expect_success(run_program(directory, "train --out pieces --steps 7 --checkpoint-every 2" + net));
  // As a kill after step 7 leaves it, before the last checkpoint: lines that no checkpoint counts on.
  fs::remove(directory.path("pieces/checkpoints/step-0000000007.safetensors"));
  expect_success(run_program(directory, "train --resume pieces --steps 9 --quiet"));
  expect_same_runs(directory);
}

TEST(Resume, NeedsNoFileThatTheRunBeganWith) {
  const TemporaryDirectory directory;
  expect_success(run_program(directory, "train --out first --steps 1 --hidden 4" + other_net));
  for (const char* run : {"whole --steps 4", "pieces --steps 2"})
    expect_success(run_program(
        directory, std::string("train --init-from first/model.safetensors --out ") + run + other_net));
  fs::remove_all(directory.path("first"));
  expect_success(run_program(directory, "train --resume pieces --steps 4 --quiet"));
  EXPECT_EQ(content_of(directory.path("whole/model.safetensors")),
            content_of(directory.path("pieces/model.safetensors")));
}

TEST(Resume, KeepsTheLastCheckpointsOnly) {
  const TemporaryDirectory directory;
  expect_success(
      run_program(directory, "train --out run --steps 9 --checkpoint-every 2 --keep-checkpoints 2" + net));
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory.path("run/checkpoints")))
    names.push_back(entry.path().filename());
  std::ranges::sort(names);
  EXPECT_EQ(names, (std::vector<std::string>{"step-0000000008.safetensors", "step-0000000009.safetensors"}));
}

TEST(Resume, LeavesFilesOfOthersAmongTheCheckpointsAlone) {
  const TemporaryDirectory directory;
  expect_success(run_program(directory, "train --out run --steps 4 --checkpoint-every 2" + net));
  for (const char* name :
       {"step-50.safetensors", "step-x.safetensors", "step--000000050.safetensors", "notes"})
    std::ofstream(directory.path(std::string("run/checkpoints/") + name)) << "mine";
  expect_success(run_program(directory, "train --resume run --steps 6 --checkpoint-every 1 --quiet"));
  EXPECT_EQ(content_of(directory.path("run/checkpoints/step-50.safetensors")), "mine");
}

TEST(Resume, ReportsADamagedCheckpointAndOffersTheOneBefore) {
  const TemporaryDirectory directory;
  expect_success(run_program(directory, "train --out run --steps 4 --checkpoint-every 2" + net));
  const std::string newest = directory.path("run/checkpoints/step-0000000004.safetensors");
  fs::resize_file(newest, fs::file_size(newest) - 1);
  const ProgramResult result = run_program(directory, "train --resume run --steps 6");
  EXPECT_EQ(result.status, 3);
  for (const char* word : {"step-0000000004.safetensors", "of step 2 is whole",
                           "natgrad train --resume run/checkpoints/step-0000000002.safetensors"})
    EXPECT_NE(result.error.find(word), std::string::npos) << word << " is missing in: " << result.error;
  expect_success(
      run_program(directory, "train --resume run/checkpoints/step-0000000002.safetensors --steps 6 --quiet"));
  expect_success(run_program(directory, "train --resume run --steps 7 --quiet"));
}

TEST(Resume, RefusesWhatIsNotItsRunNamingTheDifference) {
  const TemporaryDirectory directory;
  expect_success(run_program(directory, "train --out run --steps 2" + net));
  const auto expect = [&](const std::string& arguments, int status, const std::string& word) {
    const ProgramResult result = run_program(directory, arguments);
    EXPECT_EQ(result.status, status) << result.error;
    EXPECT_NE(result.error.find(word), std::string::npos) << word << " is missing in: " << result.error;
  };
  expect("train --resume run --steps 4 --kl 0.2", 2, "--kl");
  expect("train --resume nowhere", 2, "nowhere");
  expect("train --resume run --config run/config.toml", 2, "--config");
  expect("train --out run", 2, "--resume run");
  const std::string config = content_of(directory.path("run/config.toml"));
  for (const auto& [from, to, word] : {std::tuple{"hidden = [3]", "hidden = [4]", "hidden = [3]"},
                                       {"precision = \"f32\"", "precision = \"f64\"", "f32"},
                                       {"test-fraction = 0.2", "test-fraction = 0.3", "CRC-32"}}) {
    std::string changed = config;
    ASSERT_NE(changed.find(from), std::string::npos) << from;
    changed.replace(changed.find(from), std::string(from).size(), to);
    std::ofstream(directory.path("run/config.toml")) << changed;
    expect("train --resume run --steps 4", 3, word);
  }
  std::ofstream(directory.path("run/config.toml")) << config;
  fs::remove_all(directory.path("run/checkpoints"));
  expect("train --resume run --steps 4", 2, "no checkpoint");
}

TEST(Resume, OfAFinishedRunSaysThatNothingIsLeft) {
  const TemporaryDirectory directory;
  expect_success(run_program(directory, "train --out run --steps 2" + net));
  const auto before = rows_of(directory.path("run"));
  const ProgramResult result = run_program(directory, "train --resume run");
  EXPECT_EQ(result.status, 0);
  EXPECT_NE(result.error.find("reached already"), std::string::npos) << result.error;
  EXPECT_EQ(rows_of(directory.path("run")), before);
}

}  // namespace
}  // namespace natgrad::testing
