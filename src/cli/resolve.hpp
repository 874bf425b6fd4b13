/// From the options as given to the options as they are used.
#pragma once

#include "cli/option_table.hpp"

namespace natgrad::cli {

/// Completes the options of `natgrad train`: the digits where no data are named, 20 steps where no limit is
/// given, the optimiser's own learning rate, the number of threads. Throws UsageError for options that
/// contradict each other, and warns of those without effect.
void resolve_training(Options& options);

/// The part of that which concerns data and device, for the subcommands that read data.
void resolve_data(Options& options);
void resolve_device(Options& options);

CudaOptions cuda_options(const Options& options);

/// Warns of options that were given and are for a GPU, where the device is none.
void warn_of_gpu_options(const Options& options, std::string_view device);

/// The backend that the options ask for; `reason` tells what was taken and why.
template <class R>
std::unique_ptr<Backend<R>> open_device(const Options& options, std::string* reason = nullptr) {
  return make_backend<R>(options.device, static_cast<int>(options.threads), reason, cuda_options(options));
}

/// The steps from `first` to `last`, of --profile-steps; none where first is 0.
struct StepRange {
  Index first = 0, last = 0;
};
StepRange profile_steps(const Options& options);

/// Gives options that the others leave without a meaning their standard values. Warns, on standard error, of
/// those that were given, but not where what hinders them was chosen later (`--config natural.toml
/// --optimizer adam`).
void drop_idle_options(Command command, Options& options);

/// Throws UsageError unless the option was given.
void require_given(const Options& options, std::string_view name);

NaturalGradientOptions natural_gradient_options(const Options& options);
TrainerOptions trainer_options(const Options& options);

}  // namespace natgrad::cli
