/// Seconds of what runs on a device, which may be asynchronous.
#pragma once

#include <functional>
#include <vector>

#include "natgrad/device.hpp"

namespace natgrad::bench {

/// `prepare` is not timed.
struct Timed {
  std::function<void()> run;
  std::function<void()> prepare = [] {};
};

/// Seconds of all in turn, so that what else the machine does meets all alike; one vector for each. The first
/// round warms up; at least one more, at most 50 until each has had `bound` seconds on average.
std::vector<std::vector<double>> time_in_turn(Device& device, double bound, const std::vector<Timed>& all);

double median(std::vector<double> values);

/// One operation, to be run several times without a wait between: `run(k)` is the k-th, `most` how many can
/// follow each other after `prepare`, which is not timed.
struct Repeated {
  std::function<void(Index)> run;
  Index most = 1;
  std::function<void()> prepare = [] {};
};

/// Median seconds of one run. As many are enqueued before the device is waited for as take about two
/// milliseconds, so that neither the wait nor a launch shows where the device is busy for longer.
double seconds_each(Device& device, double bound, const Repeated& repeated);

}  // namespace natgrad::bench
