#include "cli/run_directory.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <span>

#include "cli/console.hpp"
#include "io/file.hpp"
#include "natgrad/error.hpp"

namespace natgrad::cli {
namespace {

namespace fs = std::filesystem;

fs::path unused_default() {
  const std::string base = fmt::format("runs/{:%Y%m%d-%H%M%S}", fmt::localtime(std::time(nullptr)));
  fs::path path = base;
  for (int number = 2; fs::exists(path); ++number) path = fmt::format("{}-{}", base, number);
  return path;
}

}  // namespace

RunDirectory::RunDirectory(const std::string& path, bool overwrite)
    : path_(path.empty() ? unused_default() : fs::path(path)) {
  if (fs::exists(path_) && !fs::is_directory(path_))
    throw UsageError(fmt::format("--out {}: is a file, expected a folder or a new name", path_.string()));
  if (overwrite) return;
  for (const std::string& file : files())
    if (fs::exists(file))
      throw UsageError(
          fmt::format("--out {}: holds a run already ({}); give another folder, --overwrite, or --resume {}",
                      path_.string(), file, shell_word(path_.string())));
}

RunDirectory RunDirectory::existing(const std::string& path) {
  RunDirectory run{fs::path(path)};
  if (!fs::is_regular_file(run.config()))
    throw UsageError(fmt::format("--resume {}: holds no run: there is no {}", path, run.config()));
  return run;
}

DirectoryLock RunDirectory::lock() const {
  make_directory(path());
  DirectoryLock lock(path());
  remove_temporaries(path());
  checkpoints().create();
  return lock;
}

void RunDirectory::clear() const {
  std::error_code error;
  for (const std::string& file : files())
    if (fs::remove(file, error); error) throw DataError(file + ": cannot be replaced: " + error.message());
  checkpoints().clear();
}

void RunDirectory::write_config(const std::string& text) const { write_text(config(), text); }

void make_directory(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw DataError(path + ": the folder cannot be made: " + error.message());
}

void write_text(const std::string& path, const std::string& text) {
  const std::span<const std::uint8_t> part = bytes_of(std::span<const char>(text));
  write_file(path, {&part, 1});
}

}  // namespace natgrad::cli
