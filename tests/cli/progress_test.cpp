#include "cli/progress.hpp"

#include <gtest/gtest.h>

namespace natgrad::cli {
namespace {

StepRecord record(Index step, double seconds) {
  StepRecord result;
  result.step = step;
  result.epoch = 0.5 * static_cast<double>(step);
  result.seconds = seconds;
  result.report.loss = 2.0;
  result.report.new_loss = 1.5;
  result.report.kl_budget = 0.1;
  result.report.kl_measured = 0.05;
  result.report.beta = 0.7;
  result.report.damping = 0.01;
  return result;
}

TEST(Progress, ExpectsTheEndWhereTheFirstLimitIsReached) {
  TrainerOptions limits;
  limits.steps = 100;
  limits.epochs = 10.0;  // 20 steps
  Pace pace{limits};
  EXPECT_FALSE(pace.seconds_left().has_value());
  for (Index step = 1; step <= 5; ++step) pace.add(record(step, 2.0));
  EXPECT_DOUBLE_EQ(*pace.done(), 0.25);
  EXPECT_DOUBLE_EQ(*pace.seconds_left(), 30.0);
  pace.limits.max_seconds = 12.0;
  EXPECT_DOUBLE_EQ(*pace.seconds_left(), 2.0);
}

TEST(Progress, ExpectsNoEndWhereOnlyALossIsAimedAt) {
  TrainerOptions limits;
  limits.target_loss = 0.1;
  Pace pace{limits};
  pace.add(record(1, 1.0));
  EXPECT_FALSE(pace.done().has_value());
  EXPECT_EQ(bar_text(pace, record(1, 1.0), "", 80).find('['), std::string::npos);
}

TEST(Progress, FitsItsBarIntoTheTerminal) {
  TrainerOptions limits;
  limits.steps = 4;
  Pace pace{limits};
  pace.add(record(1, 1.0));
  const std::string whole = bar_text(pace, record(1, 1.0), "test 0.5", 200);
  EXPECT_EQ(whole, "[##........] step 1  loss 1.5  KL/ε 0.50  λ 0.01  3 s left  test 0.5");
  const std::string cut = bar_text(pace, record(1, 1.0), "", 35);
  EXPECT_EQ(cut, "[##........] step 1  loss 1.5  KL/ε");  // 35 characters, 36 bytes
}

TEST(Progress, LeavesOutWhatWasNotMeasured) {
  StepRecord plain = record(3, 0.5);
  plain.report.new_loss = plain.report.kl_budget = plain.report.damping = StepReport::none;
  const std::string text = step_text(plain);
  EXPECT_EQ(text.find("nan"), std::string::npos) << text;
  EXPECT_EQ(text.find("KL"), std::string::npos) << text;
  EXPECT_NE(step_text(record(3, 0.5)).find("KL 0.05"), std::string::npos);
}

TEST(Progress, ShowsTheAverageOnTheTestSetWhereThereIsOne) {
  EvaluationRecord evaluation;
  evaluation.train.loss = 0.5;
  evaluation.average_train = Evaluation{.loss = 0.25, .accuracy = {}, .squared_error = {}};
  EXPECT_EQ(evaluation_text(evaluation), "train 0.5  average 0.25");
  evaluation.test = Evaluation{.loss = 0.75, .accuracy = {}, .squared_error = {}};
  evaluation.average_test = Evaluation{.loss = 0.125, .accuracy = {}, .squared_error = {}};
  EXPECT_EQ(evaluation_text(evaluation), "train 0.5  test 0.75  average 0.125");
}

TEST(Progress, ThinsTheLinesOfLongRuns) {
  Index lines = 0;
  for (Index n = 1; n <= 10000; ++n) lines += has_line(n);
  EXPECT_EQ(lines, 100 + 90 + 90);
  EXPECT_TRUE(has_line(100));
  EXPECT_FALSE(has_line(101));
  EXPECT_TRUE(has_line(110));
}

TEST(Progress, WritesDurationsAsPeopleDo) {
  EXPECT_EQ(duration_text(0.2), "1 s");
  EXPECT_EQ(duration_text(59.0), "59 s");
  EXPECT_EQ(duration_text(185.0), "3:05");
  EXPECT_EQ(duration_text(7809.0), "2:10:09");
}

}  // namespace
}  // namespace natgrad::cli
