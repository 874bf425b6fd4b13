/// A whole training on a few samples, with each optimiser and structure: what the tests of memory repeat.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "natgrad/natural_gradient.hpp"
#include "natgrad/trainer.hpp"

namespace natgrad {

/// A way to train.
struct Method {
  std::string name;  // "sgd", "adam", or that of a structure
  /// Of the natural gradient; else without effect.
  NaturalGradientOptions natural{};

  bool is_natural() const { return name != "sgd" && name != "adam"; }
  template <class R>
  std::unique_ptr<Optimizer<R>> optimizer(Network<R>& net) const {
    if (name == "sgd") return make_sgd(net, Likelihood::categorical, {});
    if (name == "adam") return make_adam(net, Likelihood::categorical, {});
    return std::make_unique<NaturalGradient<R>>(net, Likelihood::categorical, natural);
  }
};

/// Both first-order optimisers, every structure, and the options that bring memory of their own.
inline std::vector<Method> methods() {
  std::vector<Method> all{{"sgd"}, {"adam"}};
  for (const Structure structure :
       {Structure::dense, Structure::gram, Structure::matrix_free, Structure::layer, Structure::unit,
        Structure::kronecker, Structure::ekfac, Structure::diagonal}) {
    all.push_back({std::string(to_string(structure))});
    all.back().natural.fisher.structure = structure;
  }
  Method quadratic{"dense, quadratic rule"}, spring{"gram, mc, momentum"}, eigen{"dense, eigen"};
  quadratic.natural.rule = StepRule::quadratic;
  spring.natural.fisher.structure = Structure::gram;
  spring.natural.kind = ScoreKind::mc;
  spring.natural.momentum = 0.5;
  eigen.natural.solver = Solver::eigen;
  all.insert(all.end(), {quadratic, spring, eigen});
  return all;
}

inline NetworkShape small_network() { return {{3, 4, 3}, {Activation::tanh}}; }

/// Three classes, each around a point of its own.
template <class R>
Dataset<R> small_data(Index samples) {
  Dataset<R> data{HostMatrix<R>(3, samples), HostMatrix<R>(1, samples)};
  for (Index n = 0; n < samples; ++n) {
    data.y(0, n) = static_cast<R>(n % 3);
    for (Index i = 0; i < 3; ++i)
      data.x(i, n) = static_cast<R>(i == n % 3) + static_cast<R>((7 * n + 3 * i) % 5) / R(8);
  }
  return data;
}

}  // namespace natgrad
