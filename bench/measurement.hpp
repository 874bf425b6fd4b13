/// What step_bench measures of a case, on one device, in f32.
#pragma once

#include "cases.hpp"

namespace natgrad::bench {

struct Measurement {
  // Medians.
  double gradient_seconds = 0.0;   // forward, signals, gradient of all parameters
  double direction_seconds = 0.0;  // forward, signals, update and solve of the Fisher
  double step_seconds = 0.0;       // NaturalGradient::step: with the measured KL and the new parameters
  // Of the device's memory.
  double fisher_bytes_planned = 0.0, fisher_bytes = 0.0;
  double peak_bytes = 0.0;  // of network, batch and optimiser together
};

/// On a fresh backend; gradient, step and direction run in turn, each about `bound` seconds in all. Throws
/// NumericError where a solve fails or a step needs more than one solve or try.
Measurement measure(Backend<float>& backend, const Case& c, double bound);

/// Of the direction alone.
double direction_seconds(Backend<float>& backend, const Case& c, double bound);

}  // namespace natgrad::bench
