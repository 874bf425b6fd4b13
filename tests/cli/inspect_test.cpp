#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "cli/program_run.hpp"
#include "io/npy.hpp"
#include "io/safetensors.hpp"

namespace natgrad::testing {
namespace {

constexpr double epsilon = 2.220446049250313e-16;

/// A line z = w x + b through two points, gaussian: θ = (w, b), all by hand.
struct Line {
  double w = 0.5, b = -1.0;
  double x[2] = {1.0, 3.0}, y[2] = {2.0, -1.0};
  double damping = 0.25, kl = 0.01;

  double residual(int n) const { return w * x[n] + b - y[n]; }
  double gradient(int i) const {  // mean of (z − y) ã
    return 0.5 * (residual(0) * (i == 0 ? x[0] : 1.0) + residual(1) * (i == 0 ? x[1] : 1.0));
  }
  double fisher(int i, int j) const {  // mean of ã ãᵀ
    double sum = 0.0;
    for (double a : x) sum += 0.5 * (i == 0 ? a : 1.0) * (j == 0 ? a : 1.0);
    return sum;
  }
};

void write_files(const TemporaryDirectory& directory, const Line& line) {
  const std::vector<Tensor> tensors = {
      {"layers.0.weight", {1, 1}, true, bytes_of(std::span<const double>(&line.w, 1))},
      {"layers.0.bias", {1}, true, bytes_of(std::span<const double>(&line.b, 1))}};
  write_safetensors(directory.path("w.safetensors"), tensors, {});
  write_npy<double>(directory.path("x.npy"), {line.x, 1, 2}, {2, 1});
  write_npy<double>(directory.path("y.npy"), {line.y, 1, 2}, {2, 1});
}

const std::string command =
    "inspect --weights w.safetensors --x x.npy --y y.npy --likelihood gaussian --precision f64 --device cpu --out o ";

HostMatrix<double> read(const TemporaryDirectory& directory, const std::string& name) {
  return to_samples<double>(read_array(directory.path("o/" + name)));
}

TEST(Inspect, GivesTheHandComputedStepOfALine) {
  const TemporaryDirectory directory;
  const Line line;
  write_files(directory, line);
  const ProgramResult result =
      run_program(directory, command + "--damping 0.25 --kl 0.01 --dump-fisher --dump-inverse --spectrum");
  ASSERT_EQ(result.status, 0) << result.error;

  const double g0 = line.gradient(0), g1 = line.gradient(1);
  const double f00 = line.fisher(0, 0), f01 = line.fisher(0, 1), f11 = line.fisher(1, 1);
  const double m00 = f00 + line.damping, m11 = f11 + line.damping, determinant = m00 * m11 - f01 * f01;
  const double d0 = (m11 * g0 - f01 * g1) / determinant, d1 = (m00 * g1 - f01 * g0) / determinant;
  const double quadratic = f00 * d0 * d0 + 2.0 * f01 * d0 * d1 + f11 * d1 * d1;
  const double beta = std::min(1.0, std::sqrt(2.0 * line.kl / quadratic));
  const double condition = (m00 + m11) * (m00 + m11) / determinant;
  const double tolerance = 16.0 * condition * epsilon;  // of a 2 × 2 solve, relative to its result

  const auto gradient = read(directory, "gradient.npy"), direction = read(directory, "direction.npy");
  EXPECT_NEAR(gradient.data[0], g0, 8.0 * epsilon * std::abs(g0));
  EXPECT_NEAR(gradient.data[1], g1, 8.0 * epsilon * std::abs(g1));
  EXPECT_NEAR(direction.data[0], d0, tolerance * std::hypot(d0, d1));
  EXPECT_NEAR(direction.data[1], d1, tolerance * std::hypot(d0, d1));
  const auto fisher = read(directory, "fisher.npy"), inverse = read(directory, "inverse.npy");
  const double expected_fisher[] = {f00, f01, f01, f11};
  const double expected_inverse[] = {m11 / determinant, -f01 / determinant, -f01 / determinant,
                                     m00 / determinant};
  for (std::size_t k = 0; k < 4; ++k) {
    EXPECT_NEAR(fisher.data[k], expected_fisher[k], 8.0 * epsilon * f00) << k;
    EXPECT_NEAR(inverse.data[k], expected_inverse[k], tolerance * (m00 + m11) / determinant) << k;
  }
  const auto eigenvalues = read(directory, "eigenvalues.npy");
  const double spread = std::hypot(f00 - f11, 2.0 * f01);
  EXPECT_NEAR(eigenvalues.data[0], 0.5 * (f00 + f11 - spread), 16.0 * epsilon * (f00 + f11));
  EXPECT_NEAR(eigenvalues.data[1], 0.5 * (f00 + f11 + spread), 16.0 * epsilon * (f00 + f11));

  const auto step = nlohmann::json::parse(content_of(directory.path("o/step.json")));
  EXPECT_EQ(nlohmann::json::parse(result.out), step);
  EXPECT_EQ(step["P"], 2);
  EXPECT_EQ(step["N"], 2);
  EXPECT_EQ(step["rows"], 2);
  EXPECT_EQ(step["solver"], "cholesky");
  EXPECT_NEAR(step["quadratic"], quadratic, 2.0 * tolerance * quadratic);
  EXPECT_LE(step["beta"], beta * (1.0 + tolerance));  // aimed below the budget by 2⁻³³ of it
  EXPECT_NEAR(step["beta"], beta, 0x1p-34 * beta + 2.0 * tolerance);
  // The KL model of a linear gaussian net is exact.
  EXPECT_NEAR(step["kl_measured"], 0.5 * step["beta"].get<double>() * step["beta"].get<double>() * quadratic,
              4.0 * tolerance * line.kl);
  EXPECT_TRUE(step["accepted"]);
  EXPECT_LT(step["new_loss"], step["loss"]);
}

TEST(Inspect, WritesTheMatricesOnlyWhereAskedTo) {
  const TemporaryDirectory directory;
  write_files(directory, {});
  ASSERT_EQ(run_program(directory, command + "--quiet").status, 0);
  for (const char* name : {"gradient.npy", "direction.npy", "step.json"})
    EXPECT_TRUE(std::filesystem::exists(directory.path("o/") + name)) << name;
  for (const char* name : {"fisher.npy", "inverse.npy", "eigenvalues.npy"})
    EXPECT_FALSE(std::filesystem::exists(directory.path("o/") + name)) << name;
}

TEST(Inspect, GivesTheMinimumNormSolutionWithoutDamping) {
  const TemporaryDirectory directory;
  Line line;
  line.x[1] = line.x[0];  // F has rank 1: ã ãᵀ with ã = (1, 1)
  write_files(directory, line);
  ASSERT_EQ(run_program(directory, command + "--damping 0 --kl 1").status, 0);
  const auto direction = read(directory, "direction.npy");
  const double d = 0.25 * (line.residual(0) + line.residual(1));  // mean residual · ã / ‖ã‖²
  EXPECT_NEAR(direction.data[0], d, 64.0 * epsilon * std::abs(d));
  EXPECT_NEAR(direction.data[1], d, 64.0 * epsilon * std::abs(d));
  EXPECT_EQ(nlohmann::json::parse(content_of(directory.path("o/step.json")))["solver"], "eigen");
}

nlohmann::json step_of(const TemporaryDirectory& directory, const std::string& arguments) {
  const ProgramResult result = run_program(directory, command + arguments);
  EXPECT_EQ(result.status, 0) << result.error;
  EXPECT_EQ(result.error.find("warning"), std::string::npos) << result.error;
  return nlohmann::json::parse(content_of(directory.path("o/step.json")));
}

// One layer of one unit: its block is all of F.
TEST(Inspect, GivesOneDirectionThroughEveryStructureThatHoldsAllOfTheFisher) {
  const TemporaryDirectory directory;
  const Line line;
  write_files(directory, line);
  step_of(directory, "--damping 0.25 --dump-fisher --dump-inverse");
  const auto direction = read(directory, "direction.npy"), fisher = read(directory, "fisher.npy"),
             inverse = read(directory, "inverse.npy");
  const double condition = (line.fisher(0, 0) + line.fisher(1, 1)) / line.damping;
  for (const char* structure : {"gram", "matrix-free", "layer", "unit"}) {
    SCOPED_TRACE(structure);
    const auto step = step_of(
        directory, std::string("--damping 0.25 --dump-fisher --dump-inverse --structure ") + structure);
    EXPECT_EQ(step["iterations"] > 0, structure == std::string("matrix-free"));
    const auto expect_same = [&](const char* file, const HostMatrix<double>& wanted) {
      const auto found = read(directory, file);
      ASSERT_EQ(found.data.size(), wanted.data.size());
      for (std::size_t k = 0; k < wanted.data.size(); ++k)
        EXPECT_NEAR(found.data[k], wanted.data[k], 64.0 * epsilon * condition * std::abs(wanted.data[k]))
            << file << " " << k;
    };
    expect_same("direction.npy", direction);
    expect_same("fisher.npy", fisher);
    expect_same("inverse.npy", inverse);
  }
}

TEST(Inspect, DumpsTheMatrixOfApproximatingStructures) {
  const TemporaryDirectory directory;
  const Line line;
  write_files(directory, line);
  step_of(directory, "--structure diagonal --dump-fisher --spectrum");
  const auto diagonal = read(directory, "fisher.npy"), eigenvalues = read(directory, "eigenvalues.npy");
  const double f00 = line.fisher(0, 0), f11 = line.fisher(1, 1);
  for (const double off : {diagonal.data[1], diagonal.data[2]}) EXPECT_EQ(off, 0.0);
  EXPECT_NEAR(diagonal.data[0], f00, 8.0 * epsilon * f00);
  EXPECT_NEAR(diagonal.data[3], f11, 8.0 * epsilon * f11);
  EXPECT_EQ(eigenvalues.data, (std::vector<double>{diagonal.data[3], diagonal.data[0]}));
  // With one unit, gaussian, G = 1: K-FAC and its eigenvalues are exact.
  for (const char* structure : {"kronecker", "ekfac"}) {
    step_of(directory, std::string("--dump-fisher --structure ") + structure);
    const auto found = read(directory, "fisher.npy");
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 2; ++j)
        EXPECT_NEAR(found.data[static_cast<std::size_t>(2 * j + i)], line.fisher(i, j),
                    16.0 * epsilon * (f00 + f11))
            << structure;
  }
}

TEST(Inspect, ReportsRankAndConditionOfSpectralSolves) {
  const TemporaryDirectory directory;
  const Line line;
  write_files(directory, line);
  const auto plain = step_of(directory, "--damping 0.25");
  EXPECT_TRUE(plain["rank"].is_null());
  EXPECT_TRUE(plain["condition"].is_null());
  const auto step = step_of(directory, "--damping 0.25 --solver eigen --dump-inverse");
  const double f00 = line.fisher(0, 0), f01 = line.fisher(0, 1), f11 = line.fisher(1, 1);
  const double mean = 0.5 * (f00 + f11) + 0.25, spread = std::hypot(0.5 * (f00 - f11), f01);
  EXPECT_EQ(step["solver"], "eigen");
  EXPECT_EQ(step["rank"], 2.0);
  EXPECT_NEAR(step["smallest_eigenvalue"], mean - spread, 16.0 * epsilon * mean);
  EXPECT_NEAR(step["condition"], (mean + spread) / (mean - spread),
              64.0 * epsilon * mean * mean / ((mean - spread) * (mean - spread)));
  const double determinant = (f00 + 0.25) * (f11 + 0.25) - f01 * f01;
  EXPECT_NEAR(read(directory, "inverse.npy").data[0], (f11 + 0.25) / determinant,
              64.0 * epsilon * mean * mean / (determinant * determinant));
  EXPECT_EQ(step_of(directory, "--damping 0 --cutoff 0.9")["rank"], 1.0);
}

// A gaussian line has an exact quadratic model: with κ = 0 its minimum along d has (gᵀd)/(dᵀFd).
TEST(Inspect, StepsToTheMinimumOfTheQuadraticModel) {
  const TemporaryDirectory directory;
  const Line line;
  write_files(directory, line);
  const auto step = step_of(directory, "--damping 0.25 --step-rule quadratic --model-damping 0 --kl 1000");
  step_of(directory, "--damping 0.25 --kl 1000");
  const auto d = read(directory, "direction.npy");
  const double slope = line.gradient(0) * d.data[0] + line.gradient(1) * d.data[1];
  double curvature = 0.0;
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j)
      curvature +=
          line.fisher(i, j) * d.data[static_cast<std::size_t>(i)] * d.data[static_cast<std::size_t>(j)];
  EXPECT_EQ(step["momentum"], 0.0);
  EXPECT_NEAR(step["loss"].get<double>() - step["new_loss"].get<double>(), 0.5 * slope * slope / curvature,
              1024.0 * epsilon * step["loss"].get<double>());
}

