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

/// Gives options that the others leave without a meaning their standard values. Warns, on standard error, of
/// those that were given, but not where what hinders them was chosen later (`--config natural.toml
/// --optimizer adam`).
void drop_idle_options(Command command, Options& options);

/// Throws UsageError unless the option was given.
void require_given(const Options& options, std::string_view name);

NaturalGradientOptions natural_gradient_options(const Options& options);
TrainerOptions trainer_options(const Options& options);

}  // namespace natgrad::cli
