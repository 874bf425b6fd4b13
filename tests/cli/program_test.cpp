#include <gtest/gtest.h>

#include <cstring>

#include "cli/program_run.hpp"

namespace natgrad::testing {
namespace {

const std::string small = "--hidden 4 --device cpu ";

std::string small_table() {
  std::string text = "a,b,price\n";
  for (int k = 0; k < 30; ++k) {
    const double a = 0.1 * k, b = 1.0 - 0.07 * k;
    text += std::to_string(a) + "," + std::to_string(b) + "," +
            std::to_string(1000.5 + 30.0 * a - 20.0 * b * b) + "\n";
  }
  return text;
}

TEST(Program, SaysItsVersionAndHelp) {
  const TemporaryDirectory directory;
  const ProgramResult version = run_program(directory, "--version"),
                      help = run_program(directory, "train --help");
  EXPECT_EQ(version.status, 0);
  EXPECT_EQ(version.out.rfind("natgrad ", 0), 0u) << version.out;
  EXPECT_EQ(help.status, 0);
  for (const char* word :
       {"--kl", "0.1", "natural|sgd|adam", "--config", "matrix-free", "--memory-limit BYTES"})
    EXPECT_NE(help.out.find(word), std::string::npos) << word;
}

TEST(Program, RefusesWhatItDoesNotKnowNamingTheNearest) {
  expect_failure("", 2, {"no subcommand"});
  expect_failure("trian", 2, {"trian", "natgrad train"});
  expect_failure("train --kll 0.1", 2, {"--kll", "--kl"});
  expect_failure("train extra", 2, {"extra"});
  expect_failure("train --kl", 2, {"--kl"});
  expect_failure("train --overwrite=false", 2, {"overwrite"});
  expect_failure("doctor --device cpu", 2, {"--device"});
  expect_failure("eval --test-fraction 0", 2, {"--model"});
  expect_failure("predict --model none --out p.npy", 2, {"--x"});
}

TEST(Program, EndsWithTheDocumentedStatusOfEachFault) {
  expect_failure("train --kl 0", 2, {"--kl 0", "above 0"});
  expect_failure("train --batch 2000", 2, {"batch", "2000", "1437"});
  expect_failure("train --out /dev/null", 2, {"/dev/null"});
  expect_failure("train --device cpu --out /proc/natgrad", 3, {"/proc/natgrad"});
  expect_failure("train --train-x no.npy --train-y no.npy", 3, {"no.npy"});
  expect_failure("train --config no.toml", 3, {"no.toml"});
  expect_failure("eval --model no.safetensors", 3, {"no.safetensors"});
  expect_failure("train --device cpu --hidden 1000000", 5, {"bytes"});
  expect_failure(
      "train --device cpu --quiet --out run --optimizer sgd --learning-rate 1e30 --activation relu --steps 9",
      4, {"finite"});
}

TEST(Program, MakesNoFolderWhereOptionsOrDataAreRefused) {
  const TemporaryDirectory directory;
  EXPECT_EQ(run_program(directory, "train --out run --kl 0").status, 2);
  EXPECT_EQ(run_program(directory, "train --out run --batch 5000").status, 2);
  EXPECT_EQ(run_program(directory, "train --out run --train-csv none.csv --target y").status, 3);
  EXPECT_FALSE(std::filesystem::exists(directory.path("run")));
}

TEST(Program, GivesTheSameBitsTwiceAndFromItsOwnConfiguration) {
  for (const std::string& arguments :
       {small + "--steps 4", small + "--steps 4 --precision f64",
        small + "--steps 6 --batch 100 --fisher mc --fisher-samples 2 --kl 0.05",
        small + "--steps 5 --optimizer adam --activation relu --average 0.9",
        small + "--steps 4 --structure auto --fisher mc --momentum 0.5 --damping-schedule geometric",
        small + "--steps 4 --structure gram --fisher mc --metric kronecker --step-rule quadratic --batch 200",
        small + "--steps 4 --structure kronecker --refresh 2 --curvature-decay 0.9 --adapt-damping off"}) {
    SCOPED_TRACE(arguments);
    const TemporaryDirectory directory;
    ASSERT_EQ(run_program(directory, "train --out a " + arguments).status, 0);
    ASSERT_EQ(run_program(directory, "train --out b " + arguments).status, 0);
    ASSERT_EQ(run_program(directory, "train --out c --config a/config.toml").status, 0);
    for (const char* other : {"b", "c"}) {
      const std::string folder = directory.path(other);
      EXPECT_EQ(content_of(folder + "/model.safetensors"), content_of(directory.path("a/model.safetensors")));
      EXPECT_EQ(content_of(folder + "/config.toml"), content_of(directory.path("a/config.toml")));
      EXPECT_EQ(timeless_metrics(folder + "/metrics.jsonl"),
                timeless_metrics(directory.path("a/metrics.jsonl")));
    }
  }
}

TEST(Program, SavesAndEvaluatesTheAverageBesideTheLastIterate) {
  const TemporaryDirectory directory;
  const ProgramResult result =
      run_program(directory, "train --steps 4 --average 0.5 --precision f64 --out run " + small);
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_NE(result.out.find("  average "), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("run/model-average.safetensors"), std::string::npos) << result.out;
  const auto last = timeless_metrics(directory.path("run/metrics.jsonl")).back();
  EXPECT_NE(last["average_test_loss"], last["test_loss"]);
  for (const auto& [model, key] : {std::pair{"model", "test_loss"}, {"model-average", "average_test_loss"}}) {
    const ProgramResult eval =
        run_program(directory, std::string("eval --json --device cpu --precision f64 --model run/") + model +
                                   ".safetensors");
    ASSERT_EQ(eval.status, 0) << eval.error;
    EXPECT_EQ(nlohmann::json::parse(eval.out)["loss"], last[key]) << model;
  }
  ASSERT_EQ(run_program(directory, "train --overwrite --quiet --steps 1 --out run " + small).status, 0);
  EXPECT_FALSE(std::filesystem::exists(directory.path("run/model-average.safetensors")))
      << "of the older run";
}

TEST(Program, RecordsWhatTheSolvesReport) {
  const TemporaryDirectory directory;
  ASSERT_EQ(run_program(directory,
                        "train --quiet --steps 2 --out a --structure matrix-free --momentum 0.5 " + small)
                .status,
            0);
  const auto last = timeless_metrics(directory.path("a/metrics.jsonl")).rbegin()[1];
  EXPECT_GT(last["iterations"], 0);
  EXPECT_GT(last["residual"], 0.0);
  EXPECT_EQ(last["momentum"], 0.5);
  EXPECT_TRUE(last["rank"].is_null());
}

TEST(Program, KeepsTheMeasuredDivergenceOfEveryAcceptedStepWithinItsBudget) {
  const TemporaryDirectory directory;
  ASSERT_EQ(run_program(directory, "train --out run --quiet --kl 0.02 --steps 8 " + small).status, 0);
  int steps = 0;
  for (const auto& row : timeless_metrics(directory.path("run/metrics.jsonl"))) {
    if (!row.contains("kl_measured")) continue;
    ++steps;
    if (!row["rejected"]) {
      EXPECT_LE(row["kl_measured"], row["kl_budget"]) << row;
    }
  }
  EXPECT_EQ(steps, 8);
}

TEST(Program, IsSilentWithQuietAndSaysTheDeviceOnceWithout) {
  const TemporaryDirectory directory;
  const ProgramResult quiet = run_program(directory, "train --quiet --steps 1 --out a " + small);
  EXPECT_EQ(quiet.out + quiet.error, "");
  const ProgramResult loud = run_program(directory, "train --steps 1 --out b " + small);
  EXPECT_NE(loud.error.find("device: cpu"), std::string::npos) << loud.error;
  EXPECT_EQ(loud.error.find("device:"), loud.error.rfind("device:"));
  for (const char* word : {"step    1", "64-4-10 tanh", "310 parameters", "b/model.safetensors"})
    EXPECT_NE(loud.out.find(word), std::string::npos) << word << " is missing in: " << loud.out;
}

TEST(Program, RefusesAFolderThatHoldsARunUnlessToldToOverwrite) {
  const TemporaryDirectory directory;
  const std::string arguments = "train --quiet --steps 1 --out run " + small;
  ASSERT_EQ(run_program(directory, arguments).status, 0);
  const ProgramResult refused = run_program(directory, arguments);
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.error.find("--overwrite"), std::string::npos) << refused.error;
  EXPECT_EQ(run_program(directory, arguments + "--overwrite").status, 0);
}

TEST(Program, PrintsAConfigurationThatItReadsBack) {
  const TemporaryDirectory directory;
  const ProgramResult first =
      run_program(directory, "train --print-config --hidden '' --optimizer sgd --momentum 0.5");
  ASSERT_EQ(first.status, 0) << first.error;
  directory.write("c.toml", first.out);
  EXPECT_EQ(run_program(directory, "train --print-config --config c.toml").out, first.out);
  EXPECT_FALSE(std::filesystem::exists(directory.path("runs")));
}

TEST(Program, StartsFromGivenWeightsTakingTheirWidths) {
  const TemporaryDirectory directory;
  ASSERT_EQ(
      run_program(directory, "train --quiet --steps 3 --out a --hidden 5 --activation relu --device cpu")
          .status,
      0);
  ASSERT_EQ(run_program(directory, "train --quiet --steps 1 --out b --init-from a/model.safetensors").status,
            0);
  const auto a = timeless_metrics(directory.path("a/metrics.jsonl")),
             b = timeless_metrics(directory.path("b/metrics.jsonl"));
  EXPECT_EQ(b.front()["train_loss"], a.back()["train_loss"]);
  ASSERT_EQ(run_program(directory, "train --quiet --out c --config b/config.toml").status, 0);
  EXPECT_EQ(content_of(directory.path("c/model.safetensors")),
            content_of(directory.path("b/model.safetensors")));
  const ProgramResult other =
      run_program(directory, "train --out d --hidden 6 --init-from a/model.safetensors");
  EXPECT_EQ(other.status, 3);
  EXPECT_NE(other.error.find("64-5-10"), std::string::npos) << other.error;
}

TEST(Program, EvaluatesAsTrainingDid) {
  const TemporaryDirectory directory;
  ASSERT_EQ(run_program(directory, "train --quiet --steps 3 --out run " + small).status, 0);
  const auto last = timeless_metrics(directory.path("run/metrics.jsonl")).back();
  const ProgramResult result =
      run_program(directory, "eval --json --device cpu --model run/model.safetensors");
  ASSERT_EQ(result.status, 0) << result.error;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["samples"], 360);
  EXPECT_EQ(json["loss"], last["test_loss"]);
  EXPECT_EQ(json["accuracy"], last["test_accuracy"]);
  EXPECT_NE(run_program(directory, "eval --model run/model.safetensors").out.find("accuracy"),
            std::string::npos);
}

