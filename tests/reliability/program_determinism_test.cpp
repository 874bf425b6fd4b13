/// R11 of the program: two runs leave the same files.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cli/program_run.hpp"
#include "support/figure.hpp"

namespace natgrad::testing {
namespace {

TEST(R11, TwoRunsOfTheProgramLeaveTheSameModelAndMetrics) {
  const std::string small = "train --device cpu --hidden 8 --batch 200 --steps 6 ";
  std::size_t runs = 0, bytes = 0, different = 0;
  for (const char* options : {"", "--precision f64", "--structure gram --fisher mc --momentum 0.5",
                              "--structure kronecker --refresh 2", "--optimizer adam --average 0.9"})
    for (const int threads : {1, 2}) {
      const std::string arguments = fmt::format("{}--threads {} {}", small, threads, options);
      SCOPED_TRACE(arguments);
      const TemporaryDirectory directory;
      for (const char* name : {"a", "b"})
        ASSERT_EQ(run_program(directory, fmt::format("{} --out {}", arguments, name)).status, 0);
      const std::string model = content_of(directory.path("a/model.safetensors"));
      const bool same = content_of(directory.path("b/model.safetensors")) == model &&
                        timeless_metrics(directory.path("b/metrics.jsonl")) ==
                            timeless_metrics(directory.path("a/metrics.jsonl"));
      EXPECT_FALSE(model.empty());
      EXPECT_TRUE(same);
      different += same ? 0 : 1;
      ++runs;
      bytes += model.size();
    }
  report_figure(
      "R11",
      fmt::format("{} runs of the program and their repetitions, with 1 and with 2 threads, {} bytes of "
                  "model files and all metrics but times compared: {} differ in a bit (allowed: 0)",
                  runs, bytes, different));
}

}  // namespace
}  // namespace natgrad::testing
