#include "timing.hpp"

#include <algorithm>
#include <chrono>

namespace natgrad::bench {
namespace {

double seconds_of(Device& device, const Timed& timed) {
  using Clock = std::chrono::steady_clock;
  timed.prepare();
  device.synchronize();
  const auto begin = Clock::now();
  timed.run();
  device.synchronize();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

std::vector<std::vector<double>> time_in_turn(Device& device, double bound, const std::vector<Timed>& all) {
  constexpr std::size_t most_rounds = 50;
  std::vector<std::vector<double>> seconds(all.size());
  for (const Timed& timed : all) seconds_of(device, timed);
  const double allowed = bound * static_cast<double>(all.size());
  for (double total = 0.0; seconds[0].empty() || (total < allowed && seconds[0].size() < most_rounds);) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      seconds[i].push_back(seconds_of(device, all[i]));
      total += seconds[i].back();
    }
  }
  return seconds;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

double seconds_each(Device& device, double bound, const Repeated& repeated) {
  constexpr double long_enough = 2e-3;
  Index count = 1;
  const Timed timed{[&] {
                      for (Index k = 0; k < count; ++k) repeated.run(k);
                    },
                    repeated.prepare};
  seconds_of(device, timed);
  while (2 * count <= repeated.most && seconds_of(device, timed) < long_enough) count *= 2;
  return median(time_in_turn(device, bound, {timed})[0]) / static_cast<double>(count);
}

}  // namespace natgrad::bench
