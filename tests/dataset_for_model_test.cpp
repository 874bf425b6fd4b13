#include "dataset_fixture.hpp"
#include "natgrad/model_file.hpp"

namespace natgrad {
namespace {

using testing::DatasetTest;
using testing::Doubles;
using testing::expect_error;

class DatasetForModelTest : public DatasetTest {
 protected:
  DatasetForModelTest() {
    model.widths = {1, 2};
    model.likelihood = Likelihood::categorical;
    model.input_scaling = {{2}, {0.5}};
    model.class_names = {"no", "yes"};
  }
  Model model;
};

TEST_F(DatasetForModelTest, AppliesTheModelsScalingAndLabels) {
  options.test_csv = directory.write("test.csv", "a,t\n4,yes\n6,no\n");
  options.target = "t";
  const auto data = load_data_for_model<float>(options, model, true);
  EXPECT_EQ(data.x.data, (std::vector<float>{1, 2}));
  EXPECT_EQ(data.y.data, (std::vector<float>{1, 0}));
}

TEST_F(DatasetForModelTest, ReadsInputsWithoutTargets) {
  options.target = "t";
  for (const char* text : {"a\n4\n", "a,t\n4,unknown\n", "4\n"}) {
    options.test_csv = directory.write("test.csv", text);
    const auto data = load_data_for_model<float>(options, model, false);
    EXPECT_EQ(data.x.data, std::vector<float>{1});
    EXPECT_EQ(data.y.cols, 0);
  }
  options = {};
  options.test_x = npy("x.npy", {4});
  EXPECT_EQ(load_data_for_model<double>(options, model, false).x.data, Doubles{1});
  expect_error<UsageError>([&] { load_data_for_model<double>(options, model, true); }, {"--test-y"});
}

TEST_F(DatasetForModelTest, TakesIntegersForLabelsWhereTheClassesAreNumbersElseForIndices) {
  train({4, 4}, {1, 0});
  EXPECT_EQ(load_data_for_model<double>(options, model, true).y.data, (Doubles{1, 0}));
  model.class_names = {"1", "2"};
  expect_error<DataError>([&] { load_data_for_model<double>(options, model, true); },
                          {"sample 1", "'0'", "1, 2"});
}

TEST_F(DatasetForModelTest, GivesTheSameTestPartAsTraining) {
  options.data = "digits";
  options.test_fraction = 0.2;
  const auto split = load_data<float>(options);
  model = {{64, 10}, std::nullopt, Likelihood::categorical, split.input_scaling, {}, {}, {}, false};
  const auto data = load_data_for_model<float>(options, model, true);
  EXPECT_EQ(data.x.data, split.test.x.data);
  EXPECT_EQ(data.y.data, split.test.y.data);
}

TEST_F(DatasetForModelTest, RejectsInputsOfAnotherWidthThanTheModels) {
  options.data = "digits";
  expect_error<DataError>([&] { load_data_for_model<float>(options, model, false); },
                          {"64 features", "expected 1"});
}

}  // namespace
}  // namespace natgrad
