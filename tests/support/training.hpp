/// Data sets and runs of the tests of the training loop.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "natgrad/trainer.hpp"
#include "support/problems.hpp"

namespace natgrad {

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

template <class R>
Dataset<R> dataset_of(const oracle::Problem& problem) {
  return {rounded<R>(problem.x), rounded<R>(problem.y)};
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
  void visit_state(StateVisitor<R>&) override {}
  std::vector<Index> samples;  // of each batch

 private:
  std::function<StepReport(int)> script_;
};

inline StepReport loss_of(double loss) {
  StepReport report;
  report.loss = report.new_loss = loss;
  return report;
}

inline StepReport rejection() {
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

inline std::vector<Index> evaluated_steps(const TrainingRun& run) {
  std::vector<Index> steps;
  for (const EvaluationRecord& record : run.evaluations) steps.push_back(record.step);
  return steps;
}

inline StepReport steady(int) { return loss_of(1.0); }

}  // namespace natgrad
