/// The folder that `natgrad train` writes.
#pragma once

#include <filesystem>
#include <string>

namespace natgrad::cli {

class RunDirectory {
 public:
  /// An empty path stands for `runs/<local time>`, with a number behind it where that exists. Touches
  /// nothing. Throws UsageError where the folder holds a run and `overwrite` is not set, or is no folder.
  RunDirectory(const std::string& path, bool overwrite);

  /// Makes the folder, removes the files of an older run in it and writes config.toml. Throws DataError.
  void create(const std::string& config) const;

  std::string path() const { return path_.string(); }
  std::string config() const { return (path_ / "config.toml").string(); }
  std::string metrics() const { return (path_ / "metrics.jsonl").string(); }
  std::string model() const { return (path_ / "model.safetensors").string(); }
  std::string average_model() const { return (path_ / "model-average.safetensors").string(); }

 private:
  std::filesystem::path path_;
};

/// Makes a folder, and those above it, where it is not there. Throws DataError naming it.
void make_directory(const std::string& path);

/// Writes a text file that appears whole or not at all. Throws DataError.
void write_text(const std::string& path, const std::string& text);

}  // namespace natgrad::cli
