/// The subcommands. Each takes the options as given, throws natgrad's errors, and returns the exit status.
#pragma once

#include "cli/options.hpp"

namespace natgrad::cli {

int run_train(Options options);
int run_plan(Options options);
int run_eval(Options options);
int run_predict(Options options);
int run_inspect(Options options);
int run_doctor();

/// Calls `run.template operator()<R>()` with the type of the precision.
template <class F>
auto with_precision(const Options& options, F run) {
  return options.precision == "f64" ? run.template operator()<double>() : run.template operator()<float>();
}

}  // namespace natgrad::cli
