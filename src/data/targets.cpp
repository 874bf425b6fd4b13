#include "data/targets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/labels.hpp"
#include "data/scaling.hpp"
#include "io/array.hpp"
#include "io/number.hpp"

namespace natgrad {
namespace {

Likelihood choose_likelihood(const RawTargets& train, const std::string& option) {
  if (option != "auto") return parse_likelihood(option);
  if (train.kind == RawTargets::Kind::real) return Likelihood::gaussian;
  if (train.kind == RawTargets::Kind::integer && train.values.rows > 1) {
    throw DataError(fmt::format(
        "{}: holds {} integers per sample, which may be labels or numbers; give --likelihood bernoulli or gaussian",
        train.origin.path, train.values.rows));
  }
  return Likelihood::categorical;
}

void require_numbers(const RawTargets& targets, Likelihood likelihood) {
  if (targets.kind != RawTargets::Kind::text) return;
  const auto is_text = [](const std::string& cell) { return !parse_number<double>(cell); };
  const auto first = std::ranges::find_if(targets.labels, is_text);
  throw DataError(fmt::format(
      "{}: the target '{}' is not a number, as --likelihood {} needs; --likelihood categorical takes text",
      targets.origin.at(first - targets.labels.begin()), *first, to_string(likelihood)));
}

}  // namespace

std::string Origin::at(Index column) const {
  const auto k = static_cast<std::size_t>(column);
  const Index sample = samples.empty() ? column : samples[k];
  if (lines.empty()) return fmt::format("{}: sample {}", path, sample);
  return fmt::format("{}: line {} (sample {})", path, lines[k], sample);
}

RawTargets read_targets(const std::string& path, std::uint64_t max_decompressed) {
  const Array array = read_array(path, max_decompressed);
  if (array.shape.size() > 2) {
    throw DataError(fmt::format("{}: has {} dimensions, expected targets of shape (N) or (N, C)", path,
                                array.shape.size()));
  }
  RawTargets targets;
  targets.origin.path = path;
  targets.kind = array.is_integer() ? RawTargets::Kind::integer : RawTargets::Kind::real;
  targets.values = to_samples<double>(array);
  return targets;
}

RawTargets parse_targets(std::vector<std::string> cells, Origin origin) {
  RawTargets targets;
  targets.values = HostMatrix<double>(1, static_cast<Index>(cells.size()));
  for (std::size_t k = 0; k < cells.size(); ++k) {
    const auto number = parse_number<double>(cells[k]);
    if (number && !std::isfinite(*number)) {
      throw DataError(fmt::format(
          "{}: the target is {}, expected a finite number or a label; remove or repair the sample",
          origin.at(static_cast<Index>(k)), cells[k]));
    }
    const auto kind = !number                          ? RawTargets::Kind::text
                      : !parse_number<Index>(cells[k]) ? RawTargets::Kind::real
                                                       : RawTargets::Kind::integer;
    targets.kind = std::max(targets.kind, kind);
    targets.values.data[k] = number.value_or(0.0);
  }
  if (targets.kind == RawTargets::Kind::text) targets.values = {};
  targets.labels = std::move(cells);
  targets.origin = std::move(origin);
  return targets;
}

TargetCode fit_targets(const RawTargets& train, const std::string& likelihood,
                       const std::string& scale_target) {
  TargetCode code;
  code.likelihood = choose_likelihood(train, likelihood);
  check_scale_kind("--scale-target", scale_target);
  if (code.likelihood != Likelihood::gaussian && scale_target != "none") {
    throw UsageError(fmt::format("--scale-target {}: is for gaussian targets, those of {} are {}",
                                 scale_target, train.origin.path, to_string(code.likelihood)));
  }
  if (code.likelihood == Likelihood::categorical) {
    fit_classes(train, likelihood == "auto", code);
    return code;
  }
  require_numbers(train, code.likelihood);
  code.outputs = train.values.rows;
  code.scaling = fit_scaling(scale_target, train.values.view(), train.origin.path);
  return code;
}

template <class R>
HostMatrix<R> encode_targets(const RawTargets& targets, const TargetCode& code) {
  if (code.likelihood == Likelihood::categorical) return encode_classes<R>(targets, code);
  require_numbers(targets, code.likelihood);
  if (targets.values.rows != code.outputs) {
    throw DataError(fmt::format("{}: has {} targets per sample, expected {}", targets.origin.path,
                                targets.values.rows, code.outputs));
  }
  HostMatrix<double> values = targets.values;
  code.scaling.apply(values.view());
  if (code.likelihood == Likelihood::bernoulli) require_unit_interval<double>(values.view(), targets.origin);
  HostMatrix<R> y(values.rows, values.cols);  // C × N
  for (std::size_t k = 0; k < values.data.size(); ++k) {
    y.data[k] = static_cast<R>(values.data[k]);
    if (!std::isfinite(y.data[k])) {
      throw DataError(
          fmt::format("{}: the target {:g} is beyond f32's range; give --precision f64 or --scale-target",
                      targets.origin.at(static_cast<Index>(k) / y.rows), values.data[k]));
    }
  }
  return y;
}

template <class R>
void require_unit_interval(MatrixView<const R> y, const Origin& origin) {
  for (Index j = 0; j < y.cols; ++j) {
    for (Index i = 0; i < y.rows; ++i) {
      const R value = y.data[i + j * y.stride];
      if (value >= R(0) && value <= R(1)) continue;
      throw DataError(
          fmt::format("{}: target {} is {:g}, but bernoulli needs targets in [0, 1]; give --likelihood "
                      "gaussian, or for autoencode data that --scale unit or none leave in [0, 1]",
                      origin.at(j), i, value));
    }
  }
}

template HostMatrix<float> encode_targets(const RawTargets&, const TargetCode&);
template HostMatrix<double> encode_targets(const RawTargets&, const TargetCode&);
template void require_unit_interval(MatrixView<const float>, const Origin&);
template void require_unit_interval(MatrixView<const double>, const Origin&);

}  // namespace natgrad
