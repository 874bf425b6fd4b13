/// Paths that name no plain file, and files that change while they are read.
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "io/file.hpp"
#include "io/temporary_directory.hpp"

namespace natgrad {
namespace {

using testing::expect_error;
using testing::TemporaryDirectory;

TEST(ReadFile, RefusesPipesAndDevicesAtOnce) {
  const TemporaryDirectory directory;
  const std::string pipe = directory.path("pipe");  // without a writer
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path : {pipe, std::string("/dev/zero"), std::string("/dev/null")})
    expect_error<DataError>([&] { read_file(path); }, {path, "expected a regular file"});
}

TEST(ReadFile, RefusesFilesThatTheKernelMakesUp) {
  expect_error<DataError>([] { read_file("/proc/self/maps"); }, {"/proc/self/maps", "0 bytes", "more"});
  EXPECT_THROW(read_file("/proc/self/mem"), DataError);
  EXPECT_THROW(read_file("/proc/kcore"), Error);
}

TEST(ReadFile, RefusesAFileBeyondTheMemoryNamingItsBytes) {
  const TemporaryDirectory directory;
  const std::string path = directory.write("sparse", "x");
  std::error_code error;
  std::filesystem::resize_file(path, std::uintmax_t{1} << 42, error);  // 4 TiB
  if (error) GTEST_SKIP() << "the file system takes no file of 4 TiB";
  expect_error<OutOfMemory>([&] { read_file(path); }, {path, "4398046511104 bytes"});
}

TEST(ReadFile, RefusesAFileThatMayNotBeRead) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const TemporaryDirectory directory;
  const std::string path = directory.write("secret", "x");
  ::chmod(path.c_str(), 0);
  expect_error<DataError>([&] { read_file(path); }, {path, "Permission denied"});
}

TEST(ReadFile, GivesAllOfAChangingFileOrAnError) {
  const TemporaryDirectory directory;
  const std::string path = directory.write("changing", std::string(1 << 20, 'x'));
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (std::uintmax_t k = 0; !stop; ++k) std::filesystem::resize_file(path, (1 << 20) + 4096 * (k % 7));
  });
  for (int k = 0; k < 200; ++k) {
    try {
      EXPECT_EQ(read_file(path).size() % 4096, 0U);
    } catch (const DataError& error) {
      EXPECT_NE(std::string(error.what()).find("it changes"), std::string::npos) << error.what();
    }
  }
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace natgrad
