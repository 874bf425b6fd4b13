/// The one table of options: it feeds the command line, the TOML file, config.toml and --help.
#pragma once

#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cli/options.hpp"

namespace natgrad::cli {

/// Which subcommands take an option; a set of bits.
enum Command : unsigned { train = 1, eval = 2, predict = 4, inspect = 8, plan = 16 };

std::string_view to_string(Command command);

/// The numbers that an option allows.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool above_low = false, below_high = false;  // without the bound itself

  bool contains(double value) const {
    return (above_low ? value > low : value >= low) && (below_high ? value < high : value <= high);
  }
};

/// Where an option's value lives, and so its type.
using Member =
    std::variant<std::string Options::*, std::vector<std::string> Options::*, std::vector<Index> Options::*,
                 Index Options::*, std::uint64_t Options::*, double Options::*, bool Options::*,
                 std::optional<Index> Options::*, std::optional<double> Options::*>;

/// Another option, with the values that leave an option a meaning; an empty one stands for "not given".
struct Governor {
  std::string_view option;
  std::vector<std::string_view> values;
};

/// One of several governors must allow an option.
using Governors = std::vector<Governor>;

struct OptionTraits {
  std::vector<std::string_view> choices = {};  ///< of a text or of each text of a list; empty: any
  Range range = {};                            ///< of a number or of each number of a list
  std::string_view word_for_zero = {};         ///< a text that stands for 0 or an empty list, such as "full"
  bool on_off = false;                         ///< a boolean that is given as on or off, not as a flag
  bool bytes = false;                          ///< a number of bytes, also with K, M or G behind it
  std::vector<Governors> only_with = {};       ///< each of them, in the order of what governs what
  bool recorded = true;     ///< belongs to config.toml: it says what is computed, not where it goes
  bool path = false;        ///< names a file; config.toml holds it from the root
  bool may_change = false;  ///< where a run is resumed: it says how far, not what is computed
};

struct OptionEntry {
  std::string_view name;  ///< without dashes; also the key in TOML
  unsigned commands = 0;
  Member member;
  std::string_view help;  ///< with units and, where it is no constant, the default
  OptionTraits traits = {};
  std::string_view group = {};  ///< its heading in --help and config.toml
};

std::span<const OptionEntry> option_table();

/// The option of that name of that subcommand, or null.
const OptionEntry* find_option(Command command, std::string_view name);

/// The names of a subcommand's options.
std::vector<std::string_view> option_names(Command command);

/// The first governors that leave the option no meaning, or null where it has an effect. An option that has
/// none counts with its standard value where it governs another.
const Governors* hindrance(const OptionEntry& entry, const Options& options);

inline bool applies(const OptionEntry& entry, const Options& options) {
  return hindrance(entry, options) == nullptr;
}

}  // namespace natgrad::cli
