#include "natgrad/model_file.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "io/temporary_directory.hpp"

namespace natgrad {
namespace {

using testing::content_of;
using testing::expect_error;
using testing::expect_error_at_every_truncation;
using testing::TemporaryDirectory;

/// A 2-3-2 network.
Model small_model(bool double_precision) {
  Model model;
  model.widths = {2, 3, 2};
  model.activations = std::vector<Activation>{Activation::tanh};
  model.likelihood = Likelihood::categorical;
  model.input_scaling = {{0.1, -1.0 / 3.0}, {1e-300, 16.0}};
  model.class_names = {"é, \"quoted\"", "no"};
  for (int k = 0; k < 17; ++k) model.parameters.push_back(0.25 * k - 2.0);
  model.double_precision = double_precision;
  return model;
}

std::string safetensors(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  return file + header + std::string(data_bytes, '\0');
}

void expect_fault(const std::string& header, std::size_t data_bytes, const std::vector<std::string>& words) {
  const TemporaryDirectory directory;
  const std::string path = directory.write("bad.safetensors", safetensors(header, data_bytes));
  expect_error<DataError>([&] { load_model(path); }, {path});
  expect_error<DataError>([&] { load_model(path); }, words);
}

std::string tensor(const std::string& name, const std::string& shape, int begin, int end) {
  return "\"" + name + "\":{\"dtype\":\"F32\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

TEST(ModelFile, ReadsBackWhatWasSaved) {
  const TemporaryDirectory directory;
  for (const bool double_precision : {false, true}) {
    Model model = small_model(double_precision);
    if (double_precision) model.parameters[3] = 0.1;
    save_model(directory.path("m"), model);
    const Model read = load_model(directory.path("m"));
    EXPECT_EQ(read.widths, model.widths);
    EXPECT_EQ(read.activations, model.activations);
    EXPECT_EQ(read.likelihood, model.likelihood);
    EXPECT_EQ(read.input_scaling, model.input_scaling);
    EXPECT_TRUE(read.target_scaling.identity());
    EXPECT_EQ(read.class_names, model.class_names);
    EXPECT_EQ(read.parameters, model.parameters);
    EXPECT_EQ(read.double_precision, double_precision);
  }
}

TEST(ModelFile, TheSameModelGivesTheSameBytesUnderAnyName) {
  const TemporaryDirectory directory;
  save_model(directory.path("a"), small_model(false));
  save_model(directory.path("another"), small_model(false));
  EXPECT_EQ(content_of(directory.path("a")), content_of(directory.path("another")));
}

TEST(ModelFile, AModelOfOneLayerHasNoActivations) {
  const TemporaryDirectory directory;
  Model model = small_model(false);
  model.widths = {2, 2};
  model.activations->clear();
  model.parameters.resize(6);
  save_model(directory.path("m"), model);
  EXPECT_TRUE(load_model(directory.path("m")).activations->empty());
}

TEST(ModelFile, RejectsModelsWhosePartsDoNotFit) {
  const TemporaryDirectory directory;
  const auto expect = [&](auto change, const std::string& word) {
    Model model = small_model(false);
    change(model);
    expect_error<ShapeError>([&] { save_model(directory.path("m"), model); }, {"/m: ", word});
  };
  expect([](Model& model) { model.parameters.pop_back(); }, "17 parameters, but 16");
  expect([](Model& model) { model.activations->push_back(Activation::relu); }, "2 activations, expected 1");
  expect([](Model& model) { model.input_scaling.scale.pop_back(); }, "1 input scales");
  expect([](Model& model) { model.class_names.pop_back(); }, "1 class names");
  expect([](Model& model) { model.likelihood.reset(); }, "likelihood");
}

TEST(ModelFile, RefusesToSaveParametersThatAreNotFiniteInItsPrecision) {
  const TemporaryDirectory directory;
  Model model = small_model(true);
  model.parameters[5] = 1e300;
  save_model(directory.path("m"), model);
  model.double_precision = false;
  expect_error<NumericError>([&] { save_model(directory.path("m"), model); },
                             {"parameter 5", "1e+300", "f32"});
}

TEST(ModelFile, RejectsEveryTruncation) {
  const TemporaryDirectory directory;
  save_model(directory.path("m"), small_model(false));
  expect_error_at_every_truncation(directory, content_of(directory.path("m")), load_model);
}

TEST(ModelFile, ReadsFilesOfPyTorchSequentialsInTheOrderOfTheirNumbers) {
  const TemporaryDirectory directory;
  // Layer 10 comes after layer 2 though its name sorts before, and its tensors lie first in the file.
  const std::string header = "{\"__metadata__\":{\"format\":\"pt\"}," + tensor("10.bias", "[1]", 0, 4) + "," +
                             tensor("10.weight", "[1,3]", 4, 16) + "," + tensor("2.bias", "[3]", 16, 28) +
                             "," + tensor("2.weight", "[3,2]", 28, 52) + "}";
  std::string file = safetensors(header, 52);
  const float first_bias_of_layer_2 = 7.0F;
  std::memcpy(file.data() + file.size() - 52 + 16, &first_bias_of_layer_2, 4);
  const Model model = load_model(directory.write("m", file));
  EXPECT_EQ(model.widths, (std::vector<Index>{2, 3, 1}));
  EXPECT_EQ(model.parameters[6], 7.0);
  EXPECT_FALSE(model.activations.has_value());
  EXPECT_FALSE(model.likelihood.has_value());
}

TEST(ModelFile, NamesTheByteOfAFaultyHeader) {
  expect_fault("{\"a\":", 0, {"byte 14", "not valid JSON"});
  expect_fault("[]", 0, {"not a JSON object"});
  expect_fault("{}", 0, {"holds no tensor"});
  expect_fault("{\"__metadata__\":{\"a\":1}}", 0, {"__metadata__", "'a'", "expected a string"});
  expect_fault(std::string(100'000, '['), 0, {"not valid JSON"});
}

TEST(ModelFile, NamesTheTensorThatIsWrong) {
  const std::string name = "layers.0.weight", where = "'layers.0.weight'";
  expect_fault("{\"layers.0.weight\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2,
               {where, "\"F16\"", "F32"});
  expect_fault("{\"layers.0.weight\":3}", 0, {where, "number"});
  expect_fault("{" + tensor(name, "[1,1]", 0, 8) + "}", 8, {where, "shape [1, 1]", "8 bytes"});
  expect_fault("{" + tensor(name, "[4611686018427387904,4]", 0, 8) + "}", 8, {where, "does not fit"});
  expect_fault("{" + tensor(name, "[-1]", 0, 4) + "}", 4, {where, "'shape'", "-1"});
  expect_fault("{" + tensor(name, "[2]", 0, 8) + "}", 4, {where, "[0, 8]", "<= 4"});
  expect_fault("{" + tensor(name, "[1]", 4, 0) + "}", 4, {where, "[4, 0]"});
  expect_fault("{" + tensor(name, "[1]", 4, 8) + "}", 8, {where, "byte 4, expected 0", "gap"});
  expect_fault("{" + tensor(name, "[1]", 0, 4) + "," + tensor("layers.0.bias", "[1]", 0, 4) + "}", 4,
               {"overlap"});
  expect_fault("{" + tensor(name, "[1]", 0, 4) + "}", 8, {"end at data byte 4", "8"});
}

TEST(ModelFile, NamesTheLayerThatIsMissingOrDoesNotChain) {
  const std::string first =
      tensor("layers.0.weight", "[2,1]", 0, 8) + "," + tensor("layers.0.bias", "[2]", 8, 16);
  expect_fault("{" + tensor("layers.0.weight", "[2,1]", 0, 8) + "}", 8, {"layer 0", "bias is missing"});
  expect_fault(
      "{" + tensor("layers.0.weight", "[2]", 0, 8) + "," + tensor("layers.0.bias", "[2]", 8, 16) + "}", 16,
      {"layer 0", "[2]", "[out, in]"});
  expect_fault(
      "{" + tensor("layers.0.weight", "[2,1]", 0, 8) + "," + tensor("layers.0.bias", "[1]", 8, 12) + "}", 12,
      {"layer 0", "bias", "[1]", "[2]"});
  expect_fault("{" + first + "," + tensor("layers.1.weight", "[1,3]", 16, 28) + "," +
                   tensor("layers.1.bias", "[1]", 28, 32) + "}",
               32, {"layer 1", "3 inputs", "expected 2"});
  expect_fault("{" + first + "," + tensor("norm.running_mean", "[1]", 16, 20) + "}", 20,
               {"'norm.running_mean'"});
  expect_fault("{\"__metadata__\":{\"format\":\"natgrad-1\"}," + first + "," +
                   tensor("layers.2.weight", "[1,2]", 16, 24) + "," + tensor("layers.2.bias", "[1]", 24, 28) +
                   "}",
               28, {"layer 1 is missing"});
}

TEST(ModelFile, NamesTheMetadataThatIsMissingOrWrong) {
  const std::string layer =
      tensor("layers.0.weight", "[1,1]", 0, 4) + "," + tensor("layers.0.bias", "[1]", 4, 8) + "}";
  const auto with = [&](const std::string& entries) {
    return "{\"__metadata__\":{" + entries + "}," + layer;
  };
  expect_fault(with("\"format\":\"natgrad-2\""), 8, {"natgrad-2", "natgrad-1"});
  expect_fault(with("\"format\":\"natgrad-1\""), 8, {"lack 'activations'"});
  expect_fault(with("\"format\":\"natgrad-1\",\"activations\":\"cos\""), 8, {"'activations'", "cos"});
  const std::string start = "\"format\":\"natgrad-1\",\"activations\":\"\",\"likelihood\":\"gaussian\",";
  expect_fault(with(start + "\"input_shift\":\"[null]\""), 8, {"'input_shift'"});
  expect_fault(with(start + "\"input_shift\":\"[1,2]\",\"input_scale\":\"[1,2]\",\"target_shift\":\"[]\","
                            "\"target_scale\":\"[]\",\"class_names\":\"[]\""),
               8, {"2 input shifts", "1"});
}

TEST(ModelFile, NamesTheParameterThatIsNotFinite) {
  const TemporaryDirectory directory;
  std::string file =
      safetensors("{" + tensor("0.weight", "[1,2]", 0, 8) + "," + tensor("0.bias", "[1]", 8, 12) + "}", 12);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(file.data() + file.size() - 8, &nan, 4);
  const std::string path = directory.write("nan.safetensors", file);
  expect_error<DataError>([&] { load_model(path); }, {path, "'0.weight'", "element 1", "nan"});
}

}  // namespace
}  // namespace natgrad
