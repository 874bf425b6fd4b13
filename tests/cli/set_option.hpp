/// Options set by a test as the command line and a file set them.
#pragma once

#include <gtest/gtest.h>

#include "cli/config_file.hpp"
#include "cli/option_value.hpp"
#include "io/temporary_directory.hpp"

namespace natgrad::cli {

inline void set(Options& options, std::string_view name, std::string_view text,
                Source source = Source::command_line) {
  const OptionEntry* entry = find_option(train, name);
  ASSERT_NE(entry, nullptr) << name;
  set_value(*entry, "--" + std::string(name) + " " + std::string(text), text, options);
  options.sources[entry->name] = source;
}

/// The options that a TOML file of this text sets.
inline Options read(const std::string& toml) {
  const testing::TemporaryDirectory directory;
  Options options;
  read_config(directory.write("c.toml", toml), options);
  return options;
}

}  // namespace natgrad::cli
