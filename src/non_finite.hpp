/// Which number spoiled a step. The step itself looks at a few scalars only, which anything that is not
/// finite reaches; this is the slow look at everything that follows when one of them is not.
///
/// Places are named as in a model file, counted from 0: layers.1.weight (3, 17) is the weight of layer 1 into
/// its unit 3 from its input 17. Samples are those of the batch.
#pragma once

#include <string>

#include "natgrad/fisher.hpp"
#include "natgrad/optimizer.hpp"

namespace natgrad {

/// What a step has computed so far; null or empty what it has not.
template <class R>
struct StepParts {
  const Network<R>* net = nullptr;  // null where rows are a caller's own
  Likelihood likelihood = Likelihood::gaussian;
  Batch<R> batch{};
  const Activations<R>* activations = nullptr;
  const Rows<R>* rows = nullptr;
  Index first_sample = 0;  // of the rows, in the batch
  VectorView<const R> gradient{};
  Fisher<R>* fisher = nullptr;
  bool factor_failed = false;  // a factorisation gave what is not finite
  VectorView<const R> direction{};
};

/// Names the first number that is not finite, in the order data, weights, activations, score rows, gradient,
/// curvature, factor, direction: where it is, what it is, what to try. If there is none, the first whose
/// square is not finite in f64; else empty. Downloads the parts; throws DeviceError.
template <class R>
std::string describe_non_finite(Backend<R>& backend, const StepParts<R>& parts);

/// The scalars of a loss that is not finite, where no number by itself is to blame.
std::string describe_non_finite(const Scalars& scalars);

/// "layers.1.weight (3, 17) is -2e+30": the largest element in magnitude of a vector in θ's order.
template <class R>
std::string describe_largest(const Network<R>& net, VectorView<const R> v);

/// "layers.1.weight (3, 17)" or "layers.1.bias (3)"; "parameter 3" of explicit rows.
std::string parameter_name(const RowsShape& shape, Index k);

/// Throws DataError naming feature and sample where a number of x (n × N) or y is not finite; ShapeError
/// where y has targets of another number of samples, or a matrix does not hold its rows · columns.
template <class T>
void require_finite(const HostMatrix<T>& x, const HostMatrix<T>& y);

}  // namespace natgrad
