/// R8: a stream of metrics holds whole lines after every fault, and is continued without a gap or a double
/// row.
#include <filesystem>

#include "io/directory_lock.hpp"
#include "natgrad/metrics.hpp"
#include "reliability/io_fault.hpp"

namespace natgrad {
namespace {

using testing::Call;
using testing::content_of;
using testing::FaultyCalls;
using testing::half;

constexpr int rows = 3;

StepRecord row(int number) {
  StepRecord record;
  record.step = number;
  record.report.loss = 1.0 / number;
  return record;
}

/// The rows before `end`, as a stream holds them.
std::string rows_before(int end) {
  std::string text;
  for (int k = 1; k < end; ++k) text += to_json(row(k)) + "\n";
  return text;
}

/// Writes rows from `next` on, to a new stream or behind `bytes`; leaves the first that is not written.
void write_rows(const std::string& path, int& next, Index& bytes) {
  MetricsWriter metrics = next == 1 ? MetricsWriter(path) : MetricsWriter(path, bytes);
  for (; next <= rows; ++next) {
    metrics.write(row(next));
    bytes = metrics.bytes();
  }
  metrics.flush();
}

class Stream {
 public:
  explicit Stream(const std::string& path) : path_(path) {}

  void prepare() {
    std::filesystem::remove(path_);
    next_ = 1;
    bytes_ = 0;
  }
  void write() { write_rows(path_, next_, bytes_); }
  /// Expects whole lines, then goes on to the end.
  void expect_continuable(bool half_a_line_may_stay) {
    const std::string whole = rows_before(next_), found = content_of(path_);
    EXPECT_EQ(bytes_, static_cast<Index>(whole.size()));
    EXPECT_EQ(half_a_line_may_stay ? found.substr(0, whole.size()) : found, whole);
    write();
    EXPECT_EQ(content_of(path_), rows_before(rows + 1));
  }

 private:
  std::string path_;
  int next_ = 1;  // the first row that is not written
  Index bytes_ = 0;
};

TEST_F(R8, AFaultWhileWritingMetricsLeavesWholeLinesToContinue) {
  const std::string path = directory_.path("metrics.jsonl");
  Stream stream(path);
  const Errors errors = {{Call::open, {EACCES, EROFS, ENOSPC, EMFILE, EINTR}},
                         {Call::write, {ENOSPC, EIO, EDQUOT, EINTR, half}},
                         {Call::fsync, {EIO, ENOSPC, EINTR}}};
  try_every_fault(
      errors, [&] { stream.prepare(); }, [&] { stream.write(); },
      [&](const Attempt& attempt) {
        expect_reported(attempt, path, passes(attempt.fault.error));
        stream.expect_continuable(false);
      });
}

// A full disk takes half of a line and then no more; a broken one does not even let go of the half.
TEST_F(R8, HalfALineOfMetricsIsTakenBackOrCutOffLater) {
  const std::string path = directory_.path("metrics.jsonl");
  Stream stream(path);
  for (int k = 0; k < rows; ++k) {
    for (const bool broken : {false, true}) {
      stream.prepare();
      {
        std::vector<testing::Fault> faults = {{Call::write, k, half}, {Call::write, k + 1, ENOSPC}};
        if (broken) faults.push_back({Call::ftruncate, 0, EIO});
        const FaultyCalls calls(faults);
        testing::expect_error<DataError>([&] { stream.write(); }, {path, "No space left on device"});
      }
      stream.expect_continuable(broken);
    }
  }
}

TEST_F(R8, AFaultWhileContinuingMetricsLeavesThemAsTheyWere) {
  const std::string path = directory_.path("metrics.jsonl"), whole = rows_before(rows + 1);
  const auto bytes = static_cast<Index>(rows_before(rows).size());
  const Errors errors = {{Call::open, {EACCES, EROFS, ENOENT, EINTR}},
                         {Call::fstat, {EIO}},
                         {Call::pread, {EIO, EINTR}},
                         {Call::ftruncate, {EIO, EINTR}}};
  try_every_fault(
      errors, [&] { directory_.write("metrics.jsonl", whole); }, [&] { MetricsWriter(path, bytes); },
      [&](const Attempt& attempt) {
        expect_reported(attempt, path, passes(attempt.fault.error));
        EXPECT_EQ(content_of(path), passes(attempt.fault.error) ? rows_before(rows) : whole);
      });
}

TEST_F(R8, AFolderThatCannotBeLockedIsReported) {
  const Errors errors = {{Call::open, {EACCES, EROFS, ENOSPC, EINTR}},
                         {Call::flock, {ENOLCK, ENOSYS, EINTR}},
                         {Call::ftruncate, {EIO, EINTR}},
                         {Call::write, {ENOSPC, EINTR, half}}};
  const std::string folder = directory_.path("");
  try_every_fault(
      errors, [] {}, [&] { DirectoryLock{folder}; },
      [&](const Attempt& attempt) {
        expect_reported(attempt, folder, passes(attempt.fault.error));
        EXPECT_NO_THROW(DirectoryLock{folder}) << "the lock is free again";
      });
}

}  // namespace
}  // namespace natgrad
