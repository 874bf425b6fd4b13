/// natgrad predict: a trained network's means for new inputs.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/model_options.hpp"
#include "cli/resolve.hpp"
#include "io/gzip.hpp"
#include "io/idx.hpp"
#include "io/npy.hpp"

namespace natgrad::cli {
namespace {

constexpr Index chunk = 4096;  // samples; bounds the memory of the hidden layers

/// What is neither NPY nor IDX is taken for CSV.
DataOptions input_options(const Options& options) {
  const Bytes content = read_decompressed(options.x, options.max_decompressed);
  DataOptions data;
  data.max_decompressed = options.max_decompressed;
  const bool array = is_npy(content) || is_idx(content);
  (array ? data.train_x : data.train_csv) = options.x;
  if (array && options.given("target"))
    throw UsageError("--target " + options.target + ": is for tables, " + options.x + " is an array");
  data.target = options.target;
  return data;
}

/// E[y | x] of all samples, C × N, in the data's units.
template <class R>
HostMatrix<R> predict_means(const Network<R>& net, const Model& model, const Dataset<R>& inputs) {
  Backend<R>& backend = net.backend();
  const DeviceDataset<R> data(backend, inputs);
  HostMatrix<R> means(net.shape().outputs(), data.samples);
  Activations<R> acts;
  Buffer<R> buffer(backend, means.rows * std::min(chunk, data.samples));
  for (Index begin = 0; begin < data.samples; begin += chunk) {
    const Index count = std::min(chunk, data.samples - begin);
    forward_output<R>(net, data.x.matrix(data.inputs, data.samples).columns(begin, count), acts);
    const MatrixView<R> part = buffer.matrix(means.rows, count);
    backend.means(*model.likelihood, acts.output(), part);
    backend.download(&means(0, begin), part.data, static_cast<std::size_t>(part.size()) * sizeof(R));
  }
  model.target_scaling.invert(means.view());
  return means;
}

template <class R>
int predict_in_precision(const Options& options) {
  std::string device;
  const auto backend = open_device<R>(options, &device);
  if (!options.quiet) print_error(fmt::format("device: {}\n", device));
  const Model model = read_model(options.model, options);
  const Dataset<R> inputs = load_data_for_model<R>(input_options(options), model, false);
  Network<R> net(*backend, shape_of(model));
  net.set_parameters(model.parameters);
  const HostMatrix<R> means = predict_means(net, model, inputs);
  write_npy<R>(options.out, means.view(), {means.cols, means.rows});
  if (!options.quiet)
    print_error(fmt::format("{}: {} samples, {} means each\n", options.out, means.cols, means.rows));
  return 0;
}

/// Refuses to replace what the means are made of.
void require_other_file(const Options& options) {
  for (const auto& [name, path] : {std::pair("model", options.model), {"x", options.x}}) {
    std::error_code missing;
    if (std::filesystem::equivalent(path, options.out, missing))
      throw UsageError(
          fmt::format("--out {}: is the file of --{}, which the means would replace", options.out, name));
  }
}

}  // namespace

int run_predict(Options options) {
  for (const char* name : {"model", "x", "out"}) require_given(options, name);
  require_other_file(options);
  resolve_device(options);
  return with_precision(options, [&]<class R>() { return predict_in_precision<R>(options); });
}

}  // namespace natgrad::cli
