/// R8: a checkpoint survives every fault of the system calls that write one, and every damage to its bytes is
/// found.
#include <fcntl.h>

#include <algorithm>
#include <filesystem>

#include "natgrad/checkpoint.hpp"
#include "reliability/io_fault.hpp"

namespace natgrad {
namespace {

using testing::Call;
using testing::half;
using testing::MadeCall;

/// Several writes: the header and each array.
template <class R>
Checkpoint<R> numbered(Index number) {
  Checkpoint<R> checkpoint;
  const R value = static_cast<R>(number);
  checkpoint.state.counts = {{"step", number}};
  checkpoint.state.numbers = {{"optimizer.damping", 0.1 * static_cast<double>(number)}};
  checkpoint.state.arrays = {
      {"optimizer.momentum", std::vector<R>(7, value)}, {"empty", {}}, {"theta", std::vector<R>(300, value)}};
  checkpoint.about = {{"version", "0.1.0"}};
  return checkpoint;
}

/// As numbered(), in a file of `bytes` or a few more.
template <class R>
Checkpoint<R> of_size(std::size_t bytes, const std::string& path) {
  Checkpoint<R> checkpoint = numbered<R>(1);
  for (std::vector<R>& theta = checkpoint.state.arrays.at("theta");;) {
    save_checkpoint(path, checkpoint);
    if (std::filesystem::file_size(path) >= bytes) return checkpoint;
    theta.push_back(static_cast<R>(theta.size()));
  }
}

/// "write temporary", "fsync folder", …
std::vector<std::string> in_words(const std::vector<MadeCall>& calls, const std::string& path) {
  std::vector<std::string> words;
  for (const auto& [call, on] : calls) {
    const bool folder = on == std::filesystem::path(path).parent_path();
    words.push_back(std::string(to_string(call)) + (on == path ? " file"
                                                    : folder   ? " folder"
                                                               : " temporary"));
  }
  return words;
}

TEST_F(R8, ASaveIsOnTheDiskBeforeItsNameIsAndBothWhenItReturns) {
  const std::string path = directory_.path("checkpoint");
  testing::FaultyCalls calls({});
  save_checkpoint(path, Checkpoint<float>{});
  const std::vector<std::string> wanted = {"open temporary",  "write temporary", "open folder",
                                           "fsync temporary", "close temporary", "rename temporary",
                                           "fsync folder",    "close folder"};
  EXPECT_EQ(in_words(calls.made(), path), wanted);
}

TEST_F(R8, AFaultWhileSavingLeavesTheOldCheckpointAndNoTemporary) {
  const std::string path = directory_.path("checkpoint");
  const Checkpoint<float> old = numbered<float>(1), fresh = numbered<float>(2);
  const Errors errors = {{Call::open, {EACCES, EROFS, ENOSPC, EMFILE, ENOENT, EINTR}},
                         {Call::write, {ENOSPC, EIO, EDQUOT, EFBIG, EINTR, half}},
                         {Call::fsync, {EIO, ENOSPC, EDQUOT, EINTR}},
                         {Call::close, {EIO, ENOSPC, EDQUOT, EINTR}},
                         {Call::rename, {EIO, EACCES, EROFS, ENOSPC, ENOENT}}};
  try_every_fault(
      errors, [&] { save_checkpoint(path, old); }, [&] { save_checkpoint(path, fresh); },
      [&](const Attempt& attempt) {
        const bool of_folder = attempt.failed.path == std::filesystem::path(path).parent_path();
        const bool harmless = passes(attempt.fault.error) || (of_folder && attempt.fault.call == Call::close);
        expect_reported(attempt, path, harmless);
        // Once the new file has its name, it is whole; only the folder's flush is still to come.
        const bool renamed = of_folder && attempt.fault.call == Call::fsync;
        EXPECT_EQ(load_checkpoint<float>(path), harmless || renamed ? fresh : old);
        EXPECT_EQ(directory_.list(), std::vector<std::string>{"checkpoint"});
      });
}

TEST_F(R8, AFolderThatItsFileSystemCannotFlushIsNoFault) {
  const std::string path = directory_.path("checkpoint");
  {
    testing::FaultyCalls calls({{Call::fsync, 1, EINVAL}});
    EXPECT_NO_THROW(save_checkpoint(path, numbered<float>(1)));
    EXPECT_EQ(calls.met(), 1);
  }
  EXPECT_EQ(load_checkpoint<float>(path), numbered<float>(1));
}

TEST_F(R8, AFaultWhileLoadingIsReportedAndHarmsNothing) {
  const std::string path = directory_.path("checkpoint");
  const Checkpoint<float> saved = numbered<float>(1);
  save_checkpoint(path, saved);
  Checkpoint<float> found;
  const Errors errors = {{Call::open, {EACCES, EIO, EMFILE, ENOENT, EINTR}},
                         {Call::fstat, {EIO, EOVERFLOW}},
                         {Call::read, {EIO, ESTALE, EINTR, half}}};
  try_every_fault(
      errors, [&] { found = {}; }, [&] { found = load_checkpoint<float>(path); },
      [&](const Attempt& attempt) {
        expect_reported(attempt, path, passes(attempt.fault.error));
        EXPECT_EQ(found, passes(attempt.fault.error) ? saved : Checkpoint<float>{});
        EXPECT_EQ(load_checkpoint<float>(path), saved);
      });
}

/// Whether loading reports damage, and names the file.
template <class R>
bool refused(const std::string& path) {
  try {
    load_checkpoint<R>(path);
    return false;
  } catch (const DataError& error) {
    return std::string_view(error.what()).find(path) != std::string_view::npos;
  }
}

template <class R, class Count>
void damage_every_byte(const std::string& path, Count count) {
  const Checkpoint<R> checkpoint = of_size<R>(4096, path);
  const std::string content = testing::content_of(path);
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_GE(file, 0);
  const auto put = [&](std::size_t byte, char value) {
    ASSERT_EQ(::pwrite(file, &value, 1, static_cast<off_t>(byte)), 1);
  };
  for (std::size_t byte = 0; byte < content.size(); ++byte) {
    for (const int mask : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff}) {
      put(byte, static_cast<char>(content[byte] ^ mask));
      const bool detected = refused<R>(path);
      EXPECT_TRUE(detected) << "byte " << byte << " with mask " << mask;
      count(detected);
    }
    put(byte, content[byte]);
  }
  EXPECT_EQ(load_checkpoint<R>(path), checkpoint) << "the flips were not undone";
  for (std::size_t length = content.size(); length-- > 0;) {
    ASSERT_EQ(::ftruncate(file, static_cast<off_t>(length)), 0);
    const bool detected = refused<R>(path);
    EXPECT_TRUE(detected) << "truncated to " << length;
    count(detected);
  }
  ::close(file);
}

TEST_F(R8, EveryTruncationAndEveryFlippedByteOfACheckpointIsFound) {
  const auto count = [&](bool detected) { count_damage(detected); };
  damage_every_byte<float>(directory_.path("f32"), count);
  damage_every_byte<double>(directory_.path("f64"), count);
}

}  // namespace
}  // namespace natgrad
