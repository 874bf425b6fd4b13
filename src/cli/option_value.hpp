/// Option values as text: read from the command line or a file, written to config.toml and --help.
#pragma once

#include <optional>
#include <string>

#include "cli/option_table.hpp"

namespace natgrad::cli {

/// Sets the option from text, such as "0.1", "32,16", "on". `given` is how it was given ("--kl 0",
/// "a.toml: line 3: kl = 0"). Throws UsageError, starting with `given`, that says what is expected.
void set_value(const OptionEntry& entry, const std::string& given, std::string_view text, Options& options);

/// The value in TOML; none where the option is not in force.
std::optional<std::string> toml_value(const OptionEntry& entry, const Options& options);

/// What the option allows, such as "a number above 0".
std::string expectation(const OptionEntry& entry);

/// What stands for the value in --help, such as "N"; empty for a flag.
std::string placeholder(const OptionEntry& entry);

/// The help text with the default.
std::string description(const OptionEntry& entry);

/// A TOML basic string.
std::string quoted(const std::string& text);

}  // namespace natgrad::cli
