#include "natgrad/activation.hpp"

#include "names.hpp"

namespace natgrad {
namespace {

constexpr Name<Activation> names[] = {{Activation::identity, "identity"}, {Activation::tanh, "tanh"},
                                      {Activation::sigmoid, "sigmoid"},   {Activation::relu, "relu"},
                                      {Activation::gelu, "gelu"},         {Activation::silu, "silu"},
                                      {Activation::softplus, "softplus"}, {Activation::sin, "sin"}};

}  // namespace

std::string_view to_string(Activation activation) { return name_of(names, activation); }
Activation parse_activation(std::string_view name) { return value_of(names, name, "activation"); }

}  // namespace natgrad
