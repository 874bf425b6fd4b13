/// The folder that `natgrad train` writes.
#pragma once

#include <filesystem>
#include <string>

#include "cli/checkpoints.hpp"
#include "io/directory_lock.hpp"

namespace natgrad::cli {

class RunDirectory {
 public:
  /// Of a new run. An empty path stands for `runs/<local time>`, with a number behind it where that exists.
  /// Touches nothing. Throws UsageError where the folder holds a run and `overwrite` is not set, or is no
  /// folder.
  RunDirectory(const std::string& path, bool overwrite);
  /// Of a run that is there. Throws UsageError where it is not.
  static RunDirectory existing(const std::string& path);

  /// Makes the folder where it is not there, keeps other processes from it, and removes what one that was
  /// killed left unfinished. Throws DataError, UsageError.
  DirectoryLock lock() const;
  /// Removes the files of an older run. Throws DataError.
  void clear() const;
  /// Writes config.toml. Throws DataError.
  void write_config(const std::string& text) const;

  std::string path() const { return path_.string(); }
  std::string config() const { return (path_ / "config.toml").string(); }
  std::string metrics() const { return (path_ / "metrics.jsonl").string(); }
  std::string model() const { return (path_ / "model.safetensors").string(); }
  std::string best_model() const { return (path_ / "model-best.safetensors").string(); }
  std::string average_model() const { return (path_ / "model-average.safetensors").string(); }
  CheckpointFolder checkpoints() const { return CheckpointFolder(path_ / "checkpoints"); }

 private:
  explicit RunDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  std::vector<std::string> files() const {
    return {config(), metrics(), model(), best_model(), average_model()};
  }

  std::filesystem::path path_;
};

/// Makes a folder, and those above it, where it is not there. Throws DataError naming it.
void make_directory(const std::string& path);

/// Writes a text file that appears whole or not at all. Throws DataError.
void write_text(const std::string& path, const std::string& text);

}  // namespace natgrad::cli
