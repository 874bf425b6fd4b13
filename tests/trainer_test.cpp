/// Batches, limits and evaluation of the training loop.
#include "natgrad/trainer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <set>
#include <string>

#include "support/backends.hpp"
#include "support/training.hpp"

namespace natgrad {
namespace {

using Training = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Training, ::testing::ValuesIn(backend_cases()), backend_case_name);

/// The samples of a batch of numbered ones; fails the test where targets do not stand by their inputs.
template <class R>
std::vector<Index> numbers(Backend<R>& backend, const Batch<R>& batch) {
  std::vector<Index> result;
  for (Index n = 0; n < batch.x.cols; ++n) {
    const R x = download<R>(backend, batch.x.column(n))(0, 0);
    const HostMatrix<R> y = download<R>(backend, batch.y.column(n));
    EXPECT_EQ(y(0, 0), x);
    EXPECT_EQ(y(1, 0), -x);
    result.push_back(static_cast<Index>(x));
  }
  return result;
}

TEST_P(Training, EveryEpochHoldsEverySampleOnceAndItsRestOpensTheNextBatch) {
  run([]<class R>(Backend<R>& backend) {
    for (const auto& [samples, batch] : {std::pair<Index, Index>{10, 3}, {10, 7}, {33, 32}, {4, 1}}) {
      const DeviceDataset<R> data(backend, numbered<R>(samples));
      BatchStream<R> batches(backend, data, batch, 5), again(backend, data, batch, 5),
          other(backend, data, batch, 6);
      std::vector<Index> seen, seen_again, seen_other;
      const auto append = [&](std::vector<Index>& to, BatchStream<R>& from) {
        const std::vector<Index> next = numbers(backend, from.next());
        EXPECT_EQ(static_cast<Index>(next.size()), batch) << "every batch has N samples";
        to.insert(to.end(), next.begin(), next.end());
      };
      for (Index k = 0; k < samples; ++k) {  // `batch` epochs
        append(seen, batches);
        append(seen_again, again);
        append(seen_other, other);
      }
      EXPECT_EQ(seen_again, seen);
      EXPECT_NE(seen_other, seen) << "another seed";
      std::set<std::vector<Index>> orders;
      for (Index epoch = 0; epoch < batch; ++epoch) {
        std::vector<Index> order(seen.begin() + epoch * samples, seen.begin() + (epoch + 1) * samples);
        orders.insert(order);
        std::ranges::sort(order);
        for (Index n = 0; n < samples; ++n)
          EXPECT_EQ(order[static_cast<std::size_t>(n)], n) << "epoch " << epoch << ", batch " << batch;
      }
      EXPECT_EQ(static_cast<Index>(orders.size()), batch) << "epochs are shuffled apart";
    }
  });
}

TEST_P(Training, AFullBatchIsTheSetAsItStands) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceDataset<R> data(backend, numbered<R>(5));
    BatchStream<R> batches(backend, data, 5, 1);
    for (int k = 0; k < 2; ++k)
      EXPECT_EQ(numbers(backend, batches.next()), (std::vector<Index>{0, 1, 2, 3, 4}));
    EXPECT_EQ(numbers(backend, data.batch(1, 3)), (std::vector<Index>{1, 2, 3}));
  });
}

TEST_P(Training, StopsAfterTheStepsGiven) {
  run([]<class R>(Backend<R>& backend) {
    const TrainingRun run = train<R>(backend, {.steps = 4}, steady);
    EXPECT_EQ(run.summary.reason, StopReason::steps);
    EXPECT_EQ(run.batches, std::vector<Index>(4, 10)) << "0 is the whole set";
    for (std::size_t k = 0; k < 4; ++k) {
      EXPECT_EQ(run.steps[k].step, static_cast<Index>(k) + 1);
      EXPECT_EQ(run.steps[k].epoch, static_cast<double>(k) + 1.0);
      EXPECT_GE(run.steps[k].seconds, 0.0);
    }
    EXPECT_EQ(run.summary.epochs, 4.0);
  });
}

TEST_P(Training, StopsAfterTheEpochsGiven) {
  run([]<class R>(Backend<R>& backend) {
    const TrainingRun run = train<R>(backend, {.batch = 4, .epochs = 1.5}, steady);
    EXPECT_EQ(run.summary.reason, StopReason::epochs);
    EXPECT_EQ(run.batches, std::vector<Index>(4, 4)) << "1.5 epochs are reached with 16 samples";
    EXPECT_EQ(run.summary.epochs, 1.6);
  });
}

TEST_P(Training, StopsAfterTheSecondsGiven) {
  run([]<class R>(Backend<R>& backend) {
    const TrainingRun run = train<R>(backend, {.steps = 1000, .max_seconds = 1e-9}, steady);
    EXPECT_EQ(run.summary.reason, StopReason::seconds);
    EXPECT_EQ(run.summary.steps, 1);
    EXPECT_GE(run.summary.seconds, 1e-9);
  });
}

TEST_P(Training, StopsAtTheTargetLossAfterAStepOrBeforeItWhereOnlyThatIsKnown) {
  run([]<class R>(Backend<R>& backend) {
    const TrainingRun after = train<R>(backend, {.target_loss = 0.2}, [](int k) { return loss_of(1.0 / k); });
    EXPECT_EQ(after.summary.reason, StopReason::target_loss);
    EXPECT_EQ(after.summary.steps, 5);
    const TrainingRun before = train<R>(backend, {.target_loss = 0.2}, [](int k) {
      StepReport report = loss_of(1.0 / k);
      report.new_loss = StepReport::none;
      return report;
    });
    EXPECT_EQ(before.summary.reason, StopReason::target_loss);
    EXPECT_EQ(before.summary.steps, 5);
  });
}

