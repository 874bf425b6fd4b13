/// Small data sets in files, for the tests of their loading.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "io/npy.hpp"
#include "io/temporary_directory.hpp"
#include "natgrad/dataset.hpp"

namespace natgrad::testing {

using Strings = std::vector<std::string>;
using Doubles = std::vector<double>;

/// An IDX file of u1, one number per sample.
inline std::string idx(const std::string& values) {
  return std::string("\0\0\x08\x01\0\0\0", 7) + static_cast<char>(values.size()) + values;
}

/// Options and files for small data sets; x and y are given as numbers, one per sample.
class DatasetTest : public ::testing::Test {
 protected:
  void train(const Doubles& x, const std::string& labels) {
    options.train_x = npy("train_x", x);
    options.train_y = directory.write("train_y", idx(labels));
  }
  void test(const Doubles& x, const std::string& labels) {
    options.test_x = npy("test_x", x);
    options.test_y = directory.write("test_y", idx(labels));
  }
  void train_reals(const Doubles& x, const Doubles& y) {
    options.train_x = npy("train_x", x);
    options.train_y = npy("train_y", y);
  }
  void train_table(const std::string& text) {
    options.train_csv = directory.write("train.csv", text);
    options.target = "t";
  }
  std::string npy(const std::string& name, const Doubles& values) {
    const auto n = static_cast<Index>(values.size());
    write_npy(directory.path(name), MatrixView<const double>(values.data(), 1, n), {n});
    return directory.path(name);
  }
  DataSplit<double> load() const { return load_data<double>(options); }
  void expect_data_error(const Strings& words) const {
    expect_error<DataError>([&] { load(); }, words);
  }
  void expect_usage_error(const Strings& words) const {
    expect_error<UsageError>([&] { load(); }, words);
  }

  TemporaryDirectory directory;
  DataOptions options;
};

}  // namespace natgrad::testing
