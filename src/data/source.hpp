/// The samples of a file or a pair of files, before split, scaling and encoding.
#pragma once

#include "data/targets.hpp"

namespace natgrad {

/// Files of inputs and targets: a pair of arrays or one table. Empty paths where there are none.
struct DataFiles {
  std::string x, y, csv;
  std::uint64_t max_decompressed = 0;

  bool empty() const { return x.empty() && csv.empty(); }
};

/// The files that the options name for training (the digits among them) and for the test.
/// Throw UsageError where the options name too much or too little.
DataFiles training_files(const DataOptions& options, bool need_targets);
DataFiles test_files(const DataOptions& options, bool need_targets);

/// N samples as read.
template <class R>
struct RawData {
  Origin origin;                           ///< of x
  HostMatrix<R> x;                         ///< n_0 × N
  RawTargets y;                            ///< of N samples, or of none
  std::vector<std::string> feature_names;  ///< of a CSV table with a header
};

/// Reads the files. `features` is the number of inputs that is expected, or −1 where any will do.
/// Throws DataError for malformed files, for targets of another number than the inputs, and for another
/// number of features.
template <class R>
RawData<R> read_data(const DataFiles& files, const std::string& target, bool need_targets, Index features);

/// Permutes the samples and takes the last ceil(fraction·N) off `data` as the test part, as load_data
/// documents. Throws UsageError unless the fraction is in [0, 1) and leaves a sample to train on.
template <class R>
RawData<R> split_off(RawData<R>& data, double fraction, std::uint64_t seed);

}  // namespace natgrad
