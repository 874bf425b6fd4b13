#include "natgrad/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "names.hpp"

namespace natgrad {
namespace {

constexpr int rejections_to_converge = 20;
constexpr Index evaluation_chunk = 4096;  // samples; bounds the memory of an evaluation

constexpr Name<StopReason> reason_names[] = {
    {StopReason::steps, "steps"},         {StopReason::epochs, "epochs"},
    {StopReason::seconds, "seconds"},     {StopReason::target_loss, "target loss"},
    {StopReason::converged, "converged"}, {StopReason::interrupted, "interrupted"}};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

std::string_view to_string(StopReason reason) { return name_of(reason_names, reason); }

template <class R>
DeviceDataset<R>::DeviceDataset(Device& device, const Dataset<R>& host)
    : x(device, host.x.rows * host.x.cols),
      y(device, host.y.rows * host.y.cols),
      inputs(host.x.rows),
      target_rows(host.y.rows),
      samples(host.samples()) {
  x.upload(host.x.data.data());
  y.upload(host.y.data.data());
}

template <class R>
Batch<R> DeviceDataset<R>::batch(Index begin, Index count) const {
  return {x.matrix(inputs, samples).columns(begin, count),
          y.matrix(target_rows, samples).columns(begin, count)};
}

// Chunk by chunk: means over the chunks, weighted by their samples.
template <class R>
Evaluation evaluate(const Network<R>& net, Likelihood likelihood, const DeviceDataset<R>& data,
                    const Scaling& target_scaling) {
  Backend<R>& backend = net.backend();
  const PhaseScope phase(backend, Phase::evaluate);
  const Index outputs = net.shape().outputs();
  std::vector<R> weight(static_cast<std::size_t>(outputs), R(1));  // back to the data's units, squared
  for (std::size_t j = 0; !target_scaling.identity() && j < weight.size(); ++j) {
    const double scale = target_scaling.scale[target_scaling.scale.size() == 1 ? 0 : j];
    weight[j] = static_cast<R>(scale == 0.0 ? 0.0 : 1.0 / (scale * scale));
  }
  Buffer<R> device_weight(backend, outputs);
  device_weight.upload(weight.data());

  Activations<R> acts;
  Buffer<R> means;
  double loss = 0.0, correct = 0.0, squared_error = 0.0;
  for (Index begin = 0; begin < data.samples; begin += evaluation_chunk) {
    const Index count = std::min(evaluation_chunk, data.samples - begin);
    const Batch<R> batch = data.batch(begin, count);
    forward_output(net, batch.x, acts);
    backend.loss(likelihood, acts.output(), batch.y);
    if (likelihood == Likelihood::categorical) {
      backend.count_correct(acts.output(), batch.y);
    } else {
      means.reserve(backend, outputs * count);
      backend.means(likelihood, acts.output(), means.matrix(outputs, count));
      backend.squared_error(means.matrix(outputs, count), batch.y, device_weight.vector());
    }
    const Scalars s = backend.read_scalars();
    loss += s[Slot::loss] * static_cast<double>(count);
    correct += s[Slot::correct];
    squared_error += s[Slot::squared_error];
  }
  const double samples = static_cast<double>(std::max<Index>(1, data.samples));
  Evaluation result{.loss = loss / samples, .accuracy = {}, .squared_error = {}};
  if (likelihood == Likelihood::categorical)
    result.accuracy = correct / samples;
  else
    result.squared_error = squared_error / samples;
  return result;
}

// The weights of squared errors, the outputs of a chunk, and the means unless classes are counted.
Index evaluation_elements(const NetworkShape& net, Likelihood likelihood, Index samples) {
  if (samples == 0) return net.outputs();
  const Index chunk = std::min(evaluation_chunk, samples);
  const Index means = likelihood == Likelihood::categorical ? 0 : net.outputs() * chunk;
  return net.outputs() + Activations<float>::output_elements(net, chunk) + means;
}

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
  if (batch == data.samples) return;  // the set itself, unshuffled
  order_ = Buffer<Index>(backend, data.samples);
  x_ = Buffer<R>(backend, data.inputs * batch);
  y_ = Buffer<R>(backend, data.target_rows * batch);
  start_epoch();
}

template <class R>
void BatchStream<R>::start_epoch() {
  backend_.permutation({seed_, Stream::shuffle, epoch_}, order_.vector());
  ++epoch_;
  used_ = 0;
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
  if (options_.average > 0.0) average_.emplace(net.backend(), net.shape());
}

template <class R>
TrainingSummary Trainer<R>::run() {
  BatchStream<R> batches(net_.backend(), train_, options_.batch, options_.seed);
  TrainingSummary summary;
  summary.last = evaluate_now(0);
  int rejected_in_a_row = 0;
  for (std::optional<StopReason> stop; !stop;) {
    const StepRecord record = one_step(summary.steps + 1, batches);
    const StepReport& report = record.report;
    ++summary.steps;
    summary.epochs = record.epoch;
    summary.seconds += record.seconds;
    summary.rejected += report.rejected;
    summary.backtracks += report.backtracks;
    if (!report.rejected && report.kl_budget > 0.0)
      summary.largest_kl_ratio = std::max(summary.largest_kl_ratio, report.kl_measured / report.kl_budget);
    if (on_step) {
      const PhaseScope phase(net_.backend(), Phase::io);
      on_step(record);
    }

    rejected_in_a_row = report.rejected ? rejected_in_a_row + 1 : 0;
    stop = limit_reached(record, summary);
    if (options_.batch == train_.samples && rejected_in_a_row == rejections_to_converge)
      stop = StopReason::converged;
    if (stop || summary.steps % options_.eval_every == 0) summary.last = evaluate_now(summary.steps);
    if (stop) summary.reason = *stop;
  }
  return summary;
}

template <class R>
StepRecord Trainer<R>::one_step(Index step, BatchStream<R>& batches) {
  const auto start = std::chrono::steady_clock::now();
  Device& device = net_.backend();
  const std::size_t synchronizations = device.synchronizations(), allocations = device.allocations(),
                    graph_launches = device.graph_launches();
  StepRecord record;
  record.step = step;
  record.report = optimizer_.step(batches.next());
  update_average(step);
  record.phases = device.take_phase_seconds();
  record.synchronizations = device.synchronizations() - synchronizations;
  record.allocations = device.allocations() - allocations;
  record.graph_launches = device.graph_launches() - graph_launches;
  record.seconds = seconds_since(start);
  record.epoch =
      static_cast<double>(step) * static_cast<double>(options_.batch) / static_cast<double>(train_.samples);
  return record;
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
EvaluationRecord Trainer<R>::evaluate_now(Index step) {
  const auto on = [&](const Network<R>& net, const DeviceDataset<R>& data) -> std::optional<Evaluation> {
    if (data.samples == 0) return std::nullopt;
    return evaluate(net, likelihood_, data, target_scaling_);
  };
  EvaluationRecord record;
  record.step = step;
  record.train = *on(net_, train_);
  record.test = on(net_, test_);
  if (average_ && step > 0) {
    record.average_train = on(*average_, train_);
    record.average_test = on(*average_, test_);
  }
  const PhaseScope phase(net_.backend(), Phase::io);
  if (on_evaluation) on_evaluation(record);
  return record;
}

template <class R>
std::optional<StopReason> Trainer<R>::limit_reached(const StepRecord& record,
                                                    const TrainingSummary& so_far) const {
  const StepReport& report = record.report;
  const double loss = std::isfinite(report.new_loss) ? report.new_loss : report.loss;
  if (interrupt != nullptr && interrupt->load()) return StopReason::interrupted;
  if (options_.target_loss && loss <= *options_.target_loss) return StopReason::target_loss;
  if (options_.steps > 0 && so_far.steps >= options_.steps) return StopReason::steps;
  if (options_.epochs > 0.0 && so_far.epochs >= options_.epochs) return StopReason::epochs;
  if (options_.max_seconds > 0.0 && so_far.seconds >= options_.max_seconds) return StopReason::seconds;
  return std::nullopt;
}

template struct DeviceDataset<float>;
template struct DeviceDataset<double>;
template class BatchStream<float>;
template class BatchStream<double>;
template class Trainer<float>;
template class Trainer<double>;
template Evaluation evaluate(const Network<float>&, Likelihood, const DeviceDataset<float>&, const Scaling&);
template Evaluation evaluate(const Network<double>&, Likelihood, const DeviceDataset<double>&,
                             const Scaling&);

}  // namespace natgrad
