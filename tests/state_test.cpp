/// State that is not that of the object it is restored to is refused, and the message says what it is.
#include "natgrad/state.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "natgrad/trainer.hpp"
#include "support/training.hpp"

namespace natgrad {
namespace {

/// The message of the DataError that a restore from `state` ends with.
template <class Restore>
std::string refusal(Device& device, const State<double>& state, Restore restore) {
  StateVisitor<double> visitor = StateVisitor<double>::restoring(device, state);
  try {
    restore(visitor);
  } catch (const DataError& error) {
    return error.what();
  }
  return "taken";
}

bool names(const std::string& message, const std::vector<std::string>& parts) {
  return std::ranges::all_of(
      parts, [&](const std::string& part) { return message.find(part) != std::string::npos; });
}

TEST(StateVisitor, NamesWhatItDoesNotFind) {
  const auto backend = make_cpu_backend<double>(1);
  Index count = 7;
  double number = 7.0;
  const std::string counts = refusal(
      *backend, {}, [&](StateVisitor<double>& visitor) { visitor.within("part").count("steps", count); });
  EXPECT_TRUE(names(counts, {"part.steps", "count"})) << counts;
  const std::string numbers =
      refusal(*backend, {}, [&](StateVisitor<double>& visitor) { visitor.number("lambda", number); });
  EXPECT_TRUE(names(numbers, {"lambda", "number"})) << numbers;
  EXPECT_EQ(count, 7);
  EXPECT_EQ(number, 7.0);
}

TEST(StateVisitor, RefusesACountBelow0AndAnArrayOfAnotherSize) {
  const auto backend = make_cpu_backend<double>(1);
  const State<double> state{.counts = {{"steps", -3}}, .arrays = {{"theta", {1.0, 2.0}}}};
  Index count = 0;
  const std::string negative =
      refusal(*backend, state, [&](StateVisitor<double>& visitor) { visitor.count("steps", count); });
  EXPECT_TRUE(names(negative, {"'steps'", "-3", "at least 0"})) << negative;
  const Buffer<double> three(*backend, 3);
  const std::string size = refusal(
      *backend, state, [&](StateVisitor<double>& visitor) { visitor.array("theta", three.vector()); });
  EXPECT_TRUE(names(size, {"theta", "2", "3"})) << size;
}

TEST(StateVisitor, RefusesAPositionThatIsNoneOfTheData) {
  const auto backend = make_cpu_backend<double>(1);
  const DeviceDataset<double> data(*backend, numbered<double>(5));
  BatchStream<double> batches(*backend, data, 2, 1);
  const auto restored = [&](Index epochs, Index used) {
    return refusal(*backend, {.counts = {{"epochs", epochs}, {"used", used}}},
                   [&](StateVisitor<double>& visitor) { batches.visit_state(visitor); });
  };
  EXPECT_EQ(restored(1, 5), "taken");
  EXPECT_TRUE(names(restored(1, 6), {"sample 6", "at most 5"})) << restored(1, 6);
  EXPECT_TRUE(names(restored(0, 0), {"epoch 0", "from 1"})) << restored(0, 0);
}

}  // namespace
}  // namespace natgrad
