/// Class labels: which classes there are, and each sample's class index.
#pragma once

#include "data/targets.hpp"

namespace natgrad {

/// Sets code.outputs and, for a CSV column, code.class_names from the training labels. Throws DataError where
/// they are no labels; with `doubtful` (the likelihood was not given) also where integers look like
/// measurements.
void fit_classes(const RawTargets& train, bool doubtful, TargetCode& code);

/// 1 × N class indices. Throws DataError, naming the sample, at a label outside the code's classes.
template <class R>
HostMatrix<R> encode_classes(const RawTargets& targets, const TargetCode& code);

}  // namespace natgrad
