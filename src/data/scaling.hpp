/// Fitting of a Scaling.
#pragma once

#include <string>

#include "natgrad/dataset.hpp"

namespace natgrad {

/// Throws UsageError, naming `option` and the allowed values, unless `kind` is unit, standard or none.
void check_scale_kind(const std::string& option, const std::string& kind);

/// The scaling of this kind for the training data x (n × N, N ≥ 1, finite). `path` is named in errors.
/// Throws DataError where a spread exceeds f64's range.
template <class R>
Scaling fit_scaling(const std::string& kind, MatrixView<const R> x, const std::string& path);

}  // namespace natgrad
