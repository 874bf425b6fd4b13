/// Output distributions p(y | z) whose parameters z are the network's outputs.
#pragma once

#include <string_view>

namespace natgrad {

/// | likelihood  | z      | negative log-likelihood | Fisher of the outputs H(z) | rows per sample r |
/// |-------------|--------|-------------------------|----------------------------|-------------------|
/// | gaussian    | mean   | ½‖z − y‖² (σ² = 1)      | I                          | C                 |
/// | bernoulli   | logits | Σ softplus(z) − y z     | diag(p(1 − p))             | C                 |
/// | categorical | logits | logsumexp(z) − z_y      | diag(p) − p pᵀ             | C − 1             |
///
/// Targets y are a C × N matrix, or for categorical a 1 × N matrix of class indices 0 … C−1.
enum class Likelihood { gaussian, bernoulli, categorical };

std::string_view to_string(Likelihood likelihood);

/// Throws UsageError, naming the allowed values, where `name` is none of them.
Likelihood parse_likelihood(std::string_view name);

}  // namespace natgrad
