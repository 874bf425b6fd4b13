#include "io/line_file.hpp"

#include <gtest/gtest.h>

#include "io/temporary_directory.hpp"

namespace natgrad {
namespace {

using testing::content_of;
using testing::expect_error;
using testing::TemporaryDirectory;

TEST(LineFile, HoldsEachLineAsSoonAsItIsAppended) {
  const TemporaryDirectory directory;
  const std::string path = directory.write("lines", "an older file\n");
  LineFile file(path);
  EXPECT_EQ(file.bytes(), 0);
  EXPECT_EQ(content_of(path), "");
  file.append("one");
  EXPECT_EQ(content_of(path), "one\n");
  file.append("");
  file.flush();
  EXPECT_EQ(content_of(path), "one\n\n");
  EXPECT_EQ(file.bytes(), 5);
}

TEST(LineFile, IsContinuedWhereItIsToldTo) {
  const TemporaryDirectory directory;
  const std::string path = directory.write("lines", "one\ntwo\nthr");
  for (const auto& [bytes, kept] :
       std::vector<std::pair<Index, std::string>>{{8, "one\ntwo\n"}, {4, "one\n"}, {0, ""}}) {
    LineFile file(path, bytes);
    EXPECT_EQ(file.bytes(), bytes);
    EXPECT_EQ(content_of(path), kept);
    file.append("more");
    EXPECT_EQ(content_of(path), kept + "more\n");
    EXPECT_EQ(file.bytes(), bytes + 5);
  }
}

TEST(LineFile, IsNotContinuedWhereItIsShorterOrAnotherOrMissing) {
  const TemporaryDirectory directory;
  const std::string path = directory.write("lines", "one\ntwo\n");
  expect_error<DataError>([&] { LineFile(path, 9); }, {path, "has 8 bytes", "behind byte 9"});
  expect_error<DataError>([&] { LineFile(path, -1); }, {path, "behind byte -1"});
  expect_error<DataError>([&] { LineFile(path, 6); }, {path, "byte 5 does not end a line"});
  EXPECT_EQ(content_of(path), "one\ntwo\n") << "a refused file is left alone";
  expect_error<DataError>([&] { LineFile(directory.path("none"), 0); }, {"none", "No such file"});
  EXPECT_EQ(directory.list().size(), 1u) << "a missing file is not made";
}

TEST(LineFile, NamesTheFileThatCannotBeWritten) {
  const TemporaryDirectory directory;
  expect_error<DataError>([&] { LineFile(directory.path("none/lines")); }, {"none/lines", "No such file"});
  expect_error<DataError>([&] { LineFile(directory.path("")); }, {"Is a directory"});
  LineFile full("/dev/full");
  expect_error<DataError>([&] { full.append("line"); }, {"/dev/full", "No space left on device"});
}

}  // namespace
}  // namespace natgrad
