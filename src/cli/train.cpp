/// natgrad train: data → network → optimiser → run directory.
#include <fmt/format.h>
#include <unistd.h>

#include "cli/commands.hpp"
#include "cli/config_file.hpp"
#include "cli/console.hpp"
#include "cli/interrupt.hpp"
#include "cli/model_options.hpp"
#include "cli/planning.hpp"
#include "cli/progress.hpp"
#include "cli/resolve.hpp"
#include "cli/run_directory.hpp"
#include "cli/summary.hpp"
#include "natgrad/metrics.hpp"

namespace natgrad::cli {
namespace {

void print_message(const Options& options, const std::string& line) {
  if (!options.quiet) print_error(line + "\n");
}

template <class R>
std::unique_ptr<Optimizer<R>> make_optimizer(Network<R>& net, Likelihood likelihood, const Options& options) {
  if (options.optimizer == "sgd") {
    const SgdOptions sgd{
        .learning_rate = *options.learning_rate, .momentum = options.momentum, .l2 = options.l2};
    return make_sgd(net, likelihood, sgd);
  }
  if (options.optimizer == "adam") {
    AdamOptions adam;
    adam.learning_rate = *options.learning_rate;
    adam.l2 = options.l2;
    return make_adam(net, likelihood, adam);
  }
  return std::make_unique<NaturalGradient<R>>(net, likelihood, natural_gradient_options(options));
}

/// Warnings of the steps: the first few on the terminal, all of them in metrics.jsonl.
class Warnings {
 public:
  void show(const StepRecord& record, Progress* progress) {
    constexpr int most = 10;
    if (record.report.note.empty() || ++count_ > most) return;
    if (progress != nullptr) progress->finish();
    print_error(fmt::format("natgrad: warning: step {}: {}{}\n", record.step, record.report.note,
                            count_ == most ? " (further warnings only in metrics.jsonl)" : ""));
  }

 private:
  int count_ = 0;
};

template <class R>
void save(const std::string& path, const Network<R>& net, const DataSplit<R>& data) {
  Model model;
  model.widths = net.shape().widths;
  model.activations = net.shape().activations;
  model.likelihood = data.likelihood;
  model.input_scaling = data.input_scaling;
  model.target_scaling = data.target_scaling;
  model.class_names = data.class_names;
  model.parameters = net.parameters();
  model.double_precision = sizeof(R) == 8;
  save_model(path, model);
}

/// Steps until a limit or a signal; writes and prints what happens.
template <class R>
TrainingSummary train_and_report(Trainer<R>& trainer, Device& device, const Options& options,
                                 const std::string& metrics_path, const InterruptGuard& interrupt) {
  MetricsWriter metrics(metrics_path);
  std::optional<Progress> progress;
  if (!options.quiet) progress.emplace(trainer_options(options), isatty(STDOUT_FILENO) == 1);
  Warnings warnings;
  const StepRange profiled = profile_steps(options);
  if (profiled.first == 1) device.begin_profile();
  trainer.interrupt = &interrupt.requested();
  trainer.on_step = [&](const StepRecord& record) {
    metrics.write(record);
    if (progress) progress->step(record);
    warnings.show(record, progress ? &*progress : nullptr);
    if (record.step == profiled.last) device.end_profile();
    if (record.step + 1 == profiled.first) device.begin_profile();
  };
  trainer.on_evaluation = [&](const EvaluationRecord& record) {
    metrics.write(record);
    if (progress) progress->evaluation(record);
  };
  return trainer.run();
}

/// The run's plan, printed and found to fit.
template <class R>
RunPlan make_plan(Options& options, const Device& device, const NetworkShape& shape,
                  const DataSplit<R>& data) {
  const RunShape run = run_shape(options, shape, data);
  const MemoryLimit limit = memory_limit(options, device);
  const std::string reason = settle_structure(options, run, limit);
  if (!reason.empty()) print_message(options, reason);
  RunPlan plan = plan_run(options, run);
  if (!options.quiet)
    print_message(options, "plan: " + plan_text(options, plan, limit, device_gemm_rate<R>(options)));
  require_fit(options, run, plan, limit);
  return plan;
}

template <class R>
int train_in_precision(Options options, const RunDirectory& directory) {
  std::string device;
  const auto backend = open_device<R>(options, &device);
  print_message(options, fmt::format("device: {}", device));
  warn_of_gpu_options(options, backend->name());
  const DataSplit<R> data = load_data<R>(options);
  const NetworkShape shape = network_shape(options, data.train.x.rows, data.outputs);
  trainer_options(options).validate(data.train.samples());
  print_message(options, data_text(data));
  const RunPlan plan = make_plan(options, *backend, shape, data);

  Network<R> net(*backend, shape);
  net.set_parameters(start_parameters(options, shape));
  const auto optimizer = make_optimizer<R>(net, data.likelihood, options);
  Trainer<R> trainer(net, data.likelihood, *optimizer, data.train, data.test, data.target_scaling,
                     trainer_options(options));

  options.device = backend->name();  // config.toml repeats just this run
  options.likelihood = to_string(data.likelihood);
  const InterruptGuard interrupt;
  directory.create(config_text(options));
  const TrainingSummary summary =
      train_and_report(trainer, *backend, options, directory.metrics(), interrupt);
  save(directory.model(), net, data);
  if (trainer.average() != nullptr) save(directory.average_model(), *trainer.average(), data);
  if (!options.quiet) {
    const RunFacts facts{.network = shape.description(),
                         .parameters = shape.parameters(),
                         .training_samples = data.train.samples(),
                         .likelihood = data.likelihood,
                         .device = backend->name(),
                         .planned_bytes = plan.bytes(),
                         .peak_bytes = static_cast<double>(backend->peak_bytes()),
                         .folder = directory.path()};
    print_out(fmt::format("\n{}", summary_text(facts, options, summary)));
  }
  return summary.reason == StopReason::interrupted ? 128 + interrupt.signal() : 0;
}

}  // namespace

int run_train(Options options) {
  resolve_training(options);
  if (options.print_config) {
    print_out(config_text(options));
    return 0;
  }
  const RunDirectory directory(options.out, options.overwrite);
  return with_precision(options, [&]<class R>() { return train_in_precision<R>(options, directory); });
}

}  // namespace natgrad::cli
