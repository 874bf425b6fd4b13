/// The damping from step to step.
#include "natgrad/damping.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "natgrad/error.hpp"

namespace natgrad {
namespace {

constexpr double poor = 0.2, fair = 0.5, good = 0.8;  // ρ on the three sides of ¼ and ¾

/// λ after each step, every step solved with the damping's own λ.
std::vector<double> after(Damping& damping, const std::vector<double>& rho) {
  std::vector<double> values;
  for (const double value : rho) {
    damping.adapt({.solved_with = damping.value(), .rho = value});
    values.push_back(damping.value());
  }
  return values;
}

TEST(Damping, FollowsTheReductionRatioByItsFactor) {
  Damping damping({.start = 1.0, .factor = 4.0});
  EXPECT_EQ(damping.value(), 1.0);
  EXPECT_EQ(after(damping, {good, fair, poor, poor, fair}), (std::vector{0.25, 0.25, 1.0, 4.0, 4.0}));
}

TEST(Damping, KeepsItsValueWhereTheRatioIsAtABoundOrNoNumber) {
  Damping damping({.start = 1.0});
  EXPECT_EQ(after(damping, {0.25, 0.75, std::nan("")}), (std::vector{1.0, 1.0, 1.0}));
}

TEST(Damping, AdaptsAtEveryIntervalthStepOnly) {
  Damping damping({.start = 1.0, .interval = 3});
  EXPECT_EQ(after(damping, {good, good, good, poor, poor, poor, good}),
            (std::vector{1.0, 1.0, 0.5, 0.5, 0.5, 1.0, 1.0}));
}

TEST(Damping, RisesWithARejectionWhateverTheInterval) {
  Damping damping({.start = 1.0, .interval = 5});
  damping.adapt({.solved_with = 1.0, .rho = good, .rejected = true});
  EXPECT_EQ(damping.value(), 2.0);
  damping.adapt({.solved_with = 100.0, .rejected = true, .retried = true});
  EXPECT_EQ(damping.value(), 200.0) << "from the λ of the direction that was rejected";
}

TEST(Damping, KeepsTheValueThatASolveHadToClimbTo) {
  Damping damping({.start = 1e-6});
  damping.adapt({.solved_with = 1e-3, .rho = good, .retried = true});
  EXPECT_EQ(damping.value(), 1e-3);
  damping.adapt({.solved_with = 1e-1, .rho = poor, .retried = true});
  EXPECT_EQ(damping.value(), 2e-1);
}

TEST(Damping, StaysBetweenItsBounds) {
  Damping damping({.start = 1.0, .factor = 10.0, .least = 0.05, .most = 20.0});
  EXPECT_EQ(after(damping, {good, good, good, poor, poor, poor, poor}),
            (std::vector{0.1, 0.05, 0.05, 0.5, 5.0, 20.0, 20.0}));
  damping.adapt({.solved_with = 20.0, .rejected = true});
  EXPECT_EQ(damping.value(), 20.0);
  damping.adapt({.solved_with = 1e6, .rho = fair, .retried = true});
  EXPECT_EQ(damping.value(), 20.0);
}

TEST(Damping, OfZeroIsLeftOnlyUpwards) {
  Damping damping({.start = 0.0, .least = 1e-3});
  EXPECT_EQ(after(damping, {good, fair}), (std::vector{0.0, 0.0})) << "minimum-norm solves go on";
  damping.adapt({.rejected = true});
  EXPECT_EQ(damping.value(), 1e-3);
}

TEST(Damping, StaysConstantWhateverHappens) {
  Damping damping({.start = 0.5, .schedule = DampingSchedule::constant});
  EXPECT_EQ(after(damping, {good, poor}), (std::vector{0.5, 0.5}));
  damping.adapt({.solved_with = 50.0, .rho = poor, .rejected = true, .retried = true});
  EXPECT_EQ(damping.value(), 0.5);
}

TEST(Damping, FallsGeometricallyToItsBoundAndRisesWithARejection) {
  Damping damping({.start = 1.0, .schedule = DampingSchedule::geometric, .rate = 0.5, .least = 0.2});
  EXPECT_EQ(after(damping, {good, poor, fair, fair}), (std::vector{0.5, 0.25, 0.2, 0.2}));
  damping.adapt({.solved_with = 0.2, .rejected = true});
  EXPECT_EQ(damping.value(), 0.4);
  damping.adapt({.solved_with = 4.0, .rho = fair, .retried = true});
  EXPECT_EQ(damping.value(), 0.2) << "its own schedule, not the ladder's λ";
}

TEST(Damping, RejectsOptionsThatCannotBeUsed) {
  const auto message = [](const DampingOptions& options) -> std::string {
    try {
      options.validate();
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(message({}), "");
  for (const double bad : {-1.0, nan, infinity})
    EXPECT_NE(message({.start = bad}).find("damping is "), std::string::npos) << bad;
  for (const double bad : {1.0, 0.5, nan, infinity})
    EXPECT_NE(message({.factor = bad}).find("damping-factor is "), std::string::npos) << bad;
  for (const int bad : {0, -1})
    EXPECT_NE(message({.interval = bad}).find("damping-interval is "), std::string::npos) << bad;
  for (const double bad : {0.0, -1.0, 1.5, nan})
    EXPECT_NE(message({.rate = bad}).find("damping-rate is "), std::string::npos) << bad;
  for (const double bad : {-1.0, 1e9, nan})
    EXPECT_NE(message({.least = bad}).find("min-damping is "), std::string::npos) << bad;
}

TEST(Damping, SchedulesHaveNames) {
  for (const DampingSchedule schedule :
       {DampingSchedule::adaptive, DampingSchedule::constant, DampingSchedule::geometric})
    EXPECT_EQ(parse_damping_schedule(to_string(schedule)), schedule);
  EXPECT_THROW(parse_damping_schedule("falling"), UsageError);
}

}  // namespace
}  // namespace natgrad
