/// Long runs: steps without end take no more memory than the first ones.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "io/temporary_directory.hpp"
#include "natgrad/metrics.hpp"
#include "reliability/small_training.hpp"
#include "support/faults.hpp"
#include "support/figure.hpp"

namespace natgrad {
namespace {

using faults::Memory;

/// Pages of this process in memory.
std::int64_t resident_pages() {
  std::int64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident;
}

struct Held {
  std::int64_t pages = 0, host = 0, device = 0;
};

Held held_now() { return {resident_pages(), faults::live(Memory::host), faults::live(Memory::device)}; }

struct SoakRun {
  Held early, late;       // once warm, and after all steps
  Index allocations = 0;  // of the device, between
  double change = 0.0;    // of the median time of a step, from the second tenth to the last
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

/// A training with its metrics written to a file; `warm`: the step after which nothing more may be taken.
SoakRun soak(const Method& method, Index steps, Index warm) {
  const testing::TemporaryDirectory directory;
  const auto backend = make_backend<float>(faults::device(), 2);
  const Dataset<float> train = small_data<float>(24), test = small_data<float>(5);
  Network<float> net(*backend, small_network());
  net.set_parameters(initial_parameters(small_network(), Init::lecun, 1));
  const auto optimizer = method.optimizer(net);
  Trainer<float> trainer(net, Likelihood::categorical, *optimizer, train, test, {},
                         {.batch = 8, .steps = steps, .eval_every = steps / 10});
  MetricsWriter metrics(directory.path("metrics.jsonl"));
  SoakRun result;
  std::vector<double> second, last;
  second.reserve(static_cast<std::size_t>(steps));
  last.reserve(static_cast<std::size_t>(steps));
  trainer.on_step = [&](const StepRecord& record) {
    metrics.write(record);
    if (record.step == warm) result.early = held_now();
    if (record.step == steps) result.late = held_now();
    if (record.step > warm) result.allocations += static_cast<Index>(record.allocations);
    if (record.step > steps / 10 && record.step <= steps / 5) second.push_back(record.seconds);
    if (record.step > steps - steps / 10) last.push_back(record.seconds);
  };
  trainer.run();
  result.change = median(last) / median(second) - 1.0;
  return result;
}

TEST(Soak, TakesNoMoreMemoryAfterTheLastStepThanOnceWarm) {
  const bool cpu = std::string(faults::device()) == "cpu";
  // CUDA remembers the last 16 stretches of operations, long and short: a leak would be one a step.
  const Index steps = cpu ? 10'000 : 300, warm = cpu ? 1'000 : 150;
  // Some pages come and go as the heap is cut; 32 bytes a step would show.
  const std::int64_t allowed = 64 + steps / ::getpagesize();
  const std::int64_t allowed_host = cpu ? 0 : (steps - warm) / 2;
  std::int64_t most = 0, most_host = 0;
  double drift = 0.0;
  for (const Method& method : methods()) {
    if (!cpu && method.name != "sgd" && method.name != "dense" && method.name != "gram") continue;
    SCOPED_TRACE(method.name);
    soak(method, 10, 1);  // what is taken once, and kept
    const SoakRun found = soak(method, steps, warm);
    EXPECT_LE(found.late.host - found.early.host, allowed_host) << "host allocations";
    EXPECT_EQ(found.late.device, found.early.device) << "device allocations";
    EXPECT_EQ(found.allocations, 0) << "device allocations once warm";
    EXPECT_LE(found.late.pages - found.early.pages, allowed);
    most = std::max(most, found.late.pages - found.early.pages);
    most_host = std::max(most_host, found.late.host - found.early.host);
    if (std::abs(found.change) > std::abs(drift)) drift = found.change;
  }
  report_figure(
      "Soak",
      fmt::format(
          "{} steps on {}: from step {} to the end {} pages (allowed {}), {} host allocations (allowed {}) "
          "and no device allocation more; time of a step {:+.1f} % (wanted: within 5, on a quiet machine)",
          steps, faults::device(), warm, most, allowed, most_host, allowed_host, 100.0 * drift));
}

}  // namespace
}  // namespace natgrad
