/// The checkpoints that a run takes while it goes on.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "cli/console.hpp"
#include "cli/options.hpp"
#include "cli/run_directory.hpp"
#include "natgrad/metrics.hpp"

namespace natgrad::cli {

template <class R>
class RunSaver {
 public:
  /// All referenced objects must outlive it. `about`: the run, as its checkpoints have it.
  RunSaver(Trainer<R>& trainer, Device& device, MetricsWriter& metrics, const RunDirectory& directory,
           const Options& options, std::map<std::string, std::string> about);

  /// Saves where it is due. A disk that is full must not end a long run: false where saving failed.
  bool step_done(Index step, bool last);

  /// Why the newest attempt failed; empty where it did not.
  const std::string& failure() const { return failure_; }

  /// The step of the newest checkpoint that this process wrote.
  std::optional<Index> saved() const { return saved_; }
  /// "natgrad train --resume FOLDER".
  std::string resume_command() const { return "natgrad train --resume " + shell_word(directory_.path()); }

 private:
  void save(Index step);

  Trainer<R>& trainer_;
  Device& device_;
  MetricsWriter& metrics_;
  const RunDirectory& directory_;
  CheckpointInterval interval_;
  Index kept_;
  std::map<std::string, std::string> about_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  std::optional<Index> saved_;
  std::string failure_;
};

}  // namespace natgrad::cli