TEST(Program, PredictsATablesTargetsInTheirOwnUnits) {
  const TemporaryDirectory directory;
  directory.write("t.csv", small_table());
  ASSERT_EQ(
      run_program(directory,
                  "train --quiet --precision f64 --train-csv t.csv --target price --scale-target standard "
                  "--hidden 6 --steps 60 --kl 1 --out run")
          .status,
      0);
  const double error = timeless_metrics(directory.path("run/metrics.jsonl")).back()["train_squared_error"];
  EXPECT_LT(error, 1.0);  // of prices from 980 to 1087
  ASSERT_EQ(run_program(
                directory,
                "predict --precision f64 --model run/model.safetensors --x t.csv --target price --out p.npy")
                .status,
            0);
  const std::string file = content_of(directory.path("p.npy"));
  ASSERT_NE(file.find("(30, 1)"), std::string::npos) << file.substr(0, 80);
  const ProgramResult eval = run_program(
      directory,
      "eval --json --precision f64 --model run/model.safetensors --train-csv t.csv --target price");
  EXPECT_EQ(nlohmann::json::parse(eval.out)["squared_error"], error) << eval.error;
  double first = 0.0;
  std::memcpy(&first, file.data() + file.size() - 30 * sizeof first, sizeof first);
  EXPECT_LT((first - 980.5) * (first - 980.5), 30 * error);  // one sample's square is within the sum of all
}

