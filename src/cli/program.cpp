#include "cli/program.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <memory>
#include <new>

#include "cli/commands.hpp"
#include "cli/config_file.hpp"
#include "cli/console.hpp"
#include "cli/nearest_name.hpp"
#include "cli/option_value.hpp"
#include "cli/process.hpp"
#include "cli/resume.hpp"

namespace natgrad::cli {
namespace {

constexpr const char* overview = R"(Trains dense neural networks by natural-gradient descent.

Examples:
  natgrad train                                    the digits that come with natgrad, all defaults
  natgrad train --train-csv d.csv --target price --scale-target standard --hidden 32,16 --out run
  natgrad eval --model run/model.safetensors --test-csv new.csv --target price
  natgrad predict --model run/model.safetensors --x new.npy --out means.npy)";

struct Subcommand {
  const char* name;
  const char* help;
  unsigned command;  // 0: takes no options
};

constexpr Subcommand subcommands[] = {
    {"train", "Train a network and write it, its metrics and its configuration into a folder.", train},
    {"plan",
     "What natgrad train would take of memory and time with each structure of the Fisher; trains nothing.",
     plan},
    {"eval", "Loss and accuracy or squared error of a trained network on data.", eval},
    {"predict", "A trained network's means (probabilities) for new inputs.", predict},
    {"inspect", "One natural-gradient step on one batch: gradient, Fisher, direction and step as files.",
     inspect},
    {"doctor", "Versions, devices and a small solve on each; for bug reports.", 0}};

/// What the command line gives one subcommand: texts by option.
struct Arguments {
  std::map<const OptionEntry*, std::string> texts;
  std::string config;
};

void add_options(CLI::App& app, Command command, Arguments& arguments) {
  for (const OptionEntry& entry : option_table()) {
    if ((entry.commands & command) == 0) continue;
    const std::string name = fmt::format("--{}", entry.name);
    const std::string value = placeholder(entry);
    const auto store = [&arguments, &entry](const std::string& text) { arguments.texts[&entry] = text; };
    CLI::Option* option =
        value.empty()
            ? app.add_flag_callback(
                     name, [store] { store("true"); }, description(entry))
                  ->disable_flag_override()
            : app.add_option_function<std::string>(name, store, description(entry))->type_name(value);
    option->group(std::string(entry.group));
  }
  if (command == train || command == plan)
    app.add_option("--config", arguments.config, "options from a TOML file; those given here win over it")
        ->type_name("FILE")
        ->group("output");
}

/// The options of the file, or of the run to be resumed.
Options options_of_file(const Arguments& arguments) {
  Options options;
  std::vector<const OptionEntry*> given;
  for (const auto& [entry, text] : arguments.texts) given.push_back(entry);
  const auto resume = arguments.texts.find(find_option(train, "resume"));
  if (resume != arguments.texts.end()) {
    if (!arguments.config.empty())
      throw UsageError("--config: cannot be given with --resume, which has the config.toml of its run");
    return options_of_run(resume_point(resume->second), given);
  }
  if (!arguments.config.empty()) read_config(arguments.config, options);
  if (options.given("resume")) throw UsageError(arguments.config + ": resume: is for the command line only");
  return options;
}

/// The file's options, then those of the command line over them.
Options gather(const Arguments& arguments) {
  Options options = options_of_file(arguments);
  for (const auto& [entry, text] : arguments.texts) {
    set_value(*entry, fmt::format("--{} {}", entry->name, text), text, options);
    options.sources[entry->name] = Source::command_line;
  }
  return options;
}

/// Throws for what no option took.
void refuse_extras(const CLI::App& app, const std::vector<std::string_view>& known) {
  const std::vector<std::string> extras = app.remaining();
  if (extras.empty()) return;
  const std::string& given = extras.front();
  const std::string name = given.substr(0, given.find('='));
  if (!name.starts_with("--"))
    throw UsageError(fmt::format("{} {}: an argument that is no option; see --help", app.get_name(), given));
  throw UsageError(fmt::format("{}: no option of natgrad {}; the nearest is --{}, see --help", name,
                               app.get_name(), nearest_name(name.substr(2), known)));
}

int run_subcommand(const Subcommand& subcommand, const CLI::App& app, const Arguments& arguments) {
  if (subcommand.command == 0) {
    refuse_extras(app, {std::vector<std::string_view>{"help"}});
    return run_doctor();
  }
  const auto command = static_cast<Command>(subcommand.command);
  std::vector<std::string_view> known = option_names(command);
  known.insert(known.end(), {"help", "config"});
  refuse_extras(app, known);
  const Options options = gather(arguments);
  switch (command) {
    case train:
      return run_train(options);
    case plan:
      return run_plan(options);
    case eval:
      return run_eval(options);
    case predict:
      return run_predict(options);
    case inspect:
      return run_inspect(options);
  }
  return 1;
}

int parse_and_run(int argc, const char* const* argv) {
  CLI::App app(overview, "natgrad");
  app.set_version_flag("--version", "natgrad " NATGRAD_VERSION);
  app.allow_extras();
  app.require_subcommand(0, 1);
  app.get_formatter()->column_width(34);
  std::map<const Subcommand*, CLI::App*> apps;
  std::map<const Subcommand*, Arguments> arguments;
  for (const Subcommand& subcommand : subcommands) {
    CLI::App* sub = apps[&subcommand] = app.add_subcommand(subcommand.name, subcommand.help);
    sub->allow_extras();
    if (subcommand.command != 0)
      add_options(*sub, static_cast<Command>(subcommand.command), arguments[&subcommand]);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help or --version, printed
    throw UsageError(error.what());
  }
  for (const Subcommand& subcommand : subcommands)
    if (apps[&subcommand]->parsed())
      return run_subcommand(subcommand, *apps[&subcommand], arguments[&subcommand]);
  std::vector<std::string_view> names;
  for (const Subcommand& subcommand : subcommands) names.emplace_back(subcommand.name);
  const auto extras = app.remaining();
  if (extras.empty()) throw UsageError("no subcommand is given; try natgrad train, or natgrad --help");
  throw UsageError(fmt::format("{}: no subcommand; the nearest is natgrad {}, see natgrad --help",
                               extras.front(), nearest_name(extras.front(), names)));
}

/// Takes no memory: there may be none left.
int fail(std::initializer_list<std::string_view> message, int exit_code) noexcept {
  print_error("natgrad: error: ");
  for (const std::string_view part : message) print_escaped(part);
  print_error("\n");
  return exit_code;
}

}  // namespace

int run_program(int argc, const char* const* argv) {
  prepare_process();
  try {
    return parse_and_run(argc, argv);
  } catch (const Error& error) {
    return fail({error.what()}, error.exit_code());
  } catch (const std::bad_alloc&) {
    return fail({"the host memory does not suffice; try a smaller --batch, network or data set"}, 5);
  } catch (const std::filesystem::filesystem_error& error) {
    return fail({error.path1().native(), ": ", std::strerror(error.code().value())}, 3);
  } catch (const std::exception& error) {
    return fail({"unexpected: ", error.what(), "; please report it with natgrad doctor's output"}, 1);
  }
}

}  // namespace natgrad::cli
