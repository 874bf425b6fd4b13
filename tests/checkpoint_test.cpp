#include "natgrad/checkpoint.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <limits>

#include "io/checksum.hpp"
#include "io/safetensors.hpp"
#include "io/temporary_directory.hpp"

namespace natgrad {
namespace {

using testing::content_of;
using testing::expect_error;
using testing::expect_error_at_every_truncation;
using testing::TemporaryDirectory;

template <class R>
std::vector<R> odd_values() {
  using Limits = std::numeric_limits<R>;
  return {R(0),
          -R(0),
          R(1) / R(3),
          Limits::denorm_min(),
          -Limits::min(),
          Limits::max(),
          Limits::lowest(),
          Limits::epsilon(),
          Limits::infinity(),
          -Limits::infinity(),
          Limits::quiet_NaN()};
}

template <class R>
Checkpoint<R> odd_checkpoint() {
  Checkpoint<R> checkpoint;
  State<R>& state = checkpoint.state;
  state.counts = {{"step", 12}, {"least", INT64_MIN}, {"most", INT64_MAX}, {"", 0}, {"a.b.c", -1}};
  const std::vector<double> numbers = odd_values<double>();
  for (std::size_t k = 0; k < numbers.size(); ++k) state.numbers["odd." + std::to_string(k)] = numbers[k];
  state.arrays = {{"theta", odd_values<R>()},
                  {"empty", {}},
                  {"averages.0", std::vector<R>(1000, R(0.5))},
                  {"zz.empty", {}},
                  {"crc32", {R(1)}}};
  checkpoint.about = {
      {"version", "0.1.0"}, {"config", "a = \"é\"\n\\ \"crc32\":\"12345678\""}, {"crc32", ""}};
  return checkpoint;
}

/// Equality of bits, in which NaN equals itself and 0 is not −0.
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

template <class R>
void expect_same(const Checkpoint<R>& found, const Checkpoint<R>& wanted) {
  EXPECT_EQ(found.about, wanted.about);
  EXPECT_EQ(found.state.counts, wanted.state.counts);
  ASSERT_EQ(found.state.numbers.size(), wanted.state.numbers.size());
  for (const auto& [name, value] : wanted.state.numbers)
    EXPECT_EQ(std::bit_cast<std::uint64_t>(found.state.numbers.at(name)), std::bit_cast<std::uint64_t>(value))
        << name << " is " << found.state.numbers.at(name) << ", expected " << value;
  ASSERT_EQ(found.state.arrays.size(), wanted.state.arrays.size());
  for (const auto& [name, values] : wanted.state.arrays)
    EXPECT_TRUE(same_bits(found.state.arrays.at(name), values)) << name;
}

template <class R>
class CheckpointFile : public ::testing::Test {
 protected:
  /// The content of a file of `checkpoint`.
  std::string bytes_of_file(const Checkpoint<R>& checkpoint) {
    save_checkpoint(path_, checkpoint);
    return content_of(path_);
  }
  /// Expects the refusal of a file with this content.
  void expect_refused(const std::string& content, const std::vector<std::string>& words) {
    directory_.write("checkpoint", content);
    expect_error<DataError>([&] { load_checkpoint<R>(path_); }, {path_});
    expect_error<DataError>([&] { load_checkpoint<R>(path_); }, words);
  }
  /// `content` with one text for another of the same length, and the checksum that fits.
  std::string forged(std::string content, const std::string& from, const std::string& to) {
    content.replace(content.find(from), from.size(), to);
    const std::size_t digits = content.find("\"crc32\":\"") + 9;
    content.replace(digits, 8, "00000000");
    char text[9];
    std::snprintf(text, sizeof text, "%08x", crc32_of(bytes_of(std::span<const char>(content))));
    return content.replace(digits, 8, text);
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_.path("checkpoint");
};
using Precisions = ::testing::Types<float, double>;
TYPED_TEST_SUITE(CheckpointFile, Precisions);

TYPED_TEST(CheckpointFile, GivesBackEveryBitOfOddValues) {
  const auto checkpoint = odd_checkpoint<TypeParam>();
  save_checkpoint(this->path_, checkpoint);
  expect_same(load_checkpoint<TypeParam>(this->path_), checkpoint);
}

TYPED_TEST(CheckpointFile, MayHoldNothing) {
  save_checkpoint(this->path_, Checkpoint<TypeParam>{});
  EXPECT_EQ(load_checkpoint<TypeParam>(this->path_), Checkpoint<TypeParam>{});
}

TYPED_TEST(CheckpointFile, TheSameCheckpointGivesTheSameBytesUnderAnyName) {
  save_checkpoint(this->directory_.path("another"), odd_checkpoint<TypeParam>());
  EXPECT_EQ(this->bytes_of_file(odd_checkpoint<TypeParam>()), content_of(this->directory_.path("another")));
}

TYPED_TEST(CheckpointFile, IsASafetensorsFileOfItsArrays) {
  const auto checkpoint = odd_checkpoint<TypeParam>();
  save_checkpoint(this->path_, checkpoint);
  const Safetensors file = read_safetensors(this->path_);
  ASSERT_EQ(file.tensors.size(), checkpoint.state.arrays.size());
  for (const Tensor& tensor : file.tensors) {
    const auto& values = checkpoint.state.arrays.at(tensor.name);
    EXPECT_EQ(tensor.shape, std::vector<Index>{static_cast<Index>(values.size())});
    EXPECT_EQ(tensor.double_precision, sizeof(TypeParam) == 8);
  }
  EXPECT_EQ(file.metadata.at("format"), "natgrad-checkpoint-1");
  EXPECT_EQ(file.metadata.at("count.step"), "12");
  EXPECT_EQ(file.metadata.at("about.version"), "0.1.0");
}

TYPED_TEST(CheckpointFile, IsRefusedInAnotherPrecisionWithBothNamed) {
  using Other = std::conditional_t<sizeof(TypeParam) == 8, float, double>;
  save_checkpoint(this->path_, odd_checkpoint<TypeParam>());
  const bool f64 = sizeof(TypeParam) == 8;
  expect_error<DataError>([&] { load_checkpoint<Other>(this->path_); },
                          {this->path_, f64 ? "saved in precision f64" : "saved in precision f32",
                           f64 ? "expected f32" : "expected f64"});
}

TYPED_TEST(CheckpointFile, IsRefusedWithAWrongChecksumFoundAndExpected) {
  const std::string good = this->bytes_of_file(odd_checkpoint<TypeParam>());
  const std::size_t digits = good.find("\"crc32\":\"") + 9;
  const std::string stated = good.substr(digits, 8);
  std::string bad = good;
  bad.back() ^= 1;
  this->expect_refused(bad, {"damaged", "its checksum is", "expected " + stated, "older checkpoint"});
  bad = good;
  bad.replace(digits, 8, "00000000");
  this->expect_refused(bad, {"damaged", "its checksum is " + stated, "expected 00000000"});
}

TYPED_TEST(CheckpointFile, IsRefusedTruncatedOrMissing) {
  const std::string good = this->bytes_of_file({});
  expect_error_at_every_truncation(this->directory_, good, load_checkpoint<TypeParam>);
  this->expect_refused(good.substr(0, good.size() / 2), {"truncated", "older checkpoint"});
  this->expect_refused("", {"empty", "older checkpoint"});
  expect_error<DataError>([&] { load_checkpoint<TypeParam>(this->directory_.path("none")); },
                          {"none", "No such file"});
}

TYPED_TEST(CheckpointFile, OfAnotherFormatIsRefusedWithBothNamed) {
  const std::string good = this->bytes_of_file(odd_checkpoint<TypeParam>());
  this->expect_refused(this->forged(good, "natgrad-checkpoint-1", "natgrad-checkpoint-2"),
                       {"'natgrad-checkpoint-2'", "expected 'natgrad-checkpoint-1'", "version"});
  write_safetensors(this->path_, {}, {{"format", "natgrad-1"}});
  this->expect_refused(content_of(this->path_), {"'natgrad-1'", "expected 'natgrad-checkpoint-1'"});
  write_safetensors(this->path_, {}, {});
  this->expect_refused(content_of(this->path_), {"no checkpoint", "expected 'natgrad-checkpoint-1'"});
}

TYPED_TEST(CheckpointFile, ThatFitsItsChecksumButMakesNoSenseIsRefused) {
  const std::string good = this->bytes_of_file(odd_checkpoint<TypeParam>());
  this->expect_refused(this->forged(good, "\"count.step\":\"12\"", "\"count.step\":\"1x\""),
                       {"'count.step'", "'1x'", "expected a number"});
  this->expect_refused(this->forged(good, "\"precision\":", "\"PRECISION\":"), {"lack 'precision'"});
  this->expect_refused(this->forged(good, "\"shape\":[1000]", "\"shape\":[1e03]"), {"'shape'"});
  const std::string own = sizeof(TypeParam) == 8 ? "f64" : "f32";
  write_safetensors(this->path_, {}, {{"format", "natgrad-checkpoint-1"}, {"precision", own}});
  this->expect_refused(content_of(this->path_), {"lacks its checksum"});
}

TYPED_TEST(CheckpointFile, ThatCouldNotBeReadBackIsNotWritten) {
  Checkpoint<TypeParam> checkpoint;
  checkpoint.about["config"] = "\xff";
  expect_error<DataError>([&] { save_checkpoint(this->path_, checkpoint); }, {this->path_, "not UTF-8"});
  checkpoint = {};
  checkpoint.state.arrays["__metadata__"] = {1};
  expect_error<ShapeError>([&] { save_checkpoint(this->path_, checkpoint); },
                           {this->path_, "'__metadata__'"});
  EXPECT_TRUE(this->directory_.list().empty());
}

}  // namespace
}  // namespace natgrad
