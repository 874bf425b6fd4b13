#include "cli/option_table.hpp"

#include <algorithm>

#include "cli/option_groups.hpp"
#include "names.hpp"

namespace natgrad::cli {
namespace {

constexpr Name<Command> command_names[] = {{Command::train, "train"},
                                           {Command::eval, "eval"},
                                           {Command::predict, "predict"},
                                           {Command::inspect, "inspect"},
                                           {Command::plan, "plan"}};

bool allows(const Governor& governor, const Options& options) {
  const OptionEntry& governing = *find_option(train, governor.option);
  const auto value = std::get<std::string Options::*>(governing.member);
  const std::string& in_force = applies(governing, options) ? options.*value : Options{}.*value;
  return std::ranges::find(governor.values, in_force) != governor.values.end();
}

}  // namespace

std::string_view to_string(Command command) { return name_of(command_names, command); }

std::span<const OptionEntry> option_table() {
  static const std::vector<OptionEntry> table = [] {
    std::vector<OptionEntry> entries;
    const auto add = [&](std::string_view group, std::vector<OptionEntry> members) {
      for (OptionEntry& entry : members) entry.group = group;
      entries.insert(entries.end(), members.begin(), members.end());
    };
    add("data", data_options());
    add("network", network_options());
    add("optimizer", optimizer_options());
    add("curvature", curvature_options());
    add("damping", damping_options());
    add("loop", loop_options());
    add("device", device_options());
    add("output", output_options());
    return entries;
  }();
  return table;
}

const OptionEntry* find_option(Command command, std::string_view name) {
  const auto found = std::ranges::find_if(option_table(), [&](const OptionEntry& entry) {
    return entry.name == name && (entry.commands & command) != 0;
  });
  return found == option_table().end() ? nullptr : &*found;
}

std::vector<std::string_view> option_names(Command command) {
  std::vector<std::string_view> names;
  for (const OptionEntry& entry : option_table())
    if ((entry.commands & command) != 0) names.push_back(entry.name);
  return names;
}

const Governors* hindrance(const OptionEntry& entry, const Options& options) {
  const auto& only_with = entry.traits.only_with;
  const auto found = std::ranges::find_if(only_with, [&](const Governors& governors) {
    return std::ranges::none_of(governors,
                                [&](const Governor& governor) { return allows(governor, options); });
  });
  return found == only_with.end() ? nullptr : &*found;
}

}  // namespace natgrad::cli
