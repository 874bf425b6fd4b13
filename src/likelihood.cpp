#include "natgrad/likelihood.hpp"

#include "names.hpp"

namespace natgrad {
namespace {

constexpr Name<Likelihood> names[] = {{Likelihood::gaussian, "gaussian"},
                                      {Likelihood::bernoulli, "bernoulli"},
                                      {Likelihood::categorical, "categorical"}};

}  // namespace

std::string_view to_string(Likelihood likelihood) { return name_of(names, likelihood); }
Likelihood parse_likelihood(std::string_view name) { return value_of(names, name, "likelihood"); }

}  // namespace natgrad
