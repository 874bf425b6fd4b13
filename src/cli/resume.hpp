/// Going on with a run that stopped: its folder, its options, and whether a checkpoint is one of its own.
#pragma once

#include <map>
#include <span>
#include <string>

#include "cli/option_table.hpp"
#include "natgrad/device.hpp"

namespace natgrad::cli {

/// What --resume names.
struct ResumePoint {
  std::string folder;      ///< of the run
  std::string checkpoint;  ///< a file; empty: the newest of the folder
};

/// From a run's folder, or a file in its folder of checkpoints. Throws UsageError.
ResumePoint resume_point(const std::string& path);

/// The options in the run's config.toml, as far as the command line leaves them: of its limits all, where
/// none of them is given anew. Throws UsageError where an option is given that says what is computed.
Options options_of_run(const ResumePoint& point, std::span<const OptionEntry* const> given);

/// What makes a run what it is, for its checkpoints: the options that do not say how far it goes, as in
/// config.toml; natgrad's version; the data's checksum; the device, which is told and may differ.
template <class R>
std::map<std::string, std::string> about_run(const Options& options, const Device& device,
                                             const DataSplit<R>& data);

/// Throws DataError, with what differs, where `saved` is about another run than `own`. `path`: of the
/// checkpoint.
void require_same_run(const std::string& path, const std::map<std::string, std::string>& saved,
                      const std::map<std::string, std::string>& own);

}  // namespace natgrad::cli
