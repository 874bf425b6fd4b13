#include "natgrad/dataset.hpp"

#include <fmt/format.h>

#include <utility>

#include "data/scaling.hpp"
#include "data/source.hpp"
#include "data/targets.hpp"
#include "natgrad/model_file.hpp"

namespace natgrad {
namespace {

/// A test table whose columns stand in another order would be read without complaint.
template <class R>
void check_feature_names(const RawData<R>& train, const RawData<R>& test) {
  if (train.feature_names.empty() || test.feature_names.empty()) return;
  for (std::size_t j = 0; j < train.feature_names.size(); ++j) {
    if (train.feature_names[j] == test.feature_names[j]) continue;
    throw DataError(fmt::format("{}: feature column {} is named '{}', expected '{}' as in {}",
                                test.origin.path, j, test.feature_names[j], train.feature_names[j],
                                train.origin.path));
  }
}

template <class R>
void encode_autoencoder(const DataOptions& options, const RawData<R>& train, const RawData<R>& test,
                        DataSplit<R>& split) {
  split.likelihood =
      options.likelihood == "auto" ? Likelihood::bernoulli : parse_likelihood(options.likelihood);
  if (split.likelihood == Likelihood::categorical) {
    throw UsageError(
        "--likelihood categorical: cannot be used with --autoencode; expected bernoulli or gaussian");
  }
  if (options.scale_target != "none") {
    throw UsageError(fmt::format(
        "--scale-target {}: cannot be used with --autoencode, whose targets are the scaled inputs; see --scale",
        options.scale_target));
  }
  if (split.likelihood == Likelihood::bernoulli) {
    require_unit_interval<R>(split.train.x.view(), train.origin);
    require_unit_interval<R>(split.test.x.view(), test.origin);
  }
  split.outputs = split.train.x.rows;
  split.train.y = split.train.x;
  split.test.y = split.test.x;
}

template <class R>
void encode_supervised(const DataOptions& options, const RawData<R>& train, const RawData<R>& test,
                       DataSplit<R>& split) {
  TargetCode code = fit_targets(train.y, options.likelihood, options.scale_target);
  split.train.y = encode_targets<R>(train.y, code);
  if (split.test.samples() > 0) split.test.y = encode_targets<R>(test.y, code);
  split.likelihood = code.likelihood;
  split.outputs = code.outputs;
  split.target_scaling = std::move(code.scaling);
  split.class_names = std::move(code.class_names);
}

}  // namespace

template <class R>
DataSplit<R> load_data(const DataOptions& options) {
  check_scale_kind("--scale", options.scale);
  const bool need_targets = !options.autoencode;
  const DataFiles train_files = training_files(options, need_targets),
                  given_test = test_files(options, need_targets);
  RawData<R> train = read_data<R>(train_files, options.target, need_targets, -1);
  RawData<R> test = given_test.empty() ? split_off(train, options.test_fraction, options.seed)
                                       : read_data<R>(given_test, options.target, need_targets, train.x.rows);
  check_feature_names(train, test);

  DataSplit<R> split;
  split.train.x = std::move(train.x);
  split.test.x = std::move(test.x);
  split.input_scaling = fit_scaling<R>(options.scale, split.train.x.view(), train.origin.path);
  split.input_scaling.apply(split.train.x.view());
  if (split.test.samples() > 0) split.input_scaling.apply(split.test.x.view());
  options.autoencode ? encode_autoencoder(options, train, test, split)
                     : encode_supervised(options, train, test, split);
  return split;
}

template <class R>
Dataset<R> load_data_for_model(const DataOptions& options, const Model& model, bool need_targets) {
  if (model.widths.size() < 2)
    throw UsageError(fmt::format(
        "data: the model has {} widths, must have those of its inputs and its outputs", model.widths.size()));
  const bool read_targets = need_targets && !options.autoencode;
  const DataFiles test = test_files(options, read_targets);
  const DataFiles files = test.empty() ? training_files(options, read_targets) : test;
  RawData<R> data = read_data<R>(files, options.target, read_targets, model.widths.front());
  if (test.empty() && options.test_fraction != 0.0)
    data = split_off(data, options.test_fraction, options.seed);

  Dataset<R> result{std::move(data.x), {}};
  model.input_scaling.apply(result.x.view());
  if (!need_targets) return result;
  if (!model.likelihood) {
    throw UsageError("the model file names no likelihood, so that targets cannot be read for it");
  }
  if (read_targets) {
    result.y = encode_targets<R>(
        data.y, {*model.likelihood, model.widths.back(), model.target_scaling, model.class_names});
    return result;
  }
  if (model.widths.back() != result.x.rows || *model.likelihood == Likelihood::categorical) {
    throw DataError(fmt::format(
        "{}: a model of {} inputs and {} {} outputs is no autoencoder; drop --autoencode", data.origin.path,
        model.widths.front(), model.widths.back(), to_string(*model.likelihood)));
  }
  if (*model.likelihood == Likelihood::bernoulli) require_unit_interval<R>(result.x.view(), data.origin);
  result.y = result.x;
  return result;
}

template DataSplit<float> load_data(const DataOptions&);
template DataSplit<double> load_data(const DataOptions&);
template Dataset<float> load_data_for_model(const DataOptions&, const Model&, bool);
template Dataset<double> load_data_for_model(const DataOptions&, const Model&, bool);

}  // namespace natgrad
