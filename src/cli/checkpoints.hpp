/// The checkpoints of a run: files `step-<number>.safetensors` in a folder of their own.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "natgrad/checkpoint.hpp"
#include "natgrad/error.hpp"

namespace natgrad::cli {

/// --checkpoint-every: steps or seconds from one to the next; both 0: the one at the end of the run only.
struct CheckpointInterval {
  Index steps = 0;
  double seconds = 0.0;

  bool due(Index step, double seconds_since_last) const {
    return (steps > 0 && step % steps == 0) || (seconds > 0.0 && seconds_since_last >= seconds);
  }
};

/// From "50", "600s" or "0". Throws UsageError.
CheckpointInterval parse_checkpoint_interval(std::string_view text);

class CheckpointFolder {
 public:
  explicit CheckpointFolder(std::filesystem::path path) : path_(std::move(path)) {}

  std::string file(Index step) const;
  /// The steps of the checkpoints there, ascending.
  std::vector<Index> steps() const;

  /// Makes the folder where it is not there, and removes what a killed process left unfinished in it. Throws
  /// DataError.
  void create() const;
  /// Removes all but the last `kept` up to this step. Those of later steps go too: a run that was resumed
  /// from here goes another way. What cannot be removed stays.
  void prune(Index step, Index kept) const;
  /// Removes all. Throws DataError.
  void clear() const;

 private:
  std::filesystem::path path_;
};

/// Loads the checkpoint of the run that `about` describes: that file, or else the newest of the folder.
/// Throws UsageError where there is none, DataError where it belongs to another run, naming the difference;
/// where the newest is damaged, with the one before it that is whole.
template <class R>
Checkpoint<R> open_checkpoint(const std::string& file, const CheckpointFolder& folder,
                              const std::map<std::string, std::string>& about);

}  // namespace natgrad::cli
