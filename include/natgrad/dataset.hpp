/// Training and test data: loaded from files, split, scaled and encoded for a likelihood.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "natgrad/likelihood.hpp"
#include "natgrad/matrix.hpp"

namespace natgrad {

struct Model;

/// Most bytes that a compressed file may hold, unless told otherwise: 16 GiB. It can expand a thousandfold,
/// so that its own size bounds nothing.
inline constexpr std::uint64_t decompressed_limit = std::uint64_t{16} << 30;

/// Where the data come from and what is made of them.
///
/// Inputs are NPY or IDX arrays whose axis 0 is the samples, or CSV tables; each may be compressed with gzip.
/// The content tells the format, not the name.
struct DataOptions {
  std::string data;                   ///< "digits": the set that comes with natgrad; or empty
  std::string train_x, train_y;       ///< NPY or IDX: inputs (N, …), targets (N) or (N, C)
  std::string test_x, test_y;         ///< likewise
  std::string train_csv, test_csv;    ///< tables of inputs and one target column
  std::string target;                 ///< that column: its name, or (all digits) its 0-based index
  double test_fraction = 0.0;         ///< in [0, 1): part split off for the test where no test file is given
  bool autoencode = false;            ///< the targets are the scaled inputs; target files are not read
  std::string scale = "unit";         ///< of the inputs: unit, standard or none (see Scaling)
  std::string scale_target = "none";  ///< likewise of gaussian targets
  std::string likelihood = "auto";    ///< auto, gaussian, bernoulli or categorical
  std::uint64_t seed = 1;             ///< of the split
  std::uint64_t max_decompressed = decompressed_limit;  ///< bytes that a compressed file may hold
};

/// The map x ↦ (x − shift)·scale of each row of an n × N matrix, with one shift and one scale for the whole
/// matrix or one for every row; none at all is the identity.
///
/// Fitted on the training part: `unit` takes (x − min)/(max − min) of the whole matrix to [0, 1], `standard`
/// takes (x − mean)/(population standard deviation) of each row. What is constant has scale 0 and becomes 0.
struct Scaling {
  std::vector<double> shift, scale;

  bool identity() const { return shift.empty(); }
  /// Throws ShapeError where the entries are neither 0, 1 nor as many as the matrix has rows.
  template <class R>
  void apply(MatrixView<R> x) const;
  /// Undoes apply: x ↦ x/scale + shift; where scale is 0 it gives the constant `shift`. Throws like apply.
  template <class R>
  void invert(MatrixView<R> x) const;
  bool operator==(const Scaling&) const = default;
};

/// N samples, one per column.
template <class R>
struct Dataset {
  HostMatrix<R> x;  ///< n_0 × N
  HostMatrix<R> y;  ///< C × N, for categorical 1 × N class indices; 0 × 0 where there are no targets

  Index samples() const { return x.cols; }
};

template <class R>
struct DataSplit {
  Dataset<R> train, test;  ///< test has no samples where neither a test file nor a test fraction was given
  Likelihood likelihood = Likelihood::categorical;
  Index outputs = 0;  ///< C: the network's outputs
  Scaling input_scaling, target_scaling;
  std::vector<std::string> class_names;  ///< text of class k; empty where the data hold 0 … C−1 themselves
};

/// Loads, splits, scales and encodes.
///
/// Split: the samples are permuted by the seed's `split` stream; the last ceil(test_fraction·N) are the test
/// part. With a test file nothing is split off.
///
/// Likelihood `auto`: bernoulli for autoencode; categorical for targets that are integers or text; gaussian
/// for real ones. categorical takes class indices 0 … C−1 from an array (C − 1 the largest in the training
/// part), and any labels from a CSV table: those of the training part, sorted as numbers if they all are,
/// else as text, become 0 … C−1. bernoulli takes targets in [0, 1].
///
/// Throws UsageError for options that contradict each other, and DataError, naming the file and the sample or
/// line, for content that is malformed, not finite, or does not fit the likelihood; OutOfMemory for content
/// that does not fit in memory. R is float or double.
template <class R>
DataSplit<R> load_data(const DataOptions& options);

/// Loads data for a trained model, scaled and encoded as the model's training data were; `scale`,
/// `scale_target` and `likelihood` of the options are ignored. The data are the test files, or, where none is
/// given, the training files (or the digits): their test part if test_fraction > 0, else all of them. Without
/// `need_targets`, targets are neither read nor needed: y is 0 × 0, and a CSV table may lack the target
/// column. Throws as load_data does, DataError where the data's widths are not the model's, UsageError where
/// the model has none.
template <class R>
Dataset<R> load_data_for_model(const DataOptions& options, const Model& model, bool need_targets);

}  // namespace natgrad
