/// What a run prints while it trains.
#pragma once

#include <optional>
#include <string>

#include "natgrad/trainer.hpp"

namespace natgrad::cli {

/// Where a run stands and where its limits are.
struct Pace {
  TrainerOptions limits;
  Index steps = 0;
  double epochs = 0.0, seconds = 0.0;

  void add(const StepRecord& record);
  /// Part of the nearest limit that is done, in [0, 1]; none where only a loss ends the run.
  std::optional<double> done() const;
  /// Seconds of stepping until the first limit is reached, at the mean pace so far; none as for `done`.
  std::optional<double> seconds_left() const;
};

/// "step    3  loss 0.61 -> 0.42  KL 0.099 of 0.1  β 0.7  λ 0.0025  0.31 s", padded, without what was not
/// measured.
std::string step_text(const StepRecord& record);
/// "train 0.42 87.1 %  test 0.5 86.4 %  average 0.48 86.9 %": loss, then accuracy or squared error; of the
/// averaged iterate that of the test set, where there is one.
std::string evaluation_text(const EvaluationRecord& record);
/// One line of at most `width` characters with a bar, the step, loss, KL/ε, λ, the last evaluation and the
/// time left.
std::string bar_text(const Pace& pace, const StepRecord& record, const std::string& evaluation, int width);
/// "8 s", "3:05" or "2:10:09".
std::string duration_text(double seconds);
/// Whether the n-th of a sequence has a plain line: all up to 100, then every 10th, from 1000 on every 100th,
/// …
bool has_line(Index n);

/// Prints steps and evaluations: a bar on a terminal, else lines.
class Progress {
 public:
  Progress(const TrainerOptions& limits, bool terminal) : pace_{limits}, terminal_(terminal) {}

  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void step(const StepRecord& record);
  void evaluation(const EvaluationRecord& record);
  /// Ends the line that is under way. To be called before anything else is printed.
  void finish();

 private:
  void draw_bar() const;

  Pace pace_;
  bool terminal_;
  std::optional<StepRecord> pending_;  // its line waits for its evaluation
  std::string evaluation_;
  Index evaluations_ = 0;
};

}  // namespace natgrad::cli
