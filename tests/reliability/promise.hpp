/// The fixture of promises that hold on every backend: gathers what the tests of a suite measure, for one
/// figure.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "support/backends.hpp"
#include "support/figure.hpp"

namespace natgrad {

/// The largest of many values, and where it was met; a NaN stays.
struct Worst {
  double value = 0.0;
  std::string where = "nowhere";
  std::size_t count = 0;

  void see(double seen, const std::string& at) {
    ++count;
    if (std::isnan(value) || seen <= value) return;
    value = seen;
    where = at;
  }
};

class PromiseTest : public BackendTest {
 public:
  static void SetUpTestSuite() {
    devices_.clear();
    worst_.clear();
  }

 protected:
  void SetUp() override {
    BackendTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    const std::string name = device_name();
    if (std::ranges::find(devices_, name) == devices_.end()) devices_.push_back(name);
  }

  /// "cpu in f32".
  std::string backend_case() const { return ::testing::PrintToString(GetParam()); }
  bool on_cpu() const { return GetParam().backend == "cpu"; }

  /// Notes a value of the quantity `what` for the figure; hands it on.
  double measured(const std::string& what, double value, const std::string& where) const {
    worst_[what].see(value, where + ", " + backend_case());
    return value;
  }

  // For TearDownTestSuite.
  static bool any_device() { return !devices_.empty(); }
  static std::string devices() { return fmt::format("{}", fmt::join(devices_, ", ")); }
  static const Worst& worst(const std::string& what) { return worst_[what]; }

 private:
  std::string device_name() const {
    const std::string& name = GetParam().backend;
    if (!name.starts_with("cuda")) return name;
    const std::string gpu = cuda_status().devices.front();
    return name + (gpu.find("host") != std::string::npos ? " on the host" : " on " + gpu);
  }

  static inline std::vector<std::string> devices_;  // of the suite that runs
  static inline std::map<std::string, Worst> worst_;
};

/// What `value` prints as.
template <class T>
std::string text_of(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

}  // namespace natgrad
