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
#include "cli/resume.hpp"
#include "cli/run_directory.hpp"
#include "cli/run_saver.hpp"
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
void save(const std::string& path, const NetworkShape& shape, std::vector<double> parameters,
          const DataSplit<R>& data) {
  Model model;
  model.widths = shape.widths;
  model.activations = shape.activations;
  model.likelihood = data.likelihood;
  model.input_scaling = data.input_scaling;
  model.target_scaling = data.target_scaling;
  model.class_names = data.class_names;
  model.parameters = std::move(parameters);
  model.double_precision = sizeof(R) == 8;
  save_model(path, model);
}

/// Steps until a limit or a signal; writes and prints what happens.
template <class R>
TrainingSummary train_and_report(Trainer<R>& trainer, Device& device, const Options& options,
                                 MetricsWriter& metrics, RunSaver<R>& saver,
                                 const InterruptGuard& interrupt) {
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
  trainer.on_boundary = [&](Index step, bool last) {
    if (saver.step_done(step, last) || last)
      return;  // the last failure ends the program, once models are saved
    if (progress) progress->finish();
    print_error(fmt::format("natgrad: warning: {}\n", saver.failure()));
  };
  try {
    return trainer.run();
  } catch (const Error&) {
    if (progress) progress->finish();
    if (saver.saved())
      print_error(fmt::format("natgrad: the checkpoint of step {} is whole: {} goes on from there\n",
                              *saver.saved(), saver.resume_command()));
    throw;
  }
}

/// The run's plan, printed and found to fit.
template <class R>
RunPlan make_plan(Options& options, const Device& device, const NetworkShape& shape,
                  const DataSplit<R>& data) {
  const RunShape run = run_shape(options, shape, data, device);
  const MemoryLimit limit = memory_limit(options, device);
  const std::string reason = settle_structure(options, run, limit);
  if (!reason.empty()) print_message(options, reason);
  RunPlan plan = plan_run(options, run);
  if (!options.quiet)
    print_message(options, "plan: " + plan_text(options, plan, limit, device_gemm_rate<R>(options)));
  require_fit(options, run, plan, limit);
  return plan;
}

/// Where a run is resumed.
struct Position {
  Index step = 0, metrics_bytes = 0;
};

template <class R>
Position restore(Trainer<R>& trainer, Device& device, const Checkpoint<R>& found, const Options& options) {
  StateVisitor<R> state = StateVisitor<R>::restoring(device, found.state);
  trainer.visit_state(state);
  Position position;
  state.count("steps", position.step);
  state.count("metrics.bytes", position.metrics_bytes);
  const auto text = found.about.find("device");
  if (text != found.about.end() && text->second != device.description())
    print_error(
        fmt::format("natgrad: warning: the run was on {}, this is {}: it goes on, but not bit for bit\n",
                    text->second, device.description()));
  print_message(options, fmt::format("resumed after step {}", position.step));
  return position;
}

template <class R>
int train_in_precision(Options options, const RunDirectory& directory, const std::string& checkpoint) {
  const bool resumes = !options.resume.empty();
  std::string device;
  const auto backend = open_device<R>(options, &device);
  print_message(options, fmt::format("device: {}", device));
  warn_of_gpu_options(options, backend->name());
  const DataSplit<R> data = load_data<R>(options);
  Options start = options;
  if (resumes) start.init_from.clear();  // θ comes from the checkpoint, the widths from config.toml
  const NetworkShape shape = network_shape(start, data.train.x.rows, data.outputs);
  options.hidden = start.hidden;
  options.activation = start.activation;
  trainer_options(options).validate(data.train.samples());
  print_message(options, data_text(data));
  const RunPlan plan = make_plan(options, *backend, shape, data);
  if (options.memory_limit) backend->limit_memory(static_cast<std::size_t>(*options.memory_limit));
  options.device = backend->name();  // config.toml repeats just this run
  options.likelihood = to_string(data.likelihood);

  const DirectoryLock lock = directory.lock();
  const std::map<std::string, std::string> about = about_run(options, *backend, data);
  std::optional<Checkpoint<R>> found;
  if (resumes) found = open_checkpoint<R>(checkpoint, directory.checkpoints(), about);
  Network<R> net(*backend, shape);
  if (!resumes) net.set_parameters(start_parameters(options, shape));
  const auto optimizer = make_optimizer<R>(net, data.likelihood, options);
  Trainer<R> trainer(net, data.likelihood, *optimizer, data.train, data.test, data.target_scaling,
                     trainer_options(options));
  Position position;
  if (found) position = restore(trainer, *backend, *found, options);
  found.reset();  // its memory
  if (!resumes) directory.clear();
  directory.write_config(config_text(options));
  const InterruptGuard interrupt;
  MetricsWriter metrics = resumes ? MetricsWriter(directory.metrics(), position.metrics_bytes)
                                  : MetricsWriter(directory.metrics());
  RunSaver<R> saver(trainer, *backend, metrics, directory, options, about);
  const TrainingSummary summary = train_and_report(trainer, *backend, options, metrics, saver, interrupt);
  if (resumes && summary.steps == position.step)
    print_error("natgrad: warning: the run's limits were reached already; give --resume a higher --steps\n");

  make_directory(directory.path());  // perhaps it was removed meanwhile
  save(directory.model(), shape, net.parameters(), data);
  save(directory.best_model(), shape, trainer.best_parameters(), data);
  if (trainer.average() != nullptr)
    save(directory.average_model(), shape, trainer.average()->parameters(), data);
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
  if (!saver.failure().empty()) throw DataError(saver.failure());
  if (summary.reason != StopReason::interrupted) return 0;
  print_error(
      fmt::format("natgrad: interrupted after step {}; {} goes on\n", summary.steps, saver.resume_command()));
  return 128 + interrupt.signal();
}

}  // namespace

int run_train(Options options) {
  resolve_training(options);
  if (options.print_config) {
    print_result(config_text(options));
    return 0;
  }
  const ResumePoint point = options.resume.empty() ? ResumePoint{} : resume_point(options.resume);
  const RunDirectory directory = options.resume.empty() ? RunDirectory(options.out, options.overwrite)
                                                        : RunDirectory::existing(point.folder);
  return with_precision(
      options, [&]<class R>() { return train_in_precision<R>(options, directory, point.checkpoint); });
}

}  // namespace natgrad::cli
