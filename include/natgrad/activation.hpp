/// Element-wise activation functions φ of the hidden layers.
#pragma once

#include <string_view>

namespace natgrad {

/// identity z · tanh · sigmoid 1/(1 + e⁻ᶻ) · relu max(z, 0) · gelu z Φ(z) (exact, Hendrycks & Gimpel 2016) ·
/// silu z sigmoid(z) · softplus log(1 + eᶻ) · sin. Where z is not finite, φ(z) is not either: NaN instead of
/// a limit.
enum class Activation { identity, tanh, sigmoid, relu, gelu, silu, softplus, sin };

std::string_view to_string(Activation activation);

/// Throws UsageError, naming the allowed values, where `name` is none of them.
Activation parse_activation(std::string_view name);

}  // namespace natgrad
