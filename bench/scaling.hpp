/// How the time of a direction grows with the batch and with the width, beside what the algebra predicts.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "measurement.hpp"

namespace natgrad::bench {

/// The direction of empirical rows through the Gram matrix, three layers of equal width.
struct ScalingPoint {
  Index samples = 0, width = 0;
  double flops = 0.0, seconds = 0.0;
};

struct ScalingCurve {
  std::string variable;  // "samples" or "width", which varies; the other is fixed
  std::vector<ScalingPoint> points;
  /// Exponents: slopes of the least-squares lines through log seconds and log FLOPs against the variable's
  /// log.
  double measured = 0.0, predicted = 0.0;
};

/// Makes a backend for each point.
using BackendMaker = std::function<std::unique_ptr<Backend<float>>()>;

/// Both curves; every point is measured within about `bound` seconds.
std::vector<ScalingCurve> measure_scaling(const BackendMaker& make, double bound);

}  // namespace natgrad::bench
