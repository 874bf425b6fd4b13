/// What a person reads at the end of a run.
#pragma once

#include <string>

#include "cli/options.hpp"

namespace natgrad::cli {

/// What the summary says besides the numbers of training.
struct RunFacts {
  std::string network;  ///< such as "64-32-10 tanh"
  Index parameters = 0, training_samples = 0;
  Likelihood likelihood = Likelihood::categorical;
  std::string device;                            ///< name
  double planned_bytes = 0.0, peak_bytes = 0.0;  ///< on the device
  std::string folder;
};

std::string summary_text(const RunFacts& facts, const Options& options, const TrainingSummary& summary);

}  // namespace natgrad::cli
