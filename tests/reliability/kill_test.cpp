/// R7: a process that is killed while it saves checkpoints leaves none torn, and loses none that it had
/// saved.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "io/file.hpp"
#include "io/number.hpp"
#include "io/temporary_directory.hpp"
#include "natgrad/checkpoint.hpp"
#include "support/figure.hpp"

namespace natgrad {
namespace {

using Microseconds = std::chrono::microseconds;

constexpr int kills = 1000;
constexpr unsigned seed = 7;  // of the moments
constexpr Index kept = 3;     // checkpoints that a saver leaves in its folder
constexpr std::string_view stem = "checkpoint-";

/// What the savers save in turn: states in files of 5 KB to 1 MB.
struct SavedState {
  Checkpoint<double> checkpoint;
  std::string bytes;  // of its file
};

std::vector<SavedState> make_states() {
  const testing::TemporaryDirectory directory;
  std::vector<SavedState> states(5);
  for (std::size_t k = 0; k < states.size(); ++k) {
    Checkpoint<double>& checkpoint = states[k].checkpoint;
    checkpoint.state.counts["step"] = static_cast<Index>(k);
    checkpoint.state.arrays["theta"].assign(std::size_t{512} << 2 * k, static_cast<double>(k));
    save_checkpoint(directory.path("checkpoint"), checkpoint);
    states[k].bytes = testing::content_of(directory.path("checkpoint"));
  }
  return states;
}

using Save = void (*)(const std::string& path, const SavedState& state);

void save_whole(const std::string& path, const SavedState& state) { save_checkpoint(path, state.checkpoint); }

/// The control: writes under the final name, as programs do that know no better.
void save_in_place(const std::string& path, const SavedState& state) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  for (std::size_t begin = 0; begin < state.bytes.size();) {
    const std::size_t piece = std::min<std::size_t>(state.bytes.size() - begin, 16384);
    const ssize_t put = ::write(file, state.bytes.data() + begin, piece);
    if (put < 0) ::_exit(1);
    begin += static_cast<std::size_t>(put);
  }
  ::close(file);
}

struct Tally {
  int inside = 0;  // kills that left a temporary file: they came while a checkpoint was written
  int torn = 0;    // files under a final name that do not load, or hold another state
  int lost = 0;    // kills after which the newest that loads is older than one acknowledged as saved
};

/// A folder in which one process after the other saves checkpoints and is killed.
class Killing {
 public:
  explicit Killing(Save save) : save_(save) {}

  Tally run() {
    const Microseconds longest = time_of_each_state_once();
    std::mt19937 random(seed);
    std::uniform_int_distribution<Microseconds::rep> moment(0, longest.count());
    for (int k = 0; k < kills; ++k) {
      const Index acknowledged = kill_a_saver(Microseconds(moment(random)));
      look_at_what_is_left(acknowledged);
    }
    return tally_;
  }

 private:
  std::string path(Index number) const { return directory_.path(fmt::format("{}{}", stem, number)); }
  const SavedState& state(Index number) const {
    return states_[static_cast<std::size_t>(number) % states_.size()];
  }

  Microseconds time_of_each_state_once() {
    const auto begin = std::chrono::steady_clock::now();
    for (const SavedState& each : states_) save_(path(0), each);
    const auto end = std::chrono::steady_clock::now();
    std::filesystem::remove(path(0));
    return std::chrono::duration_cast<Microseconds>(end - begin);
  }

  /// Saves one checkpoint after the other, and writes the number of each as soon as it is saved.
  [[noreturn]] void save_forever(int acknowledgements) const {
    try {
      for (Index number = newest_ + 1;; ++number) {
        save_(path(number), state(number));
        if (::write(acknowledgements, &number, sizeof number) != sizeof number) break;
        ::unlink(path(number - kept).c_str());
      }
    } catch (const std::exception&) {
    }
    ::_exit(1);
  }

  /// The number of the last checkpoint that a saver acknowledged before it was killed; 0 for none.
  Index kill_a_saver(Microseconds moment) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
    const pid_t process = ::fork();
    if (process < 0) throw std::runtime_error("no process");
    if (process == 0) save_forever(ends[1]);
    ::close(ends[1]);
    std::this_thread::sleep_for(moment);
    ::kill(process, SIGKILL);
    int status = 0;
    ::waitpid(process, &status, 0);
    if (!WIFSIGNALED(status)) throw std::runtime_error("the saver ended by itself: it could not save");
    Index acknowledged = 0;
    while (::read(ends[0], &acknowledged, sizeof acknowledged) > 0) continue;
    ::close(ends[0]);
    return acknowledged;
  }

  bool holds_its_state(Index number) const {
    try {
      return load_checkpoint<double>(path(number)) == state(number).checkpoint;
    } catch (const DataError&) {
      return false;
    }
  }

  void look_at_what_is_left(Index acknowledged) {
    const Index wanted = std::max(acknowledged, std::exchange(newest_, 0));
    bool temporary = false;
    for (const std::string& name : directory_.list()) {
      const auto number = parse_number<Index>(std::string_view(name).substr(stem.size()));
      temporary |= !number;
      if (!number) continue;
      if (holds_its_state(*number)) {
        newest_ = std::max(newest_, *number);
      } else {
        ++tally_.torn;
        std::filesystem::remove(path(*number));  // so that it counts once
      }
    }
    tally_.inside += temporary;
    tally_.lost += newest_ < wanted;
    remove_temporaries(directory_.path(""));
    for (const std::string& name : directory_.list())
      if (directory_.path(name) != path(newest_)) std::filesystem::remove(directory_.path(name));
  }

  const testing::TemporaryDirectory directory_;
  const std::vector<SavedState> states_ = make_states();
  Save save_;
  Index newest_ = 0;  // of the checkpoints there that load
  Tally tally_;
};

TEST(R7, NoCheckpointIsTornByAKillAndNoneIsLostThatWasSaved) {
  const Tally whole = Killing(save_whole).run(), control = Killing(save_in_place).run();
  report_figure(
      "R7",
      fmt::format("{} kills -9 (seed {}), {} of them inside a write: {} torn, {} acknowledged saves lost; "
                  "control, as many kills of a writer in place: {} torn (allowed: 0, 0; >= {})",
                  kills, seed, whole.inside, whole.torn, whole.lost, control.torn, kills / 20));
  EXPECT_EQ(whole.torn, 0);
  EXPECT_EQ(whole.lost, 0);
  EXPECT_GE(whole.inside, kills / 20) << "the kills came at the wrong moments: this run proves nothing";
  EXPECT_GE(control.torn, kills / 20)
      << "not even a writer in place tears its files: this run proves nothing";
}

}  // namespace
}  // namespace natgrad
