#include "natgrad/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "names.hpp"

namespace natgrad {
namespace {

constexpr int rejections_to_converge = 20;

constexpr Name<StopReason> reason_names[] = {
    {StopReason::steps, "steps"},         {StopReason::epochs, "epochs"},
    {StopReason::seconds, "seconds"},     {StopReason::target_loss, "target loss"},
    {StopReason::converged, "converged"}, {StopReason::interrupted, "interrupted"}};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

std::string_view to_string(StopReason reason) { return name_of(reason_names, reason); }

void TrainerOptions::validate(Index samples) const {
  const auto require = [](bool allowed, const std::string& message) {
    if (!allowed) throw UsageError(message);
  };
  require(samples > 0, "there are no training samples");
  require(batch >= 0 && batch <= samples, "batch is " + std::to_string(batch) + ", must be full or 1 to " +
                                              std::to_string(samples) + ", the training samples");
  require(steps >= 0, "steps is " + std::to_string(steps) + ", must be at least 0");
  require(epochs >= 0.0, "epochs is " + std::to_string(epochs) + ", must be at least 0");
  require(max_seconds >= 0.0, "max-seconds is " + std::to_string(max_seconds) + ", must be at least 0");
  require(eval_every >= 0, "eval-every is " + std::to_string(eval_every) + ", must be at least 0");
  require(average >= 0.0 && average < 1.0,
          "average is " + std::to_string(average) + ", must be at least 0 and below 1");
  require(!target_loss || std::isfinite(*target_loss), "target-loss must be a finite number");
  require(steps > 0 || epochs > 0.0 || max_seconds > 0.0 || target_loss,
          "a run needs a limit: give steps, epochs, max-seconds or target-loss");
}

template <class R>
BatchStream<R>::BatchStream(Backend<R>& backend, const DeviceDataset<R>& data, Index batch,
                            std::uint64_t seed)
    : backend_(backend), data_(data), batch_(batch), seed_(seed) {
  if (batch < 1 || batch > data.samples)
    throw UsageError("batch is " + std::to_string(batch) + ", must be 1 to " + std::to_string(data.samples) +
                     ", the samples of the data");
  if (batch == data.samples) return;  // the set itself, unshuffled
  order_ = Buffer<Index>(backend, data.samples);
  x_ = Buffer<R>(backend, data.inputs * batch);
  y_ = Buffer<R>(backend, data.target_rows * batch);
  start_epoch();
}

template <class R>
void BatchStream<R>::start_epoch() {
  backend_.permutation({seed_, Stream::shuffle, static_cast<std::uint32_t>(epoch_)}, order_.vector());
  ++epoch_;
  used_ = 0;
}

// The order follows from the epoch.
template <class R>
void BatchStream<R>::visit_state(StateVisitor<R>& state) {
  Index used = used_;
  state.count("epochs", epoch_);
  state.count("used", used);
  if (!state.restores() || batch_ == data_.samples) return;
  if (epoch_ < 1 || used > data_.samples)
    throw DataError("state: the position is sample " + std::to_string(used) + " of epoch " +
                    std::to_string(epoch_) + ", must be at most " + std::to_string(data_.samples) +
                    " of an epoch from 1; use an older checkpoint of the run");
  --epoch_;
  start_epoch();
  used_ = used;
}

template <class R>
Batch<R> BatchStream<R>::next() {
  if (batch_ == data_.samples) return data_.batch();
  const Batch<R> all = data_.batch();
  const MatrixView<R> x = x_.matrix(data_.inputs, batch_), y = y_.matrix(data_.target_rows, batch_);
  for (Index filled = 0; filled < batch_;) {
    if (used_ == data_.samples) start_epoch();
    const Index count = std::min(batch_ - filled, data_.samples - used_);
    const VectorView<const Index> index = order_.vector().slice(used_, count);
    backend_.gather_columns(all.x, index, x.columns(filled, count));
    backend_.gather_columns(all.y, index, y.columns(filled, count));
    filled += count;
    used_ += count;
  }
  return {x, y};
}

template <class R>
Trainer<R>::Trainer(Network<R>& net, Likelihood likelihood, Optimizer<R>& optimizer, const Dataset<R>& train,
                    const Dataset<R>& test, const Scaling& target_scaling, const TrainerOptions& options)
    : net_(net),
      likelihood_(likelihood),
      optimizer_(optimizer),
      target_scaling_(target_scaling),
      options_(options) {
  options.validate(train.samples());
  if (options_.batch == 0) options_.batch = train.samples();
  if (options_.eval_every == 0)
    options_.eval_every = std::max<Index>(1, train.samples() / std::max<Index>(1, options_.batch));
  train_ = DeviceDataset<R>(net.backend(), train);
  test_ = DeviceDataset<R>(net.backend(), test);
  batches_.emplace(net.backend(), train_, options_.batch, options_.seed);
  if (options_.average > 0.0) average_.emplace(net.backend(), net.shape());
}

template <class R>
TrainingSummary Trainer<R>::run() {
  if (evaluated_)
    summary_.last = measure();  // restored: the stream of records has it already
  else if (summary_.steps == 0)
    evaluate_now();
  for (std::optional<StopReason> stop; !stop;) {
    stop = limit_reached();
    if (!stop) {
      one_step();
      stop = limit_reached();
      if (summary_.steps % options_.eval_every == 0) evaluate_now();
    }
    if (on_boundary) on_boundary(summary_.steps, stop.has_value());
    if (stop) summary_.reason = *stop;
  }
  if (!evaluated_) evaluate_now();
  return summary_;
}

template <class R>
void Trainer<R>::one_step() {
  const auto start = std::chrono::steady_clock::now();
  Device& device = net_.backend();
  const std::size_t synchronizations = device.synchronizations(), allocations = device.allocations(),
                    graph_launches = device.graph_launches();
  StepRecord record;
  record.step = summary_.steps + 1;
  try {
    record.report = optimizer_.step(batches_->next());
  } catch (const NumericError& error) {
    throw NumericError("step " + std::to_string(record.step) + ": " + error.what());
  }
  update_average(record.step);
  record.phases = device.take_phase_seconds();
  record.synchronizations = device.synchronizations() - synchronizations;
  record.allocations = device.allocations() - allocations;
  record.graph_launches = device.graph_launches() - graph_launches;
  record.seconds = seconds_since(start);
  record.epoch = static_cast<double>(record.step) * static_cast<double>(options_.batch) /
                 static_cast<double>(train_.samples);
  count(record);
  const PhaseScope phase(device, Phase::io);
  if (on_step) on_step(record);
}

template <class R>
void Trainer<R>::count(const StepRecord& record) {
  const StepReport& report = record.report;
  summary_.steps = record.step;
  evaluated_ = false;
  summary_.epochs = record.epoch;
  summary_.seconds += record.seconds;
  summary_.rejected += report.rejected;
  summary_.backtracks += report.backtracks;
  if (!report.rejected && report.kl_budget > 0.0)
    summary_.largest_kl_ratio = std::max(summary_.largest_kl_ratio, report.kl_measured / report.kl_budget);
  rejected_in_a_row_ = report.rejected ? rejected_in_a_row_ + 1 : 0;
  batch_loss_ = std::isfinite(report.new_loss) ? report.new_loss : report.loss;
}

template <class R>
void Trainer<R>::visit_state(StateVisitor<R>& state) {
  state.count("steps", summary_.steps);
  state.count("rejected", summary_.rejected);
  state.count("backtracks", summary_.backtracks);
  state.count("rejected in a row", rejected_in_a_row_);
  state.flag("evaluated", evaluated_);
  state.number("epochs", summary_.epochs);
  state.number("seconds", summary_.seconds);
  state.number("largest KL ratio", summary_.largest_kl_ratio);
  state.number("batch loss", batch_loss_);
  state.count("best step", summary_.best_step);
  state.number("best loss", summary_.best_loss);
  state.array("best parameters", best_);
  state.array("parameters", net_.theta());
  if (average_) state.array("average", average_->theta());
  StateVisitor<R> batches = state.within("batches"), optimizer = state.within("optimizer");
  batches_->visit_state(batches);
  optimizer_.visit_state(optimizer);
}

// θ̄ ← ξθ̄ + (1 − ξ)θ
template <class R>
void Trainer<R>::update_average(Index step) {
  if (!average_) return;
  const double kept = std::min(options_.average, 1.0 - 1.0 / static_cast<double>(step));
  net_.backend().scale(static_cast<R>(kept), average_->theta());
  net_.backend().axpy(static_cast<R>(1.0 - kept), net_.theta(), average_->theta());
}

template <class R>
EvaluationRecord Trainer<R>::measure() const {
  const auto on = [&](const Network<R>& net, const DeviceDataset<R>& data) -> std::optional<Evaluation> {
    if (data.samples == 0) return std::nullopt;
    return evaluate(net, likelihood_, data, target_scaling_);
  };
  EvaluationRecord record;
  record.step = summary_.steps;
  record.train = *on(net_, train_);
  record.test = on(net_, test_);
  if (average_ && record.step > 0) {
    record.average_train = on(*average_, train_);
    record.average_test = on(*average_, test_);
  }
  return record;
}

template <class R>
void Trainer<R>::evaluate_now() {
  summary_.last = measure();
  evaluated_ = true;
  const PhaseScope phase(net_.backend(), Phase::io);
  const double loss = (summary_.last.test ? *summary_.last.test : summary_.last.train).loss;
  if (loss < summary_.best_loss) {
    summary_.best_loss = loss;
    summary_.best_step = summary_.steps;
    best_.resize(static_cast<std::size_t>(net_.theta().size));
    net_.backend().download(best_.data(), net_.theta().data, best_.size() * sizeof(R));
  }
  if (on_evaluation) on_evaluation(summary_.last);
}

template <class R>
std::optional<StopReason> Trainer<R>::limit_reached() const {
  if (interrupt != nullptr && interrupt->load()) return StopReason::interrupted;
  if (options_.batch == train_.samples && rejected_in_a_row_ >= rejections_to_converge)
    return StopReason::converged;
  if (options_.target_loss && batch_loss_ <= *options_.target_loss) return StopReason::target_loss;
  if (options_.steps > 0 && summary_.steps >= options_.steps) return StopReason::steps;
  if (options_.epochs > 0.0 && summary_.epochs >= options_.epochs) return StopReason::epochs;
  if (options_.max_seconds > 0.0 && summary_.seconds >= options_.max_seconds) return StopReason::seconds;
  return std::nullopt;
}

template class BatchStream<float>;
template class BatchStream<double>;
template class Trainer<float>;
template class Trainer<double>;

}  // namespace natgrad
