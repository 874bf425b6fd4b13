/// Targets as files hold them, and their encoding for a likelihood.
#pragma once

#include <string>
#include <vector>

#include "natgrad/dataset.hpp"

namespace natgrad {

/// Which sample of a file each column of a matrix is, for error messages.
struct Origin {
  std::string path;
  std::vector<Index> samples;  ///< numbers in the file; empty where they are 0, 1, …
  std::vector<Index> lines;    ///< lines in a CSV file; empty for arrays

  /// Such as "train.csv: line 7 (sample 5)".
  std::string at(Index column) const;
};

/// The targets of N samples before their encoding.
struct RawTargets {
  enum class Kind { integer, real, text };

  Origin origin;
  Kind kind = Kind::integer;
  HostMatrix<double> values;        ///< C × N; 0 × 0 for text
  std::vector<std::string> labels;  ///< N cells of a CSV column; empty for arrays
};

/// How targets become the numbers that the network is trained on; fitted on the training part.
struct TargetCode {
  Likelihood likelihood = Likelihood::categorical;
  Index outputs = 0;
  Scaling scaling;
  std::vector<std::string> class_names;
};

/// Reads an NPY or IDX file of targets, (N) or (N, C). Throws DataError.
RawTargets read_targets(const std::string& path, std::uint64_t max_decompressed);
/// The targets of a CSV column: integers or reals if all cells are, else text. Throws DataError at one that
/// is not finite.
RawTargets parse_targets(std::vector<std::string> cells, Origin origin);

/// The code for the training targets; `likelihood` and `scale_target` as in DataOptions.
/// Throws DataError where the targets do not fit the likelihood, UsageError where scale_target does not.
TargetCode fit_targets(const RawTargets& train, const std::string& likelihood,
                       const std::string& scale_target);

/// The targets as C × N numbers, for categorical 1 × N class indices. Throws DataError, naming the sample, at
/// one that the code does not allow.
template <class R>
HostMatrix<R> encode_targets(const RawTargets& targets, const TargetCode& code);

/// Throws DataError, naming the sample and the row, unless every entry is in [0, 1], as bernoulli needs.
template <class R>
void require_unit_interval(MatrixView<const R> y, const Origin& origin);

}  // namespace natgrad
