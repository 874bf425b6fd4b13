#include "natgrad/dataset.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "dataset_fixture.hpp"
#include "io/data_directory.hpp"
#include "random.hpp"

namespace natgrad {
namespace {

using testing::DatasetTest;
using testing::Doubles;
using testing::expect_error;
using testing::Strings;

TEST_F(DatasetTest, LoadsTheShippedDigitsSplitAndScaled) {
  options.data = "digits";
  options.test_fraction = 0.2;
  const auto split = load_data<float>(options);
  EXPECT_EQ(split.train.samples(), 1437);
  EXPECT_EQ(split.test.samples(), 360);
  EXPECT_EQ(split.train.x.rows, 64);
  EXPECT_EQ(split.outputs, 10);
  EXPECT_EQ(split.likelihood, Likelihood::categorical);
  EXPECT_EQ(split.input_scaling, (Scaling{{0.0}, {1.0 / 16.0}}));
  EXPECT_EQ(std::ranges::max(split.train.x.data), 1.0F);
  EXPECT_EQ(split.train.y.rows, 1);
  EXPECT_EQ(std::ranges::max(split.train.y.data), 9.0F);
  EXPECT_TRUE(split.class_names.empty());
}

TEST(DataDirectory, NamesBothPlacesOfAMissingFile) {
  expect_error<DataError>([] { find_shipped_file("none.gz"); },
                          {"share/natgrad/data/none.gz", std::string(source_data_directory()) + "/none.gz"});
}

TEST_F(DatasetTest, TheSplitIsThePermutationOfTheSeedWithTheTestPartLast) {
  train({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, std::string(10, '\0'));
  options.scale = "none";
  options.seed = 7;
  options.test_fraction = 0.25;  // ceil(2.5) = 3
  const auto split = load();
  const std::vector<Index> order = random_permutation(RandomKey{7, Stream::split, 0}, 10);
  Doubles joined = split.train.x.data;
  joined.insert(joined.end(), split.test.x.data.begin(), split.test.x.data.end());
  EXPECT_EQ(joined, Doubles(order.begin(), order.end()));
  EXPECT_EQ(split.test.samples(), 3);
}

TEST_F(DatasetTest, AFractionOfAWholeNumberOfSamplesIsNotRoundedUp) {
  train(Doubles(100), std::string(100, '\0'));
  options.test_fraction = 0.07;  // 0.07 * 100 is 7.000000000000001
  EXPECT_EQ(load().test.samples(), 7);
}

TEST_F(DatasetTest, RejectsFractionsThatLeaveNothingToTrainOn) {
  train({0, 1}, std::string(2, '\0'));
  for (const double fraction : {1.0, -0.1, std::nan(""), 0.9}) {
    options.test_fraction = fraction;
    expect_usage_error({"--test-fraction"});
  }
}

TEST_F(DatasetTest, UnitScalingIsFittedOnTheTrainingPartOnly) {
  train({2, 4, 6}, std::string(3, '\0'));
  test({8}, std::string(1, '\0'));
  const auto split = load();
  EXPECT_EQ(split.train.x.data, (Doubles{0.0, 0.5, 1.0}));
  EXPECT_EQ(split.test.x.data, Doubles{1.5});
}

TEST_F(DatasetTest, StandardScalingGivesEachColumnMeanZeroAndDeviationOne) {
  train_table("a,b,t\n1,0.1,0\n3,0.1,1\n");
  options.scale = "standard";
  const auto split = load();
  EXPECT_EQ(split.train.x.data, (Doubles{-1, 0, 1, 0}));  // the constant column becomes 0
  EXPECT_EQ(split.input_scaling.scale, (Doubles{1, 0}));
}

TEST_F(DatasetTest, AConstantArrayBecomesZeroAndInvertsToTheConstant) {
  train({5, 5}, std::string(2, '\0'));
  auto split = load();
  EXPECT_EQ(split.train.x.data, (Doubles{0, 0}));
  split.input_scaling.invert(split.train.x.view());
  EXPECT_EQ(split.train.x.data, (Doubles{5, 5}));
}

TEST(Scaling, RejectsAMatrixOfAnotherNumberOfRows) {
  HostMatrix<float> x(3, 1);
  const Scaling scaling{{0, 0}, {1, 1}};
  expect_error<ShapeError>([&] { scaling.apply(x.view()); }, {"2 shifts", "3"});
}

TEST_F(DatasetTest, RejectsASpreadBeyondTheRange) {
  train({-1e308, 1e308}, std::string(2, '\0'));
  expect_data_error({"train_x", "inf"});
}

TEST_F(DatasetTest, RealTargetsAreGaussianAndScaledInvertibly) {
  train_reals({1, 2, 3}, {10, 20, 40});
  options.scale_target = "standard";
  const auto split = load();
  EXPECT_EQ(split.likelihood, Likelihood::gaussian);
  HostMatrix<double> y = split.train.y;
  double sum = 0, squares = 0;
  for (const double value : y.data) sum += value, squares += value * value;
  const double tolerance = 4 * 3 * std::numeric_limits<double>::epsilon();
  EXPECT_NEAR(sum, 0.0, tolerance);
  EXPECT_NEAR(squares, 3.0, 3 * tolerance);
  split.target_scaling.invert(y.view());
  for (std::size_t k = 0; k < 3; ++k) EXPECT_NEAR(y.data[k], (Doubles{10, 20, 40})[k], 40 * tolerance);
}

TEST_F(DatasetTest, AnExplicitLikelihoodWins) {
  train({1, 2, 3}, {0, 1, 1});
  options.likelihood = "gaussian";
  EXPECT_EQ(load().likelihood, Likelihood::gaussian);
  options.likelihood = "bernoulli";
  EXPECT_EQ(load().outputs, 1);
  train_reals({1, 2, 3}, {0, 1, 2});
  options.likelihood = "categorical";
  EXPECT_EQ(load().outputs, 3);
}

TEST_F(DatasetTest, RejectsTargetsThatDoNotFitTheLikelihood) {
  train_reals({1, 2, 3}, {0, 1, 1.5});
  options.likelihood = "categorical";
  expect_data_error({"train_y", "sample 2", "1.5", "gaussian"});
  options.likelihood = "bernoulli";
  expect_data_error({"train_y", "sample 2", "1.5", "[0, 1]"});
  options.likelihood = "poisson";
  expect_usage_error({"poisson"});
}

TEST_F(DatasetTest, RejectsMoreClassesThanSamplesSuggestingGaussian) {
  train({1, 2, 3}, {0, 3, 1});
  expect_data_error({"train_y", "sample 1", "label 3", "4 classes", "--likelihood gaussian"});
}

TEST_F(DatasetTest, NamesATestLabelOutsideTheTrainingClasses) {
  train({1, 2, 3}, {0, 1, 1});
  test({1, 2}, {1, 2});
  expect_data_error({"test_y", "sample 1", "label is 2", "0 to 1"});
}

TEST_F(DatasetTest, NamesTheSampleInTheFileEvenAfterTheSplit) {
  Doubles y(10, 0.0);
  y[6] = -1.0;
  train_reals(Doubles(10), y);
  options.likelihood = "categorical";
  options.test_fraction = 0.5;
  expect_data_error({"train_y", "sample 6", "-1"});
}

TEST_F(DatasetTest, LabelsOfATableAreSortedAsNumbersOrAsText) {
  train_table("a,t\n1,10\n2,2\n3,10.0\n4,2\n");
  options.likelihood = "categorical";
  auto split = load();
  EXPECT_EQ(split.class_names, (Strings{"2", "10"}));
  EXPECT_EQ(split.train.y.data, (Doubles{1, 0, 1, 0}));
  options.likelihood = "auto";
  train_table("a,t\n1,x10\n2,x2\n3,b\n");
  split = load();
  EXPECT_EQ(split.likelihood, Likelihood::categorical);
  EXPECT_EQ(split.class_names, (Strings{"b", "x10", "x2"}));
  EXPECT_EQ(split.train.y.data, (Doubles{1, 2, 0}));
}

TEST_F(DatasetTest, AutoTellsRealFromIntegerColumns) {
  train_table("a,t\n1,1\n2,2\n");
  EXPECT_EQ(load().likelihood, Likelihood::categorical);
  train_table("a,t\n1,1\n2,2.5\n");
  EXPECT_EQ(load().likelihood, Likelihood::gaussian);
}

TEST_F(DatasetTest, AutoRefusesIntegersThatLookLikeMeasurements) {
  std::string text = "a,t\n";
  for (int k = 0; k < 20; ++k) text += "1," + std::to_string(250000 + 1000 * k) + "\n";
  train_table(text);
  expect_data_error({"train.csv", "20 different integers", "250000", "--likelihood gaussian"});
  options.likelihood = "categorical";
  EXPECT_EQ(load().outputs, 20);
}

TEST_F(DatasetTest, NamesTheLineOfATestLabelThatTrainingDidNotHave) {
  train_table("a,t\n1,x\n2,y\n");
  options.test_csv = directory.write("test.csv", "a,t\n1,x\n1,z\n");
  expect_data_error({"test.csv", "line 3", "'z'", "x, y"});
}

TEST_F(DatasetTest, RejectsTestColumnsInAnotherOrder) {
  train_table("a,b,t\n1,2,x\n");
  options.test_csv = directory.write("test.csv", "b,a,t\n1,2,x\n");
  expect_data_error({"test.csv", "column 0", "'b'", "'a'"});
}

TEST_F(DatasetTest, RejectsBadTargetCells) {
  train_table("a,t\n1,0.5\n2,nan\n");
  expect_data_error({"train.csv", "line 3", "nan"});
  train_table("a,t\n1,0.5\n2,x\n");
  options.likelihood = "gaussian";
  expect_data_error({"train.csv", "line 3", "'x'", "not a number"});
  train_table("a,t\n1,caf\xe9\n");
  options.likelihood = "auto";
  expect_data_error({"train.csv", "UTF-8"});
}

TEST_F(DatasetTest, NamesBothFilesWhoseSampleCountsDiffer) {
  train({1, 2, 3}, {0, 1});
  expect_data_error({"train_y", "2 samples", "expected 3", "train_x"});
}

TEST_F(DatasetTest, RejectsTestInputsOfAnotherWidth) {
  train_table("a,b,t\n1,2,x\n");
  options.test_csv = directory.write("test.csv", "a,t\n1,x\n");
  expect_data_error({"test.csv", "1 features", "expected 2"});
}

TEST_F(DatasetTest, AutoencodeTakesTheScaledInputsForTargets) {
  options.train_x = npy("train_x", {0, 1, 4});
  options.autoencode = true;
  const auto split = load();
  EXPECT_EQ(split.likelihood, Likelihood::bernoulli);
  EXPECT_EQ(split.train.y.data, (Doubles{0, 0.25, 1}));
  EXPECT_EQ(split.outputs, 1);
  options.scale = "none";
  expect_data_error({"train_x", "sample 2", "4", "[0, 1]"});
  options.likelihood = "gaussian";
  EXPECT_EQ(load().train.y.data, (Doubles{0, 1, 4}));
}

TEST_F(DatasetTest, RejectsOptionsThatContradictEachOther) {
  expect_usage_error({"no data"});
  options.data = "iris";
  expect_usage_error({"iris", "digits"});
  options.data = "digits";
  options.train_x = "x.npy";
  expect_usage_error({"--train-y"});
  options.train_y = "y.npy";
  expect_usage_error({"--data"});
  options.data = "";
  options.train_csv = "t.csv";
  expect_usage_error({"--train-csv"});
  options = {};
  train({1, 2}, {0, 1});
  options.test_y = "y.npy";
  expect_usage_error({"--test-x"});
  options = {};
  options.scale = "huge";
  expect_usage_error({"--scale", "huge", "unit, standard or none"});
  options = {};
  train({1, 2}, {0, 1});
  options.scale_target = "unit";
  expect_usage_error({"--scale-target", "categorical"});
  options.scale_target = "none";
  options.autoencode = true;
  options.likelihood = "categorical";
  expect_usage_error({"--autoencode"});
  options = {};
  options.train_csv = directory.write("t.csv", "a,t\n1,2\n");
  expect_usage_error({"t.csv", "--target"});
}

TEST(Mnist, LoadsInSinglePrecision) {
  const char* folder = std::getenv("NATGRAD_TEST_DATA");
  if (!folder) GTEST_SKIP() << "NATGRAD_TEST_DATA names no folder with mnist/*.gz";
  const std::string mnist = std::string(folder) + "/mnist/";
  DataOptions options;
  options.train_x = mnist + "train-images-idx3-ubyte.gz";
  options.train_y = mnist + "train-labels-idx1-ubyte.gz";
  options.test_x = mnist + "t10k-images-idx3-ubyte.gz";
  options.test_y = mnist + "t10k-labels-idx1-ubyte.gz";
  const auto split = load_data<float>(options);
  EXPECT_EQ(split.train.samples(), 60000);
  EXPECT_EQ(split.test.samples(), 10000);
  EXPECT_EQ(split.train.x.rows, 784);
  EXPECT_EQ(std::ranges::max(split.test.x.data), 1.0F);
  EXPECT_EQ(split.train.y(0, 0), 5.0F);  // the first training image is a five
}

}  // namespace
}  // namespace natgrad
