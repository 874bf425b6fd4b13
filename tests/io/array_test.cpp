#include "io/array.hpp"

#include <bit>
#include <cmath>
#include <limits>

#include "io/npy.hpp"
#include "io/temporary_directory.hpp"

namespace natgrad {
namespace {

using testing::content_of;
using testing::expect_error;
using testing::expect_error_at_every_truncation;
using testing::TemporaryDirectory;

/// A value's bytes, little-endian or reversed.
template <class T>
std::string raw(T value, bool big_endian = false) {
  std::string bytes(reinterpret_cast<const char*>(&value), sizeof(T));
  if (big_endian) bytes.assign(bytes.rbegin(), bytes.rend());
  return bytes;
}

std::string npy(const std::string& header, const std::string& elements, int version = 1) {
  std::string start = "\x93NUMPY";
  start += static_cast<char>(version);
  start += '\0';
  start += version == 1 ? raw(static_cast<std::uint16_t>(header.size()))
                        : raw(static_cast<std::uint32_t>(header.size()));
  return start + header + elements;
}

std::string npy_header(const std::string& descr, const std::string& shape, const char* fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }\n";
}

std::string idx(char type, const std::vector<std::uint32_t>& shape, const std::string& elements) {
  std::string file = {'\0', '\0', type, static_cast<char>(shape.size())};
  for (const std::uint32_t n : shape) file += raw(n, true);
  return file + elements;
}

template <class T>
void expect_idx_type(char code) {
  const TemporaryDirectory directory;
  const T low = std::numeric_limits<T>::lowest(), one = 1;
  const Array array = read_array(directory.write("a.idx", idx(code, {2}, raw(low, true) + raw(one, true))));
  EXPECT_EQ(array.is_integer(), std::is_integral_v<T>);
  EXPECT_EQ(to_samples<double>(array).data, (std::vector<double>{static_cast<double>(low), 1.0}));
}

template <class T>
void expect_npy_type(const std::string& descr) {
  const TemporaryDirectory directory;
  const T low = std::numeric_limits<T>::lowest(), one = 1;
  const Array array =
      read_array(directory.write("a.npy", npy(npy_header(descr, "(2,)"), raw(low) + raw(one))));
  EXPECT_EQ(array.is_integer(), std::is_integral_v<T>);
  EXPECT_EQ(to_samples<double>(array).data, (std::vector<double>{static_cast<double>(low), 1.0}));
}

TEST(Idx, ReadsEveryElementType) {
  expect_idx_type<std::uint8_t>(0x08);
  expect_idx_type<std::int8_t>(0x09);
  expect_idx_type<std::int16_t>(0x0b);
  expect_idx_type<std::int32_t>(0x0c);
  expect_idx_type<float>(0x0d);
  expect_idx_type<double>(0x0e);
}

TEST(Idx, PutsOneSampleInAColumnInCOrder) {
  const TemporaryDirectory directory;
  const HostMatrix<float> x =
      to_samples<float>(read_array(directory.write("a", idx(8, {2, 1, 3}, {1, 2, 3, 4, 5, 6}))));
  EXPECT_EQ(x.rows, 3);
  EXPECT_EQ(x.cols, 2);
  EXPECT_EQ(x(2, 0), 3.0F);
  EXPECT_EQ(x(0, 1), 4.0F);
}

TEST(Idx, RejectsEveryTruncation) {
  const TemporaryDirectory directory;
  expect_error_at_every_truncation(directory, idx(8, {2, 3}, {1, 2, 3, 4, 5, 6}),
                                   [](const std::string& path) { return read_array(path); });
}

TEST(Idx, NamesTheByteOfAFaultyHeader) {
  const TemporaryDirectory directory;
  const std::string type = directory.write("type.idx", idx(0x0a, {1}, "a"));
  expect_error<DataError>([&] { read_array(type); }, {type, "0a", "byte 2", "08 (u1)"});
  const std::string rank = directory.write("rank.idx", idx(8, {}, ""));
  expect_error<DataError>([&] { read_array(rank); }, {rank, "rank 0", "byte 3"});
}

TEST(Idx, RejectsSizesThatTheFileDoesNotHold) {
  const TemporaryDirectory directory;
  const std::string huge =
      directory.write("huge.idx", idx(0x0e, {0xffffffff, 0xffffffff, 0xffffffff}, "abc"));
  expect_error<DataError>([&] { read_array(huge); }, {huge, "4294967295", "more than 2^63", "3 bytes"});
  const std::string tail = directory.write("tail.idx", idx(8, {2}, "abc"));
  expect_error<DataError>([&] { read_array(tail); }, {tail, "2 bytes", "3 bytes", "too long"});
  const std::string none = directory.write("none.idx", idx(8, {0, 0xffffffff}, ""));
  expect_error<DataError>([&] { read_array(none); }, {none, "no elements"});
}

TEST(ReadArray, RejectsOtherFormatsShowingTheirFirstBytes) {
  const TemporaryDirectory directory;
  const std::string path = directory.write("table.npy", "1,2\n");
  expect_error<DataError>([&] { read_array(path); }, {path, "31 2c 32 0a", "93 4e 55", "--train-csv"});
}

TEST(Npy, ReadsEveryElementType) {
  expect_npy_type<std::uint8_t>("|u1");
  expect_npy_type<std::int8_t>("|i1");
  expect_npy_type<std::uint16_t>("<u2");
  expect_npy_type<std::int16_t>("<i2");
  expect_npy_type<std::uint32_t>("<u4");
  expect_npy_type<std::int32_t>("<i4");
  expect_npy_type<std::int64_t>("<i8");
  expect_npy_type<float>("<f4");
  expect_npy_type<double>("<f8");
  expect_npy_type<bool>("|b1");
}

TEST(Npy, FortranOrderGivesTheSamplesOfCOrder) {
  const TemporaryDirectory directory;
  // Shape (2, 3, 2): element (i, j, k) is 100 i + 10 j + k; Fortran order runs over i first.
  std::string c_order, fortran_order;
  for (std::uint8_t i = 0; i < 2; ++i)
    for (std::uint8_t j = 0; j < 3; ++j)
      for (std::uint8_t k = 0; k < 2; ++k) c_order += static_cast<char>(100 * i + 10 * j + k);
  for (std::uint8_t k = 0; k < 2; ++k)
    for (std::uint8_t j = 0; j < 3; ++j)
      for (std::uint8_t i = 0; i < 2; ++i) fortran_order += static_cast<char>(100 * i + 10 * j + k);
  const auto c =
      to_samples<double>(read_array(directory.write("c", npy(npy_header("|u1", "(2, 3, 2)"), c_order))));
  const auto f = to_samples<double>(
      read_array(directory.write("f", npy(npy_header("|u1", "(2, 3, 2)", "True"), fortran_order))));
  EXPECT_EQ(c.data, (std::vector<double>{0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121}));
  EXPECT_EQ(f.data, c.data);
  EXPECT_EQ(f.rows, 6);
}

TEST(Npy, ReadsVersions1To3AndAnyOrderOfKeys) {
  const TemporaryDirectory directory;
  for (const int version : {1, 2, 3}) {
    const std::string file =
        npy("{\"shape\":(2L,),'fortran_order':False,'descr':'|u1'}", "\x01\x02", version);
    EXPECT_EQ(to_samples<float>(read_array(directory.write("a", file))).data, (std::vector<float>{1, 2}));
  }
  const std::string path = directory.write("v4.npy", npy("{}", "", 4));
  expect_error<DataError>([&] { read_array(path); }, {path, "version 4.0", "byte 6"});
}

TEST(Npy, RejectsEveryTruncation) {
  const TemporaryDirectory directory;
  for (const int version : {1, 2}) {
    expect_error_at_every_truncation(directory,
                                     npy(npy_header("<f4", "(2, 1)"), raw(1.0F) + raw(2.0F), version),
                                     [](const std::string& path) { return read_array(path); });
  }
}

TEST(Npy, RejectsDtypesItDoesNotReadNamingThem) {
  const TemporaryDirectory directory;
  const auto expect = [&](const std::string& descr, const std::string& hint) {
    const std::string path = directory.write("a.npy", npy(npy_header(descr, "(1,)"), std::string(8, '\0')));
    expect_error<DataError>([&] { read_array(path); }, {path, "dtype '" + descr + "'", "<f8", hint});
  };
  expect("|O", "object array");
  expect(">f8", "big-endian");
  expect("<c8", "astype");
  const std::string fields = directory.write("s.npy", npy("{'descr': [('a', '<f8')], 'shape': (1,)}", ""));
  expect_error<DataError>([&] { read_array(fields); }, {fields, "structured dtype"});
}

TEST(Npy, NamesTheByteOfHeaderGarbage) {
  const TemporaryDirectory directory;
  const auto expect = [&](const std::string& header, const std::vector<std::string>& words) {
    const std::string path = directory.write("a.npy", npy(header, "abcd"));
    expect_error<DataError>([&] { read_array(path); }, {path, "NPY header"});
    expect_error<DataError>([&] { read_array(path); }, words);
  };
  expect("garbage", {"byte 10", "\"g\"", "'{'"});
  expect("", {"byte 10", "its end"});
  expect("{'descr'", {"byte 18", "':'"});
  expect("{'descr': '<f4", {"without end"});
  expect("{'color': 1}", {"unknown key 'color'"});
  expect("{'descr': '<f4'}", {"incomplete"});
  expect("{'fortran_order': Maybe}", {"byte 28", "True or False"});
  expect("{'shape': (-1,)}", {"byte 21", "0 to 2^63 - 1"});
  expect("{'shape': (99999999999999999999,)}", {"0 to 2^63 - 1"});
  expect("{'shape': (1 2)}", {"','"});
  expect(npy_header("|u1", "(4,)") + "x", {"the header's end"});
}

TEST(Npy, RejectsSizesThatTheFileDoesNotHold) {
  const TemporaryDirectory directory;
  const auto expect = [&](const std::string& shape, const std::string& word) {
    const std::string path = directory.write("a.npy", npy(npy_header("<f8", shape), "abcdefgh"));
    expect_error<DataError>([&] { read_array(path); }, {path, word});
  };
  expect("(9000000000000000000, 9000000000000000000)", "more than 2^63");
  expect("(1000000000,)", "8000000000 bytes");
  expect("(0, 9000000000000000000)", "no elements");
  expect("()", "no dimension");
}

TEST(ToSamples, NamesTheSampleAndColumnThatAreNotFinite) {
  const TemporaryDirectory directory;
  const std::string nan = raw(std::nan("")), one = raw(1.0), large = raw(1e300);
  const std::string path = directory.write("a.npy", npy(npy_header("<f8", "(2, 2)"), one + one + nan + one));
  expect_error<DataError>([&] { to_samples<double>(read_array(path)); }, {path, "sample 1, column 0", "nan"});
  const std::string f_path =
      directory.write("f.npy", npy(npy_header("<f8", "(2, 2)", "True"), one + one + nan + one));
  expect_error<DataError>([&] { to_samples<double>(read_array(f_path)); }, {f_path, "sample 0, column 1"});
  const Array wide = read_array(directory.write("l.npy", npy(npy_header("<f8", "(1,)"), large)));
  EXPECT_EQ(to_samples<double>(wide).data, std::vector<double>{1e300});
  expect_error<DataError>([&] { to_samples<float>(wide); }, {"l.npy", "inf (as f32)"});
}

TEST(WriteNpy, ReadsBackSamplesByColumnEvenFromAStridedView) {
  const TemporaryDirectory directory;
  const std::vector<double> data = {1, 2, -9, 3, 4, -9, 5, 6, -9};
  write_npy(directory.path("a.npy"), MatrixView<const double>(data.data(), 2, 3, 3), {3, 2});
  const Array array = read_array(directory.path("a.npy"));
  EXPECT_EQ(array.shape, (std::vector<Index>{3, 2}));
  EXPECT_EQ(array.offset % 64, 0U);
  EXPECT_EQ(to_samples<double>(array).data, (std::vector<double>{1, 2, 3, 4, 5, 6}));
}

TEST(WriteNpy, WritesVectorsInSinglePrecision) {
  const TemporaryDirectory directory;
  const std::vector<float> data = {0.1F, -2.5F};
  write_npy(directory.path("a.npy"), MatrixView<const float>(data.data(), 2, 1), {2});
  EXPECT_NE(
      content_of(directory.path("a.npy")).find("'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"),
      std::string::npos);
  EXPECT_EQ(to_samples<float>(read_array(directory.path("a.npy"))).data, data);
}

TEST(WriteNpy, RejectsAShapeThatDoesNotHoldTheValues) {
  const TemporaryDirectory directory;
  const std::vector<float> data(6);
  const auto write = [&] {
    write_npy(directory.path("a.npy"), MatrixView<const float>(data.data(), 2, 3), {3, 3});
  };
  expect_error<ShapeError>(write, {"a.npy", "(3, 3)", "2 x 3"});
}

}  // namespace
}  // namespace natgrad
