#include "data/source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "io/array.hpp"
#include "io/csv.hpp"
#include "io/data_directory.hpp"
#include "random.hpp"

namespace natgrad {
namespace {

/// Throws unless the files of one part ("train" or "test") go together.
void check_files(const DataFiles& files, const char* part, bool need_targets) {
  if (!files.csv.empty() && !(files.x.empty() && files.y.empty())) {
    throw UsageError(fmt::format("--{0}-csv: cannot be given together with --{0}-x or --{0}-y", part));
  }
  if (files.x.empty() && !files.y.empty())
    throw UsageError(fmt::format("--{0}-y: needs --{0}-x as well", part));
  if (!files.x.empty() && files.y.empty() && need_targets) {
    throw UsageError(fmt::format("--{0}-x: needs --{0}-y as well (or --autoencode)", part));
  }
}

template <class T>
std::vector<T> select(const std::vector<T>& values, std::span<const Index> chosen) {
  std::vector<T> result;
  if (values.empty()) return result;
  result.reserve(chosen.size());
  for (const Index k : chosen) result.push_back(values[static_cast<std::size_t>(k)]);
  return result;
}

template <class T>
HostMatrix<T> select(const HostMatrix<T>& matrix, std::span<const Index> chosen) {
  if (matrix.data.empty()) return {};
  HostMatrix<T> result(matrix.rows, static_cast<Index>(chosen.size()));
  for (Index j = 0; j < result.cols; ++j) {
    std::copy_n(matrix.data.data() + chosen[static_cast<std::size_t>(j)] * matrix.rows, matrix.rows,
                result.data.data() + j * matrix.rows);
  }
  return result;
}

Origin select(const Origin& origin, std::span<const Index> chosen) {
  return {origin.path, std::vector<Index>(chosen.begin(), chosen.end()), select(origin.lines, chosen)};
}

template <class R>
RawData<R> select(const RawData<R>& data, std::span<const Index> chosen) {
  return {select(data.origin, chosen),
          select(data.x, chosen),
          {select(data.y.origin, chosen), data.y.kind, select(data.y.values, chosen),
           select(data.y.labels, chosen)},
          data.feature_names};
}

template <class R>
RawData<R> read_table(const DataFiles& files, const std::string& target, bool need_targets, Index features) {
  const std::string& path = files.csv;
  if (need_targets && target.empty()) {
    throw UsageError(path +
                     ": a CSV table needs --target, the name or the 0-based index of its target column");
  }
  CsvTable<R> table = read_csv<R>(path, target, need_targets ? -1 : features, files.max_decompressed);
  const Origin origin{path, {}, table.lines};
  RawData<R> data{origin, std::move(table.x), {}, std::move(table.feature_names)};
  if (need_targets) data.y = parse_targets(std::move(table.targets), origin);
  return data;
}

template <class R>
RawData<R> read_arrays(const DataFiles& files, bool need_targets) {
  RawData<R> data;
  data.origin.path = files.x;
  data.x = to_samples<R>(read_array(files.x, files.max_decompressed));
  if (!need_targets) return data;
  data.y = read_targets(files.y, files.max_decompressed);
  if (data.y.values.cols != data.x.cols) {
    throw DataError(fmt::format("{}: has {} samples, expected {} as in {}", files.y, data.y.values.cols,
                                data.x.cols, files.x));
  }
  return data;
}

}  // namespace

DataFiles training_files(const DataOptions& options, bool need_targets) {
  const DataFiles given{options.train_x, options.train_y, options.train_csv, options.max_decompressed};
  check_files(given, "train", need_targets);
  if (options.data.empty()) {
    if (given.empty())
      throw UsageError("no data: give --data digits, --train-x and --train-y, or --train-csv");
    return given;
  }
  if (options.data != "digits") throw UsageError(fmt::format("--data '{}': expected digits", options.data));
  if (!given.empty()) throw UsageError("--data: cannot be given together with --train-x or --train-csv");
  return {find_shipped_file("digits/digits-images-idx3-ubyte.gz"),
          find_shipped_file("digits/digits-labels-idx1-ubyte.gz"), "", options.max_decompressed};
}

DataFiles test_files(const DataOptions& options, bool need_targets) {
  const DataFiles given{options.test_x, options.test_y, options.test_csv, options.max_decompressed};
  check_files(given, "test", need_targets);
  return given;
}

template <class R>
RawData<R> read_data(const DataFiles& files, const std::string& target, bool need_targets, Index features) {
  RawData<R> data = files.csv.empty() ? read_arrays<R>(files, need_targets)
                                      : read_table<R>(files, target, need_targets, features);
  if (features >= 0 && data.x.rows != features) {
    throw DataError(fmt::format("{}: has {} features per sample, expected {} as in training",
                                data.origin.path, data.x.rows, features));
  }
  return data;
}

template <class R>
RawData<R> split_off(RawData<R>& data, double fraction, std::uint64_t seed) {
  if (!(fraction >= 0.0 && fraction < 1.0)) {
    throw UsageError(
        fmt::format("--test-fraction {}: expected a number from 0 up to, but not including, 1", fraction));
  }
  if (fraction == 0.0) return {};
  const Index samples = data.x.cols;
  // The product may be rounded up past a whole number (0.07 · 100 is 7.000000000000001), which ceil would
  // raise by one.
  const double wanted =
      fraction * static_cast<double>(samples) * (1.0 - 4.0 * std::numeric_limits<double>::epsilon());
  const auto test_samples = static_cast<std::size_t>(std::ceil(wanted));
  if (test_samples >= static_cast<std::size_t>(samples)) {
    throw UsageError(fmt::format(
        "--test-fraction {}: takes all {} samples of {} for the test, expected some to be left for training",
        fraction, samples, data.origin.path));
  }
  const std::vector<Index> order = random_permutation(RandomKey{seed, Stream::split, 0}, samples);
  const std::span<const Index> all = order;
  RawData<R> test = select(data, all.last(test_samples));
  data = select(data, all.first(all.size() - test_samples));
  return test;
}

template RawData<float> read_data(const DataFiles&, const std::string&, bool, Index);
template RawData<double> read_data(const DataFiles&, const std::string&, bool, Index);
template RawData<float> split_off(RawData<float>&, double, std::uint64_t);
template RawData<double> split_off(RawData<double>&, double, std::uint64_t);

}  // namespace natgrad