TEST_P(Training, TwentyRejectionsInARowEndAFullBatchRunAlone) {
  run([]<class R>(Backend<R>& backend) {
    const auto all = [](int) { return rejection(); };
    const TrainingRun converged = train<R>(backend, {.steps = 100}, all);
    EXPECT_EQ(converged.summary.reason, StopReason::converged);
    EXPECT_EQ(converged.summary.steps, 20);
    EXPECT_EQ(converged.summary.rejected, 20);
    EXPECT_EQ(converged.summary.largest_kl_ratio, 0.0) << "of accepted steps alone";
    EXPECT_EQ(train<R>(backend, {.batch = 5, .steps = 50}, all).summary.reason, StopReason::steps);
    const TrainingRun interrupted =
        train<R>(backend, {.steps = 50}, [](int k) { return k % 20 == 0 ? loss_of(1.0) : rejection(); });
    EXPECT_EQ(interrupted.summary.reason, StopReason::steps) << "nineteen are not twenty";
    EXPECT_EQ(interrupted.summary.rejected, 48);
  });
}

TEST_P(Training, FinishesTheStepWhereItIsInterrupted) {
  run([]<class R>(Backend<R>& backend) {
    std::atomic<bool> interrupt = false;
    const auto script = [&](int k) {
      if (k == 3) interrupt = true;
      return loss_of(1.0);
    };
    const TrainingRun run = train<R>(backend, {.steps = 100}, script, 0,
                                     [&](Trainer<R>& trainer) { trainer.interrupt = &interrupt; });
    EXPECT_EQ(run.summary.reason, StopReason::interrupted);
    EXPECT_EQ(run.summary.steps, 3);
    EXPECT_EQ(run.evaluations.back().step, 3) << "the last state is evaluated";
  });
}

TEST_P(Training, EvaluatesBeforeTheFirstStepEverySoOftenAndAtTheEnd) {
  run([]<class R>(Backend<R>& backend) {
    using Steps = std::vector<Index>;
    EXPECT_EQ(evaluated_steps(train<R>(backend, {.steps = 5, .eval_every = 2}, steady)), (Steps{0, 2, 4, 5}));
    EXPECT_EQ(evaluated_steps(train<R>(backend, {.steps = 4, .eval_every = 2}, steady)), (Steps{0, 2, 4}));
    EXPECT_EQ(evaluated_steps(train<R>(backend, {.steps = 2}, steady)), (Steps{0, 1, 2}));
    EXPECT_EQ(evaluated_steps(train<R>(backend, {.batch = 5, .steps = 5}, steady)), (Steps{0, 2, 4, 5}))
        << "once an epoch";
    const TrainingRun with_test = train<R>(backend, {.steps = 1}, steady, 3),
                      without = train<R>(backend, {.steps = 1}, steady);
    for (const EvaluationRecord& record : with_test.evaluations) {
      ASSERT_TRUE(record.test);
      EXPECT_EQ(record.train.squared_error, 57.0) << "2·Σn²/10, the network's outputs are 0";
      EXPECT_TRUE(near(*record.test->squared_error, 10.0 / 3.0, 8.0 * epsilon<R>));
    }
    for (const EvaluationRecord& record : without.evaluations) EXPECT_FALSE(record.test);
  });
}

TEST_P(Training, SumsUpBacktracksAndTheLargestKlOfAcceptedSteps) {
  run([]<class R>(Backend<R>& backend) {
    const TrainingRun run = train<R>(backend, {.steps = 6}, [](int k) {
      if (k == 4) return rejection();
      StepReport report = loss_of(1.0);
      report.backtracks = k;
      report.kl_budget = 0.5;
      report.kl_measured = k == 3 ? 0.4 : 0.1;
      return report;
    });
    EXPECT_EQ(run.summary.backtracks, 1 + 2 + 3 + 5 + 6);
    EXPECT_EQ(run.summary.rejected, 1);
    EXPECT_EQ(run.summary.largest_kl_ratio, 0.8);
  });
}

TEST(TrainerOptions, RejectsValuesThatCannotBeUsed) {
  const auto message = [](const TrainerOptions& options) -> std::string {
    try {
      options.validate(10);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message({.batch = 10, .steps = 1}), "");
  EXPECT_EQ(message({.target_loss = 0.0}), "");
  EXPECT_NE(message({.batch = 11, .steps = 1}).find("batch is 11"), std::string::npos);
  EXPECT_NE(message({.batch = -1, .steps = 1}).find("batch is -1"), std::string::npos);
  EXPECT_NE(message({.steps = -1}).find("steps is -1"), std::string::npos);
  EXPECT_NE(message({.epochs = -1.0}).find("epochs is -1"), std::string::npos);
  EXPECT_NE(message({.epochs = std::nan("")}).find("epochs is nan"), std::string::npos);
  EXPECT_NE(message({.max_seconds = -1.0}).find("max-seconds is -1"), std::string::npos);
  EXPECT_EQ(message({.steps = 1, .average = 0.99}), "");
  EXPECT_NE(message({.steps = 1, .average = 1.0}).find("average is 1"), std::string::npos);
  EXPECT_NE(message({.steps = 1, .average = -0.5}).find("average is -0.5"), std::string::npos);
  EXPECT_NE(message({.steps = 1, .eval_every = -1}).find("eval-every is -1"), std::string::npos);
  EXPECT_NE(message({}).find("a run needs a limit"), std::string::npos);
}

}  // namespace
}  // namespace natgrad
