#include "cli/run_saver.hpp"

#include <fmt/format.h>

namespace natgrad::cli {

template <class R>
RunSaver<R>::RunSaver(Trainer<R>& trainer, Device& device, MetricsWriter& metrics,
                      const RunDirectory& directory, const Options& options,
                      std::map<std::string, std::string> about)
    : trainer_(trainer),
      device_(device),
      metrics_(metrics),
      directory_(directory),
      interval_(parse_checkpoint_interval(options.checkpoint_every)),
      kept_(options.keep_checkpoints),
      about_(std::move(about)) {}

template <class R>
bool RunSaver<R>::step_done(Index step, bool last) {
  const std::chrono::duration<double> since = std::chrono::steady_clock::now() - last_;
  if (!last && !interval_.due(step, since.count())) return true;
  last_ = std::chrono::steady_clock::now();
  try {
    save(step);
    failure_.clear();
  } catch (const DataError& error) {
    failure_ = fmt::format("there is no checkpoint of step {}: {}", step, error.what());
  }
  return failure_.empty();
}

template <class R>
void RunSaver<R>::save(Index step) {
  const PhaseScope phase(device_, Phase::io);
  Checkpoint<R> checkpoint{.state = {}, .about = about_};
  StateVisitor<R> state = StateVisitor<R>::saving(device_, checkpoint.state);
  trainer_.visit_state(state);
  metrics_.flush();  // the checkpoint counts on these lines
  checkpoint.state.counts["metrics.bytes"] = metrics_.bytes();
  const CheckpointFolder folder = directory_.checkpoints();
  folder.create();
  save_checkpoint(folder.file(step), checkpoint);
  saved_ = step;
  folder.prune(step, kept_);
}

template class RunSaver<float>;
template class RunSaver<double>;

}  // namespace natgrad::cli
