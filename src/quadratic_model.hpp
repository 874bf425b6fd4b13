/// The exact quadratic model of a batch along two vectors.
#pragma once

#include "natgrad/network.hpp"

namespace natgrad {

/// m(s) = −gᵀs + ½sᵀ(F + κI)s, F the exact Fisher of the batch, minimised over s = αd + μs₋ (Martens & Grosse
/// 2015, sections 6.4 and 7). Products with F are had from Jd and Js₋, never from a matrix.
template <class R>
class QuadraticModel {
 public:
  /// The network must outlive the model.
  QuadraticModel(const Network<R>& net, Likelihood likelihood) : net_(net), likelihood_(likelihood) {}

  /// d ← αd + μs₋; slots rate and momentum ← α, μ, quadratic ← sᵀFs. `previous`, s₋, may be empty.
  void minimise(const Activations<R>& acts, VectorView<const R> g, double kappa, VectorView<const R> previous,
                VectorView<R> d);

  /// Elements of memory for N samples.
  static Index elements(const NetworkShape& shape, Index samples);

 private:
  const Network<R>& net_;
  Likelihood likelihood_;
  Buffer<R> jacobian_d_, jacobian_s_;  // Jd, Js₋, C × N
  Buffer<R> scratch_;
  Buffer<R> step_;  // P
};

}  // namespace natgrad
