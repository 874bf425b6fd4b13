#include "cli/checkpoints.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/console.hpp"
#include "cli/resume.hpp"
#include "cli/run_directory.hpp"
#include "io/file.hpp"
#include "io/number.hpp"

namespace natgrad::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "step-", suffix = ".safetensors";

std::string name_of(Index step) { return fmt::format("{}{:010}{}", prefix, step, suffix); }

/// Of a name that natgrad gave; other files in the folder are none of its business.
std::optional<Index> step_of(const std::string& name) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  const std::size_t digits = name.size() - prefix.size() - suffix.size();
  const auto step = parse_number<Index>(std::string_view(name).substr(prefix.size(), digits));
  return step && name == name_of(*step) ? step : std::nullopt;
}

/// The names in a folder; none where it cannot be read.
std::vector<std::string> names_in(const fs::path& folder) {
  std::error_code unreadable;
  return natgrad::names_in(folder.native(), unreadable);
}

}  // namespace

CheckpointInterval parse_checkpoint_interval(std::string_view text) {
  const bool seconds = text.ends_with('s');
  const auto number = parse_number<Index>(text.substr(0, text.size() - (seconds ? 1 : 0)));
  if (!number || *number < 0)
    throw UsageError(fmt::format(
        "--checkpoint-every {}: expected steps, such as 50, or seconds, such as 600s; from 0", text));
  return seconds ? CheckpointInterval{.seconds = static_cast<double>(*number)}
                 : CheckpointInterval{.steps = *number};
}

std::string CheckpointFolder::file(Index step) const { return (path_ / name_of(step)).string(); }

std::vector<Index> CheckpointFolder::steps() const {
  std::vector<Index> steps;
  for (const std::string& name : names_in(path_))
    if (const auto step = step_of(name)) steps.push_back(*step);
  std::ranges::sort(steps);
  return steps;
}

namespace {

template <class R>
Checkpoint<R> load_newest(const CheckpointFolder& folder) {
  const std::vector<Index> steps = folder.steps();
  if (steps.empty())
    throw UsageError(
        fmt::format("{}: there is no checkpoint yet; natgrad train --config with the run's "
                    "config.toml begins it anew",
                    fs::path(folder.file(0)).parent_path().string()));
  try {
    return load_checkpoint<R>(folder.file(steps.back()));
  } catch (const DataError& newest) {
    for (auto step = steps.rbegin() + 1; step != steps.rend(); ++step) {
      try {
        load_checkpoint<R>(folder.file(*step));
      } catch (const DataError&) {
        continue;
      }
      throw DataError(fmt::format("{}; that of step {} is whole: natgrad train --resume {}", newest.what(),
                                  *step, shell_word(folder.file(*step))));
    }
    throw;
  }
}

}  // namespace

template <class R>
Checkpoint<R> open_checkpoint(const std::string& file, const CheckpointFolder& folder,
                              const std::map<std::string, std::string>& about) {
  Checkpoint<R> checkpoint = file.empty() ? load_newest<R>(folder) : load_checkpoint<R>(file);
  const std::string path = file.empty() ? folder.file(folder.steps().back()) : file;
  require_same_run(path, checkpoint.about, about);
  return checkpoint;
}

template Checkpoint<float> open_checkpoint(const std::string&, const CheckpointFolder&,
                                           const std::map<std::string, std::string>&);
template Checkpoint<double> open_checkpoint(const std::string&, const CheckpointFolder&,
                                            const std::map<std::string, std::string>&);

void CheckpointFolder::create() const {
  make_directory(path_.string());
  remove_temporaries(path_.string());
}

void CheckpointFolder::prune(Index step, Index kept) const {
  std::vector<Index> all = steps();
  const auto later = std::ranges::upper_bound(all, step);
  const auto first_kept = later - std::min<std::ptrdiff_t>(kept, later - all.begin());
  std::error_code stays;
  for (auto found = all.begin(); found != all.end(); ++found)
    if (found < first_kept || found >= later) fs::remove(file(*found), stays);
}

void CheckpointFolder::clear() const {
  std::error_code error;
  for (const std::string& name : names_in(path_))
    if (!error) fs::remove(path_ / name, error);
  if (!error) fs::remove(path_, error);
  if (error) throw DataError(path_.string() + ": cannot be removed: " + error.message());
}

}  // namespace natgrad::cli
