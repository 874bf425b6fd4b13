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

constexpr std::uint64_t limit = 10'000'000;

std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

std::vector<std::span<const std::uint8_t>> one_part(const std::string& text) {
  return {bytes_of(std::span<const char>(text))};
}

TEST(ReadFile, GivesPlainContentUnchanged) {
  const TemporaryDirectory directory;
  const std::string text("a\0b\r\n", 5);
  EXPECT_EQ(text_of(read_file(directory.write("plain.gz", text))), text);  // the name does not matter
}

TEST(ReadDecompressed, DecompressesGzipWithoutASuffix) {
  const TemporaryDirectory directory;
  const std::string text(3'000'001, 'x');  // more than one chunk
  EXPECT_EQ(text_of(read_decompressed(directory.write("plain", gzip(text)), limit)), text);
}

TEST(ReadDecompressed, JoinsGzipMembersAndIgnoresZeroPadding) {
  const TemporaryDirectory directory;
  EXPECT_EQ(text_of(read_decompressed(
                directory.write("two", gzip("ab") + gzip("cd") + std::string(512, '\0')), limit)),
            "abcd");
}

TEST(ReadDecompressed, RejectsBytesAfterTheGzipStream) {
  const TemporaryDirectory directory;
  const std::string path = directory.write("more", gzip("ab") + "rest");
  expect_error<DataError>([&] { read_decompressed(path, limit); }, {path, "4 more bytes"});
}

TEST(ReadDecompressed, RejectsGzipTruncatedAtAnyByte) {
  const TemporaryDirectory directory;
  const std::string whole = gzip("natural gradient");
  for (std::size_t length = 2; length < whole.size(); ++length) {  // shorter ones do not look like gzip
    const std::string path = directory.write("truncated.gz", whole.substr(0, length));
    expect_error<DataError>([&] { read_decompressed(path, limit); },
                            {path, "truncated", "byte " + std::to_string(length)});
  }
}

TEST(ReadDecompressed, RejectsAWrongGzipCheckSum) {
  const TemporaryDirectory directory;
  std::string damaged = gzip("natural gradient");
  damaged[damaged.size() - 8] ^= 1;
  const std::string path = directory.write("crc.gz", damaged);
  expect_error<DataError>([&] { read_decompressed(path, limit); }, {path, "damaged", "incorrect data check"});
}

TEST(ReadDecompressed, RefusesToExpandBeyondTheLimit) {
  const TemporaryDirectory directory;
  const std::string path = directory.write("bomb.gz", gzip(std::string(5'000'000, '\0')));
  EXPECT_EQ(read_decompressed(path, 5'000'000).size(), 5'000'000U);
  expect_error<DataError>([&] { read_decompressed(path, 4'999'999); }, {path, "4999999 bytes"});
}

TEST(ReadFile, TellsMissingEmptyAndDirectoryApart) {
  const TemporaryDirectory directory;
  expect_error<DataError>([&] { read_file(directory.path("none")); }, {"none", "No such file"});
  expect_error<DataError>([&] { read_file(directory.path("")); }, {"is a directory"});
  expect_error<DataError>([&] { read_file(directory.write("empty", "")); }, {"empty", "the file is empty"});
  expect_error<DataError>([&] { read_decompressed(directory.write("empty.gz", gzip("")), 1); },
                          {"holds no data"});
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

// As what it runs as may write everywhere, the test of a read-only folder is among those of R8.
TEST(WriteFile, NamesTheFileWhoseFolderHasVanished) {
  const TemporaryDirectory directory;
  const std::string folder = directory.path("run"), path = folder + "/file", text = "new";
  std::filesystem::create_directory(folder);
  write_file(path, one_part(text));
  std::filesystem::remove_all(folder);
  expect_error<DataError>([&] { write_file(path, one_part(text)); }, {path, "No such file or directory"});
}

TEST(RemoveTemporaries, TakesWhatAKilledProcessLeftAndNothingElse) {
  const TemporaryDirectory directory;
  for (const char* name : {"a.tmp-12-0", "b.safetensors.tmp-345-99", "kept", "kept.tmp-", "kept.tmp-1",
                           "kept.tmp-1-", "kept.tmp-1-0.txt", "kept.tmp-x-0"})
    directory.write(name, "half a file");
  remove_temporaries(directory.path(""));
  for (const std::string& name : directory.list()) EXPECT_TRUE(name.starts_with("kept")) << name;
  EXPECT_EQ(directory.list().size(), 6u);
  expect_error<DataError>([&] { remove_temporaries(directory.path("none")); }, {"none", "No such file"});
}

}  // namespace
}  // namespace natgrad
