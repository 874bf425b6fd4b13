#include "io/file.hpp"

#include <zlib.h>

#include <string>

#include "io/gzip.hpp"
#include "io/temporary_directory.hpp"

namespace natgrad {
namespace {

using testing::content_of;
using testing::expect_error;
using testing::TemporaryDirectory;

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string result(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

std::vector<std::span<const std::uint8_t>> one_part(const std::string& text) {
  return {bytes_of(std::span<const char>(text))};
}

TEST(ReadFile, GivesPlainContentUnchanged) {
  const TemporaryDirectory directory;
  const std::string text("a\0b\r\n", 5);
  EXPECT_EQ(text_of(read_file(directory.write("plain.gz", text))), text);  // the name does not matter
}

TEST(ReadFile, DecompressesGzipWithoutASuffix) {
  const TemporaryDirectory directory;
  const std::string text(3'000'001, 'x');  // more than one chunk
  EXPECT_EQ(text_of(read_file(directory.write("plain", gzip(text)))), text);
}

TEST(ReadFile, JoinsGzipMembersAndIgnoresZeroPadding) {
  const TemporaryDirectory directory;
  EXPECT_EQ(text_of(read_file(directory.write("two", gzip("ab") + gzip("cd") + std::string(512, '\0')))),
            "abcd");
}

TEST(ReadFile, RejectsBytesAfterTheGzipStream) {
  const TemporaryDirectory directory;
  const std::string path = directory.write("more", gzip("ab") + "rest");
  expect_error<DataError>([&] { read_file(path); }, {path, "4 more bytes"});
}

TEST(ReadFile, RejectsGzipTruncatedAtAnyByte) {
  const TemporaryDirectory directory;
  const std::string whole = gzip("natural gradient");
  for (std::size_t length = 2; length < whole.size(); ++length) {  // shorter ones do not look like gzip
    const std::string path = directory.write("truncated.gz", whole.substr(0, length));
    expect_error<DataError>([&] { read_file(path); }, {path, "truncated", "byte " + std::to_string(length)});
  }
}

TEST(ReadFile, RejectsAWrongGzipCheckSum) {
  const TemporaryDirectory directory;
  std::string damaged = gzip("natural gradient");
  damaged[damaged.size() - 8] ^= 1;
  const std::string path = directory.write("crc.gz", damaged);
  expect_error<DataError>([&] { read_file(path); }, {path, "damaged", "incorrect data check"});
}

TEST(ReadFile, RefusesToExpandBeyondTheLimit) {
  const TemporaryDirectory directory;
  const std::string path = directory.write("bomb.gz", gzip(std::string(5'000'000, '\0')));
  EXPECT_EQ(read_file(path, 5'000'000).size(), 5'000'000U);
  expect_error<DataError>([&] { read_file(path, 4'999'999); }, {path, "4999999 bytes"});
}

TEST(ReadFile, TellsMissingEmptyAndDirectoryApart) {
  const TemporaryDirectory directory;
  expect_error<DataError>([&] { read_file(directory.path("none")); }, {"none", "No such file"});
  expect_error<DataError>([&] { read_file(directory.path("")); }, {"is a directory"});
  expect_error<DataError>([&] { read_file(directory.write("empty", "")); }, {"empty", "the file is empty"});
  expect_error<DataError>([&] { read_file(directory.write("empty.gz", gzip(""))); }, {"holds no data"});
}

TEST(WriteFile, ReplacesTheOldContentAndLeavesNothingElse) {
  const TemporaryDirectory directory;
  const std::string path = directory.write("file", "old and longer"), text = "new";
  write_file(path, one_part(text));
  EXPECT_EQ(content_of(path), "new");
  EXPECT_EQ(directory.list(), std::vector<std::string>{"file"});
}

TEST(WriteFile, NamesTheFileThatCannotBeWritten) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("none/file"), text = "new";
  expect_error<DataError>([&] { write_file(path, one_part(text)); }, {path, "No such file or directory"});
  expect_error<DataError>([&] { write_file(directory.path(""), one_part(text)); }, {"not a regular file"});
  expect_error<DataError>([&] { write_file("/dev/null", one_part(text)); },
                          {"/dev/null", "not a regular file"});
}

}  // namespace
}  // namespace natgrad
