#include "io/csv.hpp"

#include <clocale>

#include "io/temporary_directory.hpp"

namespace natgrad {
namespace {

using testing::expect_error;
using testing::TemporaryDirectory;
using Strings = std::vector<std::string>;

CsvTable<double> read(const std::string& text, const std::string& target, Index features_alone = -1) {
  const TemporaryDirectory directory;
  return read_csv<double>(directory.write("t.csv", text), target, features_alone);
}

void expect_fault(const std::string& text, const std::string& target, const std::vector<std::string>& words) {
  expect_error<DataError>([&] { read(text, target); }, {"t.csv"});
  expect_error<DataError>([&] { read(text, target); }, words);
}

TEST(Csv, TakesTheTargetByNameOrIndexAndSamplesByColumn) {
  for (const char* target : {"kind", "1"}) {
    const auto table = read("a,kind,b\n1,x,2\n3,y,4\n", target);
    EXPECT_EQ(table.x.rows, 2);
    EXPECT_EQ(table.x.data, (std::vector<double>{1, 2, 3, 4}));
    EXPECT_EQ(table.targets, (Strings{"x", "y"}));
    EXPECT_EQ(table.feature_names, (Strings{"a", "b"}));
    EXPECT_EQ(table.lines, (std::vector<Index>{2, 3}));
  }
}

TEST(Csv, TakesAFirstLineOfNumbersForData) {
  const auto table = read("1,x,2\n3,y,4\n", "1");
  EXPECT_EQ(table.targets, (Strings{"x", "y"}));
  EXPECT_TRUE(table.feature_names.empty());
}

TEST(Csv, DetectsSemicolonAndTab) {
  EXPECT_EQ(read("1;2;3\n", "0").x.data, (std::vector<double>{2, 3}));
  EXPECT_EQ(read("\"a,b\"\t\"c;d\"\tt\n1\t2\t3\n", "t").feature_names, (Strings{"a,b", "c;d"}));
}

TEST(Csv, ReadsQuotedCellsCarriageReturnsBlankLinesAndAByteOrderMark) {
  const auto table = read(
      "\xef\xbb\xbf"
      "a,\"the \"\"kind\"\"\"\r\n\r\n \"1\" ,x\r\n",
      "the \"kind\"", -1);
  EXPECT_EQ(table.targets, Strings{"x"});
  const auto lines = read("a,t\n1,\"x\ny\"\n\n+2.5, z \n-1e-3,w", "t");
  EXPECT_EQ(lines.targets, (Strings{"x\ny", "z", "w"}));
  EXPECT_EQ(lines.x.data, (std::vector<double>{1, 2.5, -1e-3}));
  EXPECT_EQ(lines.lines, (std::vector<Index>{2, 5, 6}));
}

TEST(Csv, MayLackTheTargetWhereOnlyFeaturesAreExpected) {
  EXPECT_EQ(read("a,b\n1,2\n", "t", 2).x.data, (std::vector<double>{1, 2}));
  EXPECT_EQ(read("a,b,t\n1,2,x\n", "t", 2).x.data, (std::vector<double>{1, 2}));
  EXPECT_EQ(read("1,2\n", "", -1).x.data, (std::vector<double>{1, 2}));
}

TEST(Csv, NamesTheLineOfARaggedRecord) {
  expect_fault("1,2,3\n\n1,2\n", "0", {"line 3", "2 cells", "expected 3"});
  expect_fault("1,2,3\n1,2,3,4\n", "0", {"line 2", "4 cells"});
}

TEST(Csv, NamesLineAndColumnOfATextOrEmptyCell) {
  expect_fault("a,t\n1,0\nfoo,1\n", "t", {"line 3", "sample 1", "column 0", "'foo'"});
  expect_fault("a,t\n1,0\n1.5x,1\n", "t", {"'1.5x'"});
  expect_fault("a,t\n,0\n", "t", {"line 2", "column 0", "empty"});
  expect_fault("a,t\n1,\n", "t", {"line 2", "column 1", "empty", "a target"});
  expect_fault("1,NA,0\n2,3,1\n", "2", {"line 1", "column 1", "'NA'"});
}

TEST(Csv, RejectsNumbersThatAreNotFinite) {
  expect_fault("a,t\nnan,0\n", "t", {"line 2", "column 0", "nan", "finite"});
  expect_fault("a,t\n-inf,0\n", "t", {"-inf"});
  expect_fault("a,t\n1e999,0\n", "t", {"'1e999'", "range"});
  const TemporaryDirectory directory;
  const std::string path = directory.write("large.csv", "a,t\n1e99,0\n");
  expect_error<DataError>([&] { read_csv<float>(path, "t", -1); }, {path, "line 2", "as f32"});
}

TEST(Csv, RejectsTargetsThatAreNotThereListingTheColumns) {
  expect_fault("a,b\n1,2\n", "c", {"'c'", "a, b"});
  expect_fault("a,b\n1,2\n", "2", {"2 columns", "0 to 1"});
  expect_fault("1,2\n", "t", {"'t'", "0-based index"});
}

TEST(Csv, RejectsTablesWithoutSamplesOrFeatures) {
  expect_fault("a,t\n", "t", {"no sample"});
  expect_fault("\n \r\n", "t", {"blank lines only"});
  expect_fault("t\n1\n", "t", {"no column but the target"});
}

TEST(Csv, NamesTheLineWhereAQuoteIsNotClosed) {
  expect_fault("a,t\n1,\"x\n2,y\n", "t", {"line 2", "never closed"});
  expect_fault("a,t\n1,\"x\"y\n", "t", {"line 2", "'y' after a closing quote"});
}

TEST(Csv, ReadsTheSameNumbersInALocaleWithADecimalComma) {
  if (!std::setlocale(LC_NUMERIC, "de_DE.UTF-8")) GTEST_SKIP() << "the locale de_DE.UTF-8 is not installed";
  const auto table = read("1.5,0\n", "1");
  std::setlocale(LC_NUMERIC, "C");
  EXPECT_EQ(table.x.data, std::vector<double>{1.5});
}

}  // namespace
}  // namespace natgrad
