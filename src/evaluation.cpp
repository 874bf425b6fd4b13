#include <algorithm>

#include "natgrad/trainer.hpp"
#include "non_finite.hpp"
#include "shape_check.hpp"

namespace natgrad {
namespace {

constexpr Index evaluation_chunk = 4096;  // samples; bounds the memory of an evaluation

}  // namespace

template <class R>
DeviceDataset<R>::DeviceDataset(Device& device, const Dataset<R>& host)
    : x(device, host.x.rows * host.x.cols),
      y(device, host.y.rows * host.y.cols),
      inputs(host.x.rows),
      target_rows(host.y.rows),
      samples(host.samples()) {
  require_finite(host.x, host.y);
  x.upload(host.x.data.data());
  y.upload(host.y.data.data());
}

template <class R>
Batch<R> DeviceDataset<R>::batch(Index begin, Index count) const {
  if (begin < 0 || count < 0 || begin > samples - count)
    throw ShapeError("data: samples " + std::to_string(begin) + " to " + std::to_string(begin + count) +
                     " wanted, there are " + std::to_string(samples));
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
  const auto scales = static_cast<Index>(target_scaling.scale.size());
  if (!target_scaling.identity() && scales != 1)
    require_size("evaluate", "the number of target scales", scales, outputs);
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

template struct DeviceDataset<float>;
template struct DeviceDataset<double>;
template Evaluation evaluate(const Network<float>&, Likelihood, const DeviceDataset<float>&, const Scaling&);
template Evaluation evaluate(const Network<double>&, Likelihood, const DeviceDataset<double>&,
                             const Scaling&);

}  // namespace natgrad
