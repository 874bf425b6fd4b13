/// Properties of random inputs, by RapidCheck: a failure is shrunk to the smallest input that shows it.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

namespace natgrad {

/// Checks the property, a callable that draws its inputs and uses RC_ASSERT, for so many of them, the same in
/// every run unless RC_PARAMS says otherwise ("seed=7 max_success=100000", or what a failure printed).
template <class Property>
void check_property(int cases, Property property) {
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  if (std::getenv("RC_PARAMS") == nullptr) {
    params.seed = 1;
    params.maxSuccess = cases;
  }
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  const rc::detail::TestMetadata metadata{std::string(test->test_suite_name()) + "/" + test->name(),
                                          test->name()};
  const auto result = rc::detail::checkTestable(property, metadata, params);
  if (result.template is<rc::detail::SuccessResult>()) return;
  std::ostringstream text;
  rc::detail::printResultMessage(result, text);
  ADD_FAILURE() << text.str();
}

namespace any {

/// 0 … count − 1, all alike; shrinks to 0.
inline rc::Gen<std::int64_t> index(std::int64_t count) {
  return rc::gen::resize(rc::kNominalSize, rc::gen::inRange<std::int64_t>(0, count));
}

template <class T, std::size_t count>
rc::Gen<T> of(const T (&values)[count]) {
  return rc::gen::elementOf(std::vector<T>(values, values + count));
}

/// low … high, evenly in the logarithm.
inline rc::Gen<double> logarithmic(double low, double high) {
  constexpr std::int64_t steps = 1000;
  return rc::gen::map(index(steps + 1), [=](std::int64_t k) {
    return low * std::pow(high / low, static_cast<double>(k) / static_cast<double>(steps));
  });
}

/// A size at which loops, tiles and warps begin or end; shrinks to 0.
inline rc::Gen<std::int64_t> awkward_size() {
  return rc::gen::oneOf(rc::gen::element<std::int64_t>(0, 1, 2, 31, 32, 33, 63, 64, 65, 97), index(40));
}

}  // namespace any

}  // namespace natgrad
