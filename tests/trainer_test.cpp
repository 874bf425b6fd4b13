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
#include "support/problems.hpp"

namespace natgrad {
namespace {

using Training = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Training, ::testing::ValuesIn(backend_cases()), backend_case_name);

/// Sample n is x = n and y = (n, −n).
template <class R>
Dataset<R> numbered(Index samples) {
  Dataset<R> data{HostMatrix<R>(1, samples), HostMatrix<R>(2, samples)};
  for (Index n = 0; n < samples; ++n) {
    data.x(0, n) = data.y(0, n) = static_cast<R>(n);
    data.y(1, n) = static_cast<R>(-n);
  }
  return data;
}

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

/// An optimiser that reports what the test tells it to and leaves the network alone.
template <class R>
class Scripted final : public Optimizer<R> {
 public:
  /// `script` gives the report of step k, from 1.
  explicit Scripted(std::function<StepReport(int)> script) : script_(std::move(script)) {}
  StepReport step(const Batch<R>& batch) override {
    samples.push_back(batch.x.cols);
    return script_(static_cast<int>(samples.size()));
  }
  std::vector<Index> samples;  // of each batch

 private:
  std::function<StepReport(int)> script_;
};

StepReport loss_of(double loss) {
  StepReport report;
  report.loss = report.new_loss = loss;
  return report;
}

StepReport rejection() {
  StepReport report = loss_of(1.0);
  report.rejected = true;
  report.kl_budget = 0.1;
  report.kl_measured = 7.0;
  return report;
}

/// A run of ten numbered samples with scripted reports.
struct TrainingRun {
  TrainingSummary summary;
  std::vector<StepRecord> steps;
  std::vector<EvaluationRecord> evaluations;
  std::vector<Index> batches;
};

template <class R>
TrainingRun train(Backend<R>& backend, const TrainerOptions& options, std::function<StepReport(int)> script,
                  Index test_samples = 0, const std::function<void(Trainer<R>&)>& prepare = {}) {
  Network<R> net(backend, {{1, 2}, {}});
  Scripted<R> optimizer(std::move(script));
  TrainingRun run;
  Trainer<R> trainer(net, Likelihood::gaussian, optimizer, numbered<R>(10), numbered<R>(test_samples), {},
                     options);
  trainer.on_step = [&](const StepRecord& record) { run.steps.push_back(record); };
  trainer.on_evaluation = [&](const EvaluationRecord& record) { run.evaluations.push_back(record); };
  if (prepare) prepare(trainer);
  run.summary = trainer.run();
  run.batches = optimizer.samples;
  EXPECT_EQ(run.summary.steps, static_cast<Index>(run.steps.size()));
  EXPECT_EQ(run.summary.last.step, run.evaluations.back().step);
  return run;
}

std::vector<Index> evaluated_steps(const TrainingRun& run) {
  std::vector<Index> steps;
  for (const EvaluationRecord& record : run.evaluations) steps.push_back(record.step);
  return steps;
}

StepReport steady(int) { return loss_of(1.0); }

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
  EXPECT_NE(message({.steps = 1, .eval_every = -1}).find("eval-every is -1"), std::string::npos);
  EXPECT_NE(message({}).find("a run needs a limit"), std::string::npos);
}

template <class R>
Dataset<R> dataset_of(const oracle::Problem& problem) {
  return {rounded<R>(problem.x), rounded<R>(problem.y)};
}

TEST_P(Training, EvaluationIsTheOracles) {
  run([]<class R>(Backend<R>& backend) {
    for (const ProblemShape& shape : problem_shapes()) {
      const oracle::Problem problem = random_problem<R>(shape, 91);
      const OnDevice<R> device(backend, problem);
      const DeviceDataset<R> data(backend, dataset_of<R>(problem));
      const Evaluation found = evaluate(device.net, shape.likelihood, data, {});
      EXPECT_TRUE(close(found.loss, oracle::data_loss(problem), allowed_error<R>())) << shape;

      const oracle::Matrix means = oracle::means(problem);
      oracle::Real correct = 0, squares = 0;
      for (Index n = 0; n < shape.samples; ++n) {
        const auto column = means.data.begin() + n * means.rows;
        const Index largest = std::max_element(column, column + means.rows) - column;
        correct += shape.likelihood == Likelihood::categorical && largest == problem.y(0, n);
        for (Index j = 0; j < problem.y.rows; ++j)
          squares += (means(j, n) - problem.y(j, n)) * (means(j, n) - problem.y(j, n));
      }
      const auto samples = static_cast<oracle::Real>(shape.samples);
      ASSERT_EQ(found.accuracy.has_value(), shape.likelihood == Likelihood::categorical);
      ASSERT_NE(found.squared_error.has_value(), found.accuracy.has_value());
      if (found.accuracy)
        EXPECT_EQ(*found.accuracy, static_cast<double>(correct / samples)) << shape;
      else
        EXPECT_TRUE(close(*found.squared_error, squares / samples, allowed_error<R>())) << shape;
    }
  });
}

