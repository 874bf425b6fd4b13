#include "data/scaling.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace natgrad {
namespace {

/// 1/spread; 0 for a constant.
double inverse(double spread, const std::string& path) {
  const double scale = spread == 0.0 ? 0.0 : 1.0 / spread;
  if (!std::isfinite(spread) || !std::isfinite(scale)) {
    throw DataError(
        fmt::format("{}: cannot be scaled: its values spread over {:g}, beyond f64's range", path, spread));
  }
  return scale;
}

/// (x − min)/(max − min) of the whole matrix.
template <class R>
Scaling fit_unit(MatrixView<const R> x, const std::string& path) {
  R low = x.data[0], high = low;
  for (Index j = 0; j < x.cols; ++j) {
    const auto [column_low, column_high] =
        std::minmax_element(x.data + j * x.stride, x.data + j * x.stride + x.rows);
    low = std::min(low, *column_low);
    high = std::max(high, *column_high);
  }
  return {{static_cast<double>(low)}, {inverse(static_cast<double>(high) - static_cast<double>(low), path)}};
}

/// (x − mean)/sd of each row, in two passes so that a large mean does not cancel.
template <class R>
Scaling fit_standard(MatrixView<const R> x, const std::string& path) {
  const auto n = static_cast<std::size_t>(x.rows);
  const auto samples = static_cast<double>(x.cols);
  std::vector<double> mean(n), variance(n), scale(n);
  std::vector<char> varies(n);
  for (Index j = 0; j < x.cols; ++j) {
    const R* column = x.data + j * x.stride;
    for (std::size_t i = 0; i < n; ++i) {
      mean[i] += static_cast<double>(column[i]) / samples;
      varies[i] |= column[i] != x.data[i];
    }
  }
  for (Index j = 0; j < x.cols; ++j) {
    const R* column = x.data + j * x.stride;
    for (std::size_t i = 0; i < n; ++i) {
      const double distance = static_cast<double>(column[i]) - mean[i];
      variance[i] += distance * distance / samples;
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    scale[i] =
        varies[i] ? inverse(std::sqrt(variance[i]), path) : 0.0;  // rounding gives a constant some variance
  }
  return {std::move(mean), std::move(scale)};
}

template <class R, class F>
void transform(const Scaling& scaling, MatrixView<R> x, F function) {
  const auto entries = static_cast<Index>(scaling.shift.size());
  if (scaling.scale.size() != scaling.shift.size() || (entries > 1 && entries != x.rows)) {
    throw ShapeError(
        fmt::format("scaling: has {} shifts and {} scales, expected 0, 1 or {} of each, one a row", entries,
                    scaling.scale.size(), x.rows));
  }
  if (scaling.identity()) return;
  const std::size_t step = entries == 1 ? 0 : 1;
  for (Index j = 0; j < x.cols; ++j) {
    R* column = x.data + j * x.stride;
    for (std::size_t i = 0; i < static_cast<std::size_t>(x.rows); ++i) {
      column[i] = static_cast<R>(
          function(static_cast<double>(column[i]), scaling.shift[i * step], scaling.scale[i * step]));
    }
  }
}

}  // namespace

template <class R>
void Scaling::apply(MatrixView<R> x) const {
  transform(*this, x, [](double value, double s, double k) { return (value - s) * k; });
}

template <class R>
void Scaling::invert(MatrixView<R> x) const {
  transform(*this, x, [](double value, double s, double k) { return k == 0.0 ? s : value / k + s; });
}

void check_scale_kind(const std::string& option, const std::string& kind) {
  if (kind == "unit" || kind == "standard" || kind == "none") return;
  throw UsageError(fmt::format("{} '{}': expected unit, standard or none", option, kind));
}

template <class R>
Scaling fit_scaling(const std::string& kind, MatrixView<const R> x, const std::string& path) {
  if (kind == "unit") return fit_unit(x, path);
  if (kind == "standard") return fit_standard(x, path);
  return {};
}

template void Scaling::apply(MatrixView<float>) const;
template void Scaling::apply(MatrixView<double>) const;
template void Scaling::invert(MatrixView<float>) const;
template void Scaling::invert(MatrixView<double>) const;
template Scaling fit_scaling(const std::string&, MatrixView<const float>, const std::string&);
template Scaling fit_scaling(const std::string&, MatrixView<const double>, const std::string&);

}  // namespace natgrad
