#include <gtest/gtest.h>

#include "cli/planning.hpp"
#include "cli/program_run.hpp"

namespace natgrad::testing {
namespace {

using nlohmann::json;

json plan(const std::string& arguments) {
  const TemporaryDirectory directory;
  const ProgramResult result =
      run_program(directory, "plan --json --device cpu --gemm-rate 100 " + arguments);
  EXPECT_EQ(result.status, 0) << result.error;
  EXPECT_FALSE(std::filesystem::exists(directory.path("runs"))) << "a plan leaves nothing behind";
  return json::parse(result.out);
}

json row(const json& plan, const std::string& structure) {
  for (const json& row : plan["structures"])
    if (row["structure"] == structure) return row;
  ADD_FAILURE() << structure << " is missing in " << plan.dump();
  return {};
}

TEST(Plan, ListsEveryStructureOfTheDefaultRun) {
  const json found = plan("");
  EXPECT_EQ(found["structures"].size(), 8u);
  EXPECT_EQ(found["auto"]["structure"], "dense");
  EXPECT_EQ(found["chosen"], "dense");
  for (const json& row : found["structures"]) {
    EXPECT_EQ(row["P"], 2410);
    EXPECT_EQ(row["rows"], 1437 * 9);
    EXPECT_TRUE(row["fits"]);
    EXPECT_DOUBLE_EQ(row["seconds"], row["flops"].get<double>() / 100e9);
    double bytes = 0.0;
    for (const json& buffer : row["buffers"]) bytes += buffer["bytes"].get<double>();
    EXPECT_EQ(row["bytes"], bytes);
  }
  EXPECT_GE(row(found, "dense")["bytes"], 2.0 * 4.0 * 2410.0 * 2410.0) << "the matrix and its factor";
}

TEST(Plan, ChangesItsMindWithTheMemoryLimit) {
  const json all = plan("--structure auto");
  const auto bytes = row(all, "dense")["bytes"].get<std::size_t>();
  const json fits = plan("--structure auto --memory-limit " + std::to_string(bytes)),
             none = plan("--structure auto --memory-limit " + std::to_string(bytes - 1));
  EXPECT_EQ(fits["chosen"], "dense");
  EXPECT_EQ(none["chosen"], "kronecker");
  EXPECT_FALSE(row(none, "dense")["fits"]);
  EXPECT_TRUE(row(none, "kronecker")["fits"]);
  EXPECT_EQ(plan("--structure unit")["chosen"], "unit");
}

TEST(Plan, TakesGramWhereRowsAreFew) {
  const json found = plan("--fisher mc --batch 100 --structure auto");
  EXPECT_EQ(found["chosen"], "gram");
  EXPECT_EQ(row(found, "gram")["rows"], 100);
}

TEST(Plan, OfAnOptimiserWithoutCurvatureIsOneLine) {
  const json found = plan("--optimizer adam");
  ASSERT_EQ(found["structures"].size(), 1u);
  EXPECT_EQ(found["chosen"], "adam");
  EXPECT_FALSE(found.contains("auto"));
}

TEST(Plan, GivesEachStructureTheOptionsThatHaveAnEffectOnIt) {
  const json found = plan("--structure auto --curvature-decay 0.9 --refresh 10");
  EXPECT_EQ(row(found, "gram")["bytes"], row(plan(""), "gram")["bytes"]);
  EXPECT_LT(row(found, "kronecker")["flops"], row(plan(""), "kronecker")["flops"]);
}

TEST(Plan, PrintsATableWithItsRateAndTheChoice) {
  const TemporaryDirectory directory;
  const ProgramResult result = run_program(directory, "plan --device cpu --hidden 4");
  ASSERT_EQ(result.status, 0) << result.error;
  for (const char* word : {"matrix-free", "GFLOP/s", "measured", "free", "--structure auto takes dense"})
    EXPECT_NE(result.out.find(word), std::string::npos) << word << " is missing in: " << result.out;
}

TEST(Plan, OfTrainingIsItsPeak) {
  for (const char* structure :
       {"dense", "gram", "matrix-free", "layer", "unit", "kronecker", "ekfac", "diagonal"}) {
    const TemporaryDirectory directory;
    const std::string options = std::string("--hidden 4 --fisher mc --structure ") + structure;
    const ProgramResult result = run_program(directory, "train --device cpu --steps 1 --out run " + options);
    ASSERT_EQ(result.status, 0) << result.error;
    const double bytes = row(plan(options), structure)["bytes"];
    const std::string planned = cli::bytes_text(bytes);
    EXPECT_NE(result.error.find(std::string("plan: ") + structure + ", 310 parameters, 1437 rows"),
              std::string::npos)
        << result.error;
    EXPECT_NE(result.out.find(planned + " planned, " + planned + " at most on cpu"), std::string::npos)
        << planned << " is missing in: " << result.out;
    EXPECT_NE(result.out.find(" resident"), std::string::npos) << result.out;
  }
}

TEST(Plan, RefusesARunThatDoesNotFitNamingTheNearestStructureThatDoes) {
  expect_failure("train --device cpu --memory-limit 40M", 5,
                 {"--structure dense", "40 MiB allowed", "--structure matrix-free", "bytes"});
  expect_failure("train --device cpu --memory-limit 1K", 5, {"no structure fits", "--batch"});
  expect_failure("train --device cpu --memory-limit 1K --optimizer sgd", 5, {"--optimizer sgd"});
  const TemporaryDirectory directory;
  run_program(directory, "train --device cpu --memory-limit 1K --out run");
  EXPECT_FALSE(std::filesystem::exists(directory.path("run"))) << "a refused run leaves nothing behind";
}

TEST(Plan, RecordsTheStructureThatWasChosen) {
  const TemporaryDirectory directory;
  const ProgramResult result = run_program(
      directory, "train --steps 1 --hidden 4 --structure auto --memory-limit 4M --device cpu --out run");
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_NE(result.error.find("structure: auto takes kronecker: no structure"), std::string::npos)
      << result.error;
  const std::string config = content_of(directory.path("run/config.toml"));
  EXPECT_NE(config.find("structure = \"kronecker\""), std::string::npos) << config;
}

TEST(Plan, WritesSizesWithThreeDigits) {
  EXPECT_EQ(cli::bytes_text(0.0), "0 bytes");
  EXPECT_EQ(cli::bytes_text(1023.0), "1023 bytes");
  EXPECT_EQ(cli::bytes_text(1536.0), "1.5 KiB");
  EXPECT_EQ(cli::bytes_text(1048575.0), "1 MiB");
  EXPECT_EQ(cli::bytes_text(0x1p60), "1048576 TiB");
  EXPECT_EQ(cli::flops_text(39.85e9), "39.9 GFLOP");
  EXPECT_EQ(cli::flops_text(123.4e6), "123 MFLOP");
}

}  // namespace
}  // namespace natgrad::testing