TEST_P(Training, SquaredErrorsAreInTheDatasOwnUnits) {
  run([]<class R>(Backend<R>& backend) {
    const oracle::Problem problem =
        random_problem<R>({{3, 4, 3}, {Activation::tanh}, Likelihood::gaussian, 7}, 92);
    const OnDevice<R> device(backend, problem);
    const DeviceDataset<R> data(backend, dataset_of<R>(problem));
    const oracle::Matrix means = oracle::means(problem);
    for (const Scaling& scaling : {Scaling{{3.0}, {0.25}}, Scaling{{1.0, -2.0, 5.0}, {2.0, 0.125, 0.0}}}) {
      HostMatrix<double> mean = rounded<double>(means), target = rounded<double>(problem.y);
      scaling.invert(mean.view());
      scaling.invert(target.view());
      double wanted = 0.0;
      for (std::size_t k = 0; k < mean.data.size(); ++k)
        wanted += (mean.data[k] - target.data[k]) * (mean.data[k] - target.data[k]) / 7.0;
      EXPECT_TRUE(close(*evaluate(device.net, problem.likelihood, data, scaling).squared_error, wanted,
                        allowed_error<R>()))
          << scaling.scale.size() << " scales";
    }
  });
}

// An evaluation takes 4096 samples at a time; here the second part holds 5.
TEST_P(Training, EvaluatesMoreSamplesThanItTakesAtOnce) {
  run([]<class R>(Backend<R>& backend) {
    const Index samples = 4101;
    Dataset<R> data{HostMatrix<R>(1, samples), HostMatrix<R>(1, samples)};
    std::ranges::fill(data.x.data, R(1));
    for (Index n = 0; n < samples; ++n) data.y(0, n) = static_cast<R>(n < 4096 ? 0 : 2);
    Network<R> net(backend, {{1, 1}, {}});
    const Evaluation found = evaluate(net, Likelihood::gaussian, DeviceDataset<R>(backend, data), {});
    EXPECT_TRUE(close(found.loss, 10.0 / samples, 8.0 * epsilon<double>));
    EXPECT_TRUE(close(*found.squared_error, 20.0 / samples, 8.0 * epsilon<double>));
  });
}

TEST_P(Training, OfARealNetReducesTheLossWithinTheBudgetAndRepeatsItself) {
  run([]<class R>(Backend<R>& backend) {
    const oracle::Problem problem =
        random_problem<R>({{3, 4, 3}, {Activation::tanh}, Likelihood::categorical, 33}, 93);
    const auto train_once = [&] {
      OnDevice<R> device(backend, problem);
      NaturalGradient<R> optimizer(device.net, problem.likelihood, {.kl = 0.05});
      Trainer<R> trainer(device.net, problem.likelihood, optimizer, dataset_of<R>(problem), {}, {},
                         {.batch = 20, .steps = 5});
      std::vector<EvaluationRecord> records;
      trainer.on_evaluation = [&](const EvaluationRecord& record) { records.push_back(record); };
      const TrainingSummary summary = trainer.run();
      EXPECT_LT(records.back().train.loss, records.front().train.loss);
      EXPECT_GT(summary.largest_kl_ratio, 0.0);
      EXPECT_LE(summary.largest_kl_ratio, 1.0);
      return device.theta();
    };
    EXPECT_EQ(train_once(), train_once());
  });
}

TEST_P(Training, EveryPhaseOfARunHasItsTime) {
  run([]<class R>(Backend<R>& backend) {
    const oracle::Problem problem =
        random_problem<R>({{3, 4, 3}, {Activation::tanh}, Likelihood::categorical, 33}, 93);
    OnDevice<R> device(backend, problem);
    NaturalGradient<R> optimizer(device.net, problem.likelihood, {});
    Trainer<R> trainer(device.net, problem.likelihood, optimizer, dataset_of<R>(problem), {}, {},
                       {.steps = 2});
    PhaseSeconds phases{};  // of the last step, and of the evaluation and the output before it
    trainer.on_step = [&](const StepRecord& record) { phases = record.phases; };
    trainer.run();
    for (std::size_t i = 0; i < phases.size(); ++i)
      EXPECT_GT(phases[i], 0.0) << to_string(static_cast<Phase>(i));
  });
}

}  // namespace
}  // namespace natgrad
