#include "cli/resume.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "cli/config_file.hpp"
#include "cli/console.hpp"
#include "cli/option_value.hpp"
#include "cli/run_directory.hpp"
#include "io/checksum.hpp"
#include "io/file.hpp"

namespace natgrad::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view limits[] = {"steps", "epochs", "max-seconds", "target-loss"};

bool is_limit(std::string_view name) { return std::ranges::find(limits, name) != std::end(limits); }

}  // namespace

ResumePoint resume_point(const std::string& path) {
  if (!fs::exists(path)) throw UsageError(fmt::format("--resume {}: is not there", path));
  if (fs::is_directory(path)) return {path, ""};
  const fs::path file = fs::absolute(path).lexically_normal();
  return {file.parent_path().parent_path().string(), path};
}

Options options_of_run(const ResumePoint& point, std::span<const OptionEntry* const> given) {
  for (const OptionEntry* entry : given)
    if (!entry->traits.may_change)
      throw UsageError(fmt::format(
          "--{}: cannot be given with --resume, a run goes on with the options of its config.toml; "
          "--init-from {}/model.safetensors begins a new one from its weights",
          entry->name, shell_word(point.folder)));
  Options options;
  read_config(RunDirectory::existing(point.folder).config(), options);
  if (std::ranges::any_of(given, [](const OptionEntry* entry) { return is_limit(entry->name); })) {
    options.steps.reset();
    options.epochs.reset();
    options.max_seconds.reset();
    options.target_loss.reset();
    for (std::string_view limit : limits) options.sources.erase(limit);
  }
  return options;
}

namespace {

std::string identity_text(const Options& options) {
  std::string text;
  for (const OptionEntry& entry : option_table()) {
    const bool part = (entry.commands & train) != 0 && entry.traits.recorded && !entry.traits.may_change &&
                      !entry.traits.path;  // files may have moved: the data are compared themselves
    if (!part || !applies(entry, options)) continue;
    if (const auto value = toml_value(entry, options)) text += fmt::format("{} = {}\n", entry.name, *value);
  }
  return text;
}

template <class R>
std::string checksum(const DataSplit<R>& data) {
  std::uint32_t sum = 0;
  for (const HostMatrix<R>* part : {&data.train.x, &data.train.y, &data.test.x, &data.test.y})
    sum = crc32_of(bytes_of(std::span<const R>(part->data)), sum);
  return fmt::format("{} training and {} test samples, CRC-32 {:08x}", data.train.samples(),
                     data.test.samples(), sum);
}

/// The first line of one text that another lacks.
std::string line_only_in(const std::string& text, const std::string& other) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (("\n" + other).find("\n" + line + "\n") == std::string::npos) return line;
  return "";
}

}  // namespace

template <class R>
std::map<std::string, std::string> about_run(const Options& options, const Device& device,
                                             const DataSplit<R>& data) {
  return {{"options", identity_text(options)},
          {"version", std::string("natgrad " NATGRAD_VERSION "\n")},
          {"data", checksum(data) + "\n"},
          {"device", device.description()}};
}
template std::map<std::string, std::string> about_run(const Options&, const Device&, const DataSplit<float>&);
template std::map<std::string, std::string> about_run(const Options&, const Device&,
                                                      const DataSplit<double>&);

void require_same_run(const std::string& path, const std::map<std::string, std::string>& saved,
                      const std::map<std::string, std::string>& own) {
  for (const char* part : {"version", "data", "options"}) {
    const auto found = saved.find(part);
    const std::string theirs = found == saved.end() ? "" : found->second, ours = own.at(part);
    if (theirs == ours) continue;
    throw DataError(
        fmt::format("{}: is the checkpoint of another run: it has '{}', this run '{}' ({}); what a run "
                    "is cannot change where it is resumed, --init-from begins a new one from its weights",
                    path, line_only_in(theirs, ours), line_only_in(ours, theirs), part));
  }
}

}  // namespace natgrad::cli
