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
enum Command : unsigned { train = 1, eval = 2, predict = 4, inspect = 8 };

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

/// An option that has a meaning only with some values of another; an empty one stands for "not given".
struct Governor {
  std::string_view option;
  std::vector<std::string_view> values;
};

struct OptionTraits {
  std::vector<std::string_view> choices = {};  ///< of a text or of each text of a list; empty: any
  Range range = {};                            ///< of a number or of each number of a list
  std::string_view word_for_zero = {};         ///< a text that stands for 0 or an empty list, such as "full"
  bool on_off = false;                         ///< a boolean that is given as on or off, not as a flag
  Governor only_with = {};
  bool recorded = true;  ///< belongs to config.toml: it says what is computed, not where it goes
  bool path = false;     ///< names a file; config.toml holds it from the root
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

/// Whether the option that governs this one, if any, has a value that leaves it a meaning.
bool governor_allows(const OptionEntry& entry, const Options& options);

/// The same along the chain of governors: whether the option has any effect.
bool applies(const OptionEntry& entry, const Options& options);

}  // namespace natgrad::cli
