/// The rows of the option table, by group.
#pragma once

#include "cli/option_table.hpp"

namespace natgrad::cli {

/// Sets of subcommands.
inline constexpr unsigned with_run = train | plan, with_data = with_run | eval, with_model = eval | predict,
                          with_step = with_run | inspect, with_all = with_data | predict | inspect;

std::vector<OptionEntry> data_options();
std::vector<OptionEntry> network_options();
std::vector<OptionEntry> optimizer_options();
std::vector<OptionEntry> curvature_options();
std::vector<OptionEntry> damping_options();
std::vector<OptionEntry> loop_options();
std::vector<OptionEntry> device_options();
std::vector<OptionEntry> output_options();

inline Range at_least(double low) { return {.low = low}; }
inline Range above(double low) { return {.low = low, .above_low = true}; }
inline Range fraction() { return {.low = 0.0, .high = 1.0, .below_high = true}; }

}  // namespace natgrad::cli
