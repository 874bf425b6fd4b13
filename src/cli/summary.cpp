#include "cli/summary.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>

#include "cli/planning.hpp"

namespace natgrad::cli {
namespace {

std::string optimizer_text(const Options& options) {
  if (options.optimizer == "natural") {
    return fmt::format("natural gradient, {} Fisher, {}, KL budget {:g} a step", options.fisher,
                       options.structure, options.kl);
  }
  const std::string rate = fmt::format("{}, learning rate {:g}", options.optimizer, *options.learning_rate);
  return options.optimizer == "sgd" ? fmt::format("{}, momentum {:g}", rate, options.momentum) : rate;
}

std::string result_text(const Evaluation& evaluation) {
  const std::string loss = fmt::format("loss {:.4g}", evaluation.loss);
  if (evaluation.accuracy) return fmt::format("{}, accuracy {:.2f} %", loss, 100.0 * *evaluation.accuracy);
  return fmt::format("{}, squared error {:.4g} a sample", loss, evaluation.squared_error.value_or(0.0));
}

std::string reason_text(StopReason reason, const Options& options) {
  switch (reason) {
    case StopReason::steps:
      return "--steps reached";
    case StopReason::epochs:
      return "--epochs reached";
    case StopReason::seconds:
      return "--max-seconds reached";
    case StopReason::target_loss:
      return fmt::format("--target-loss {:g} reached", options.target_loss.value_or(0.0));
    case StopReason::converged:
      return "converged: no step of the last 20 lowered the loss";
    case StopReason::interrupted:
      return "interrupted";
  }
  return "";
}

/// Most memory that the process has had of the machine; none where the system does not tell.
std::optional<double> resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return 1024.0 * std::stod(line.substr(line.find(':') + 1));  // of KiB
  return std::nullopt;
}

std::string memory_text(const RunFacts& facts) {
  const std::string device = fmt::format("{} planned, {} at most on {}", bytes_text(facts.planned_bytes),
                                         bytes_text(facts.peak_bytes), facts.device);
  const auto resident = resident_bytes();
  return resident ? fmt::format("{}; {} resident", device, bytes_text(*resident)) : device;
}

}  // namespace

std::string summary_text(const RunFacts& facts, const Options& options, const TrainingSummary& summary) {
  std::string text;
  const auto line = [&](const char* head, const std::string& rest) {
    text += fmt::format("{:<10} {}\n", head, rest);
  };
  line("network",
       fmt::format("{}, {} parameters, {}", facts.network, facts.parameters, to_string(facts.likelihood)));
  line("optimizer",
       fmt::format("{}; batch {} of {}", optimizer_text(options),
                   options.batch == 0 ? facts.training_samples : options.batch, facts.training_samples));
  line("stopped", fmt::format("after {} steps, {:.4g} epochs: {}", summary.steps, summary.epochs,
                              reason_text(summary.reason, options)));
  const auto result = [&](const char* head, const std::optional<Evaluation>& last,
                          const std::optional<Evaluation>& average) {
    if (!last) return;
    line(head, result_text(*last) + (average ? "; averaged: " + result_text(*average) : ""));
  };
  result("train", summary.last.train, summary.last.average_train);
  result("test", summary.last.test, summary.last.average_test);
  line("best", fmt::format("{} loss {:.4g}, after step {}", summary.last.test ? "test" : "train",
                           summary.best_loss, summary.best_step));
  if (options.optimizer == "natural") {
    line("steps", fmt::format("{} accepted, {} rejected, {} tries cut back", summary.steps - summary.rejected,
                              summary.rejected, summary.backtracks));
    line("KL", fmt::format("largest measured KL of an accepted step: {:.4f} of its budget",
                           summary.largest_kl_ratio));
  }
  line("time",
       fmt::format("{:.3g} s of stepping, {:.3g} s a step, {} on {}", summary.seconds,
                   summary.seconds / static_cast<double>(summary.steps), options.precision, facts.device));
  line("memory", memory_text(facts));
  std::vector<std::string> files = {"model.safetensors", "model-best.safetensors"};
  if (options.average > 0.0) files.emplace_back("model-average.safetensors");
  files.insert(files.end(), {"metrics.jsonl", "config.toml", "checkpoints"});
  line("files", fmt::format("{0}/{1}", facts.folder, fmt::join(files, ", " + facts.folder + "/")));
  return text;
}

}  // namespace natgrad::cli
