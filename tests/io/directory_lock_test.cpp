#include "io/directory_lock.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <optional>

#include "io/temporary_directory.hpp"

namespace natgrad {
namespace {

using testing::expect_error;
using testing::TemporaryDirectory;

/// A process that holds the lock of a folder until it is killed.
class Holder {
 public:
  explicit Holder(const std::string& folder) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
    process_ = ::fork();
    if (process_ == 0) {
      const DirectoryLock lock(folder);
      if (::write(ends[1], "!", 1) == 1) ::pause();
      ::_exit(1);
    }
    ::close(ends[1]);
    char held = 0;
    EXPECT_EQ(::read(ends[0], &held, 1), 1) << "the other process could not lock the folder";
    ::close(ends[0]);
  }
  ~Holder() { kill(); }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  pid_t process() const { return process_; }
  void kill() {
    if (process_ > 0) {
      ::kill(process_, SIGKILL);
      ::waitpid(process_, nullptr, 0);
    }
    process_ = -1;
  }

 private:
  pid_t process_ = -1;
};

TEST(DirectoryLock, NamesTheFolderAndTheProcessThatHoldsIt) {
  const TemporaryDirectory directory;
  const Holder holder(directory.path(""));
  expect_error<UsageError>([&] { DirectoryLock(directory.path("")); },
                           {directory.path(""), "in use by process " + std::to_string(holder.process())});
}

TEST(DirectoryLock, EndsWithAKilledProcess) {
  const TemporaryDirectory directory;
  Holder holder(directory.path(""));
  holder.kill();
  EXPECT_NO_THROW(DirectoryLock(directory.path("")));
}

TEST(DirectoryLock, IsHeldOnceAtATimeWithinAProcessToo) {
  const TemporaryDirectory directory;
  std::optional<DirectoryLock> lock(std::in_place, directory.path(""));
  expect_error<UsageError>([&] { DirectoryLock(directory.path("")); },
                           {"process " + std::to_string(::getpid())});
  lock.reset();
  EXPECT_NO_THROW(DirectoryLock(directory.path("")));
}

TEST(DirectoryLock, NeedsAFolderThatIsThere) {
  const TemporaryDirectory directory;
  expect_error<DataError>([&] { DirectoryLock(directory.path("none")); }, {"none", "No such file"});
}

}  // namespace
}  // namespace natgrad
