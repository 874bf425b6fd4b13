/// natgrad eval: how a trained network does on data.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/model_options.hpp"
#include "cli/resolve.hpp"

namespace natgrad::cli {
namespace {

std::string to_json(Index samples, const Evaluation& evaluation) {
  nlohmann::ordered_json json = {{"samples", samples}, {"loss", evaluation.loss}};
  if (evaluation.accuracy) json["accuracy"] = *evaluation.accuracy;
  if (evaluation.squared_error) json["squared_error"] = *evaluation.squared_error;
  return json.dump() + "\n";
}

std::string to_text(Index samples, const Evaluation& evaluation) {
  std::string text = fmt::format("samples        {}\nloss           {:.6g}\n", samples, evaluation.loss);
  if (evaluation.accuracy) text += fmt::format("accuracy       {:.2f} %\n", 100.0 * *evaluation.accuracy);
  if (evaluation.squared_error)
    text += fmt::format("squared error  {:.6g} a sample\n", *evaluation.squared_error);
  return text;
}

template <class R>
int eval_in_precision(const Options& options) {
  std::string device;
  const auto backend = open_device<R>(options, &device);
  print_error(fmt::format("device: {}\n", device));
  const Model model = read_model(options.model, options);
  const DeviceDataset<R> data(*backend, load_data_for_model<R>(options, model, true));
  Network<R> net(*backend, shape_of(model));
  net.set_parameters(model.parameters);
  const Evaluation evaluation = evaluate(net, *model.likelihood, data, model.target_scaling);
  print_result(options.json ? to_json(data.samples, evaluation) : to_text(data.samples, evaluation));
  return 0;
}

}  // namespace

int run_eval(Options options) {
  require_given(options, "model");
  resolve_data(options);
  resolve_device(options);
  return with_precision(options, [&]<class R>() { return eval_in_precision<R>(options); });
}

}  // namespace natgrad::cli
