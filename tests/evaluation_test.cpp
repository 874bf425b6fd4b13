/// What a training run evaluates, averages and records.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "natgrad/metrics.hpp"
#include "support/backends.hpp"
#include "support/training.hpp"

namespace natgrad {
namespace {

using Evaluating = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Evaluating, ::testing::ValuesIn(backend_cases()), backend_case_name);

TEST_P(Evaluating, EvaluationIsTheOracles) {
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

TEST_P(Evaluating, SquaredErrorsAreInTheDatasOwnUnits) {
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
TEST_P(Evaluating, EvaluatesMoreSamplesThanItTakesAtOnce) {
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

TEST_P(Evaluating, OfARealNetReducesTheLossWithinTheBudgetAndRepeatsItself) {
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

/// Moves every parameter by the number of the step.
template <class R>
class Walk final : public Optimizer<R> {
 public:
  explicit Walk(Network<R>& net) : net_(net) {}
  StepReport step(const Batch<R>&) override {
    ++steps_;
    std::vector<double> theta = net_.parameters();
    for (double& value : theta) value += steps_;
    net_.set_parameters(theta);
    return loss_of(1.0);
  }
  void visit_state(StateVisitor<R>&) override {}

 private:
  Network<R>& net_;
  int steps_ = 0;
};

// θ after the steps is 1, 3, 6, 10; with ξ = ½ the mean of the first two, then halves: 1, 2, 4, 7.
TEST_P(Evaluating, AveragesTheParametersAndEvaluatesThemBesideTheLast) {
  run([]<class R>(Backend<R>& backend) {
    const std::vector<double> wanted = {1.0, 2.0, 4.0, 7.0};
    Network<R> net(backend, {{1, 2}, {}});
    Walk<R> optimizer(net);
    Trainer<R> trainer(net, Likelihood::gaussian, optimizer, numbered<R>(10), numbered<R>(3), {},
                       {.steps = 4, .average = 0.5});
    std::vector<EvaluationRecord> records;
    trainer.on_evaluation = [&](const EvaluationRecord& record) {
      records.push_back(record);
      if (record.step == 0) return;
      const double mean = wanted[static_cast<std::size_t>(record.step - 1)];
      EXPECT_EQ(trainer.average()->parameters(), std::vector<double>(4, mean)) << record.step;
      const DeviceDataset<R> train(backend, numbered<R>(10)), test(backend, numbered<R>(3));
      EXPECT_EQ(record.average_train->loss,
                evaluate(*trainer.average(), Likelihood::gaussian, train, {}).loss);
      EXPECT_EQ(record.average_test->loss, evaluate(*trainer.average(), Likelihood::gaussian, test, {}).loss);
      EXPECT_EQ(record.train.loss, evaluate(net, Likelihood::gaussian, train, {}).loss);
    };
    trainer.run();
    ASSERT_EQ(records.size(), 5u);
    EXPECT_FALSE(records.front().average_train) << "there is no average before the first step";
    EXPECT_EQ(net.parameters(), std::vector<double>(4, 10.0)) << "the average leaves the network alone";
  });
}

TEST_P(Evaluating, KeepsNoAverageWhereNoneIsAskedFor) {
  run([]<class R>(Backend<R>& backend) {
    const auto prepare = [](Trainer<R>& trainer) { EXPECT_EQ(trainer.average(), nullptr); };
    for (const EvaluationRecord& record : train<R>(backend, {.steps = 2}, steady, 3, prepare).evaluations) {
      EXPECT_FALSE(record.average_train);
      EXPECT_FALSE(record.average_test);
    }
  });
}

TEST(Metrics, HoldWhatAStepMeasuredAndNullForTheRest) {
  StepRecord record;
  record.step = 3;
  record.report.momentum = 0.75;
  record.report.iterations = 7;
  record.report.residual = 0.5;
  record.report.rank = 4.0;
  const std::string line = to_json(record);
  for (const char* part : {"\"step\":3", "\"momentum\":0.75", "\"iterations\":7", "\"residual\":0.5",
                           "\"rank\":4.0", "\"condition\":null", "\"smallest_eigenvalue\":null"})
    EXPECT_NE(line.find(part), std::string::npos) << part << " is missing in " << line;
}

TEST(Metrics, HoldTheAveragedIterateWhereThereIsOne) {
  EvaluationRecord record;
  record.train.loss = 1.0;
  EXPECT_EQ(to_json(record).find("average"), std::string::npos);
  record.average_train = Evaluation{.loss = 0.5, .accuracy = 0.25, .squared_error = {}};
  record.average_test = Evaluation{.loss = 2.0, .accuracy = {}, .squared_error = 3.0};
  const std::string line = to_json(record);
  for (const char* part : {"\"average_train_loss\":0.5", "\"average_train_accuracy\":0.25",
                           "\"average_test_loss\":2.0", "\"average_test_squared_error\":3.0"})
    EXPECT_NE(line.find(part), std::string::npos) << part << " is missing in " << line;
}

TEST_P(Evaluating, EveryPhaseOfARunHasItsTime) {
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
    for (std::size_t i = 0; i < phases.size(); ++i) {
      if (static_cast<Phase>(i) == Phase::graph) continue;  // two steps are none that has come before
      EXPECT_GT(phases[i], 0.0) << to_string(static_cast<Phase>(i));
    }
  });
}

}  // namespace
}  // namespace natgrad
