#include "cli/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "cli/console.hpp"

namespace natgrad::cli {
namespace {

int terminal_width() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// The first `count` characters of UTF-8 text.
std::string_view head(std::string_view text, int count) {
  std::size_t end = 0;
  for (; end < text.size(); ++end) {
    const bool begins = (static_cast<unsigned char>(text[end]) & 0xC0) != 0x80;
    if (begins && count-- == 0) break;
  }
  return text.substr(0, end);
}

std::string evaluation_text(const char* part, const Evaluation& evaluation) {
  std::string text = fmt::format("{} {:.4g}", part, evaluation.loss);
  if (evaluation.accuracy) text += fmt::format(" {:.2f} %", 100.0 * *evaluation.accuracy);
  if (evaluation.squared_error) text += fmt::format(" sq. error {:.4g}", *evaluation.squared_error);
  return text;
}

double loss_after(const StepReport& report) {
  return std::isfinite(report.new_loss) ? report.new_loss : report.loss;
}

}  // namespace

void Pace::add(const StepRecord& record) {
  steps = record.step;
  epochs = record.epoch;
  seconds += record.seconds;
}

std::optional<double> Pace::done() const {
  std::optional<double> nearest;
  const auto consider = [&](double reached, double limit) {
    if (limit > 0.0) nearest = std::max(nearest.value_or(0.0), std::min(1.0, reached / limit));
  };
  consider(static_cast<double>(steps), static_cast<double>(limits.steps));
  consider(epochs, limits.epochs);
  consider(seconds, limits.max_seconds);
  return nearest;
}

// All limits are reached at an even pace, so that the one of which most is done comes first.
std::optional<double> Pace::seconds_left() const {
  const auto part = done();
  if (!part || *part == 0.0) return std::nullopt;
  return seconds * (1.0 - *part) / *part;
}

std::string step_text(const StepRecord& record) {
  const StepReport& r = record.report;
  std::string text = fmt::format("step {:4}  loss {:<9.4g}", record.step, r.loss);
  if (std::isfinite(r.new_loss)) text += fmt::format(" -> {:<9.4g}", r.new_loss);
  if (std::isfinite(r.kl_budget)) text += fmt::format("  KL {:<8.3g} of {:g}", r.kl_measured, r.kl_budget);
  text += fmt::format("  β {:<7.3g}", r.beta);
  if (std::isfinite(r.damping)) text += fmt::format("  λ {:<7.2g}", r.damping);
  if (r.rejected) text += "  rejected";
  return text + fmt::format("  {:.2g} s", record.seconds);
}

std::string evaluation_text(const EvaluationRecord& record) {
  std::string text = evaluation_text("train", record.train);
  if (record.test) text += "  " + evaluation_text("test", *record.test);
  const auto& average = record.average_test ? record.average_test : record.average_train;
  if (average) text += "  " + evaluation_text("average", *average);
  return text;
}

std::string bar_text(const Pace& pace, const StepRecord& record, const std::string& evaluation, int width) {
  constexpr int cells = 10;
  const StepReport& r = record.report;
  std::string text;
  if (const auto done = pace.done()) {
    const int full = static_cast<int>(*done * cells);
    text = fmt::format("[{}{}] ", std::string(static_cast<std::size_t>(full), '#'),
                       std::string(static_cast<std::size_t>(cells - full), '.'));
  }
  text += fmt::format("step {}  loss {:.4g}", record.step, loss_after(r));
  if (std::isfinite(r.kl_budget)) text += fmt::format("  KL/ε {:.2f}", r.kl_measured / r.kl_budget);
  if (std::isfinite(r.damping)) text += fmt::format("  λ {:.2g}", r.damping);
  if (const auto left = pace.seconds_left()) text += fmt::format("  {} left", duration_text(*left));
  if (!evaluation.empty()) text += "  " + evaluation;
  return std::string(head(text, width));
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<long long>(std::ceil(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

bool has_line(Index n) {
  Index every = 1;
  while (n > 100 * every) every *= 10;
  return n % every == 0;
}

void Progress::step(const StepRecord& record) {
  if (!terminal_) finish();
  pace_.add(record);
  pending_ = record;
  if (terminal_) draw_bar();
}

void Progress::evaluation(const EvaluationRecord& record) {
  ++evaluations_;
  evaluation_ = evaluation_text(record);
  if (record.step == 0) print_out(fmt::format("step {:4}  {}\n", 0, evaluation_));
  if (!terminal_) return;
  evaluation_ = record.test ? evaluation_text("test", *record.test) : evaluation_text("train", record.train);
  if (pending_) draw_bar();
}

void Progress::finish() {
  if (!pending_) return;
  if (terminal_) {
    print_out("\r\x1b[K");
  } else if (evaluation_.empty() ? has_line(pending_->step) : has_line(evaluations_)) {
    print_out(fmt::format("{}{}{}\n", step_text(*pending_), evaluation_.empty() ? "" : "  ", evaluation_));
  }
  pending_.reset();
  if (!terminal_) evaluation_.clear();
}

void Progress::draw_bar() const {
  print_out(fmt::format("\r{}\x1b[K", bar_text(pace_, *pending_, evaluation_, terminal_width())));
}

}  // namespace natgrad::cli