TEST(Inspect, TakesTheFisherFromPartOfTheBatchWhereAskedTo) {
  const TemporaryDirectory directory;
  const Line line;
  write_files(directory, line);
  const auto step = step_of(directory, "--damping 0.25 --fisher-batch 1 --dump-fisher");
  EXPECT_EQ(step["N"], 2);
  EXPECT_EQ(step["rows"], 1);
  EXPECT_NEAR(read(directory, "fisher.npy").data[0], line.x[0] * line.x[0], 4.0 * epsilon);
}

TEST(Inspect, RefusesFilesThatDoNotFitTogether) {
  const TemporaryDirectory directory;
  Line line;
  write_files(directory, line);
  const auto fails = [&](const std::string& arguments, int status, const std::string& word) {
    const ProgramResult result = run_program(directory, arguments);
    EXPECT_EQ(result.status, status) << result.error;
    EXPECT_NE(result.error.find(word), std::string::npos) << word << " is missing in: " << result.error;
  };
  fails("inspect --weights w.safetensors --x x.npy --y y.npy --out o", 2, "--likelihood");
  fails(command + "--likelihood categorical", 2, "--likelihood");
  const double wide[] = {1, 2, 3, 4}, broken[] = {1.0, NAN};
  write_npy<double>(directory.path("x.npy"), {wide, 2, 2}, {2, 2});
  fails(command, 3, "x.npy");
  write_npy<double>(directory.path("x.npy"), {broken, 1, 2}, {2, 1});
  fails(command, 3, "x.npy");
  write_npy<double>(directory.path("x.npy"), {wide, 1, 3}, {3, 1});
  fails(command, 3, "y.npy");
}

}  // namespace
}  // namespace natgrad::testing
