#include "scaling.hpp"

#include <array>
#include <cmath>

namespace natgrad::bench {
namespace {

constexpr Index fixed_samples = 1024, fixed_width = 512;
constexpr std::array<Index, 5> samples_measured{128, 256, 512, 1024, 2048};
constexpr std::array<Index, 5> widths_measured{128, 256, 512, 1024, 2048};

ScalingPoint measure_point(const BackendMaker& make, Index samples, Index width, double bound) {
  const std::array<Index, 4> widths{width, width, width, width};
  const Case c{"scaling", widths, Likelihood::gaussian, ScoreKind::empirical, Structure::gram, samples};
  const auto backend = make();
  return {samples, width, direction_flops(c), direction_seconds(*backend, c, bound)};
}

// Of the least-squares line through (log x, log y).
double exponent(const std::vector<double>& x, const std::vector<double>& y) {
  double mean_x = 0.0, mean_y = 0.0, covariance = 0.0, variance = 0.0;
  const double n = static_cast<double>(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    mean_x += std::log(x[i]) / n;
    mean_y += std::log(y[i]) / n;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    covariance += (std::log(x[i]) - mean_x) * (std::log(y[i]) - mean_y);
    variance += (std::log(x[i]) - mean_x) * (std::log(x[i]) - mean_x);
  }
  return covariance / variance;
}

void fit(ScalingCurve& curve) {
  std::vector<double> x, seconds, flops;
  for (const ScalingPoint& point : curve.points) {
    x.push_back(static_cast<double>(curve.variable == "samples" ? point.samples : point.width));
    seconds.push_back(point.seconds);
    flops.push_back(point.flops);
  }
  curve.measured = exponent(x, seconds);
  curve.predicted = exponent(x, flops);
}

}  // namespace

std::vector<ScalingCurve> measure_scaling(const BackendMaker& make, double bound) {
  std::vector<ScalingCurve> curves(2);
  curves[0].variable = "samples";
  for (Index samples : samples_measured)
    curves[0].points.push_back(measure_point(make, samples, fixed_width, bound));
  curves[1].variable = "width";
  for (Index width : widths_measured)
    curves[1].points.push_back(measure_point(make, fixed_samples, width, bound));
  for (ScalingCurve& curve : curves) fit(curve);
  return curves;
}

}  // namespace natgrad::bench
