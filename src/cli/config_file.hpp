/// Options of `natgrad train` in a TOML file.
#pragma once

#include <string>

#include "cli/options.hpp"

namespace natgrad::cli {

/// Sets the options that the file names; a key is an option's name. Throws DataError where the file cannot be
/// read, UsageError, naming file and line, for malformed TOML, an unknown key (with the nearest known one)
/// and a value of the wrong type or outside what the option allows.
void read_config(const std::string& path, Options& options);

/// The options in force as TOML, without those that say where a run goes or how it talks: reading it gives
/// the same run. Paths are absolute.
std::string config_text(const Options& options);

}  // namespace natgrad::cli