TEST(Program, PredictsIntoNoFileThatItReads) {
  const TemporaryDirectory directory;
  directory.write("t.csv", small_table());
  ASSERT_EQ(
      run_program(directory, "train --quiet --train-csv t.csv --target price --steps 1 --out run").status, 0);
  const std::string model = content_of(directory.path("run/model.safetensors"));
  const std::string predict = "predict --model run/model.safetensors --x t.csv --target price --out ";
  for (const char* file : {"run/model.safetensors", "./run/../run/model.safetensors", "t.csv"})
    EXPECT_EQ(run_program(directory, predict + file).status, 2) << file;
  EXPECT_EQ(content_of(directory.path("run/model.safetensors")), model);
  EXPECT_EQ(content_of(directory.path("t.csv")), small_table());
}

TEST(Program, DoctorSolvesOnTheCpuInBothPrecisions) {
  const TemporaryDirectory directory;
  const ProgramResult result = run_program(directory, "doctor");
  EXPECT_EQ(result.status, 0) << result.out << result.error;
  for (const char* word : {"natgrad", "OpenBLAS", "-march", "CUDA", "cpu f32", "cpu f64", "all is well"})
    EXPECT_NE(result.out.find(word), std::string::npos) << word << " is missing in: " << result.out;
}

}  // namespace
}  // namespace natgrad::testing
