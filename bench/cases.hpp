/// The cases of step_bench and the floating-point operations that the algebra of a step asks for.
///
/// Counted are products, symmetric ones by their halves, and factorisations: what a step that does nothing
/// else takes at the rate of a large matrix product. Biases count only where they are part of a product.
#pragma once

#include <span>
#include <string_view>

#include "natgrad/fisher.hpp"

namespace natgrad::bench {

/// One step of one network on random data; hidden layers tanh, one draw where the kind is mc.
struct Case {
  std::string_view name;
  std::span<const Index> widths;  // n_0 … n_L
  Likelihood likelihood = Likelihood::categorical;
  ScoreKind kind = ScoreKind::empirical;
  Structure structure = Structure::gram;  // or dense with exact rows
  Index samples = 0;                      // N
  bool on_request = false;                // left out unless named: takes long, or much memory
  int refine = 0;                         // steps of iterative refinement; not counted as operations

  constexpr std::size_t layers() const { return widths.size() - 1; }
  /// r: exact rows of a categorical output are C − 1, all others of these cases one.
  constexpr Index rows_per_sample() const { return kind == ScoreKind::exact ? widths.back() - 1 : 1; }
  constexpr Index rows() const { return samples * rows_per_sample(); }
  /// P.
  constexpr Index parameters() const {
    Index count = 0;
    for (std::size_t l = 0; l < layers(); ++l) count += widths[l + 1] * (widths[l] + 1);
    return count;
  }
};

/// λ of all cases; the work does not depend on it.
inline constexpr double damping = 1e-2;

inline constexpr Index digits[] = {64, 32, 10};
inline constexpr Index mnist[] = {784, 256, 10};
inline constexpr Index autoencoder[] = {784, 1000, 500, 250, 30, 250, 500, 1000, 784};
inline constexpr Index tiny[] = {6, 5, 4};

inline constexpr Case cases[] = {
    {"digits-dense-exact", digits, Likelihood::categorical, ScoreKind::exact, Structure::dense, 1437},
    {"digits-dense-1024", digits, Likelihood::categorical, ScoreKind::exact, Structure::dense, 1024},
    {"mnist-256-empirical", mnist, Likelihood::categorical, ScoreKind::empirical, Structure::gram, 1024},
    {"mnist-256-exact", mnist, Likelihood::categorical, ScoreKind::exact, Structure::gram, 1024, true},
    {"ae-256-empirical", autoencoder, Likelihood::bernoulli, ScoreKind::empirical, Structure::gram, 256},
    {"ae-1000-empirical", autoencoder, Likelihood::bernoulli, ScoreKind::empirical, Structure::gram, 1000},
    {"ae-1000-mc", autoencoder, Likelihood::bernoulli, ScoreKind::mc, Structure::gram, 1000},
    {"ae-8192-empirical", autoencoder, Likelihood::bernoulli, ScoreKind::empirical, Structure::gram, 8192,
     true},
    // To rehearse with, where a step takes long whatever its size.
    {"tiny-dense", tiny, Likelihood::categorical, ScoreKind::exact, Structure::dense, 33, true},
    {"tiny-gram", tiny, Likelihood::categorical, ScoreKind::empirical, Structure::gram, 33, true},
};

// --- floating-point operations -----------------------------------------------------------------------------

/// Of a layer-wise product with all weights, once per sample: a forward pass, Sv, Sᵀw.
constexpr double pass_flops(const Case& c) {
  double weights = 0.0;
  for (std::size_t l = 0; l < c.layers(); ++l) weights += static_cast<double>(c.widths[l] * c.widths[l + 1]);
  return 2.0 * static_cast<double>(c.samples) * weights;
}

/// Of back-propagating r signals a sample to all layers but the first.
constexpr double signal_flops(const Case& c, Index per_sample) {
  double weights = 0.0;
  for (std::size_t l = 1; l < c.layers(); ++l) weights += static_cast<double>(c.widths[l] * c.widths[l + 1]);
  return 2.0 * static_cast<double>(c.samples * per_sample) * weights;
}

/// Of one plain gradient.
constexpr double gradient_flops(const Case& c) { return 2.0 * pass_flops(c) + signal_flops(c, 1); }

/// Of K = Σ_l (Ã_lᵀÃ_l) ∘ (D_lᵀD_l), halves: N²Σn_l + R²Σn_{l+1}.
constexpr double gram_flops(const Case& c) {
  const double n = static_cast<double>(c.samples), r = static_cast<double>(c.rows());
  double flops = 0.0;
  for (std::size_t l = 0; l < c.layers(); ++l)
    flops += n * n * static_cast<double>(c.widths[l]) + r * r * static_cast<double>(c.widths[l + 1]);
  return flops;
}

/// Of the lower triangle of F by products over pairs of inputs and pairs of signals: unique ones within a
/// layer, all across layers. The sums over a sample's r signals are included.
constexpr double pair_flops(const Case& c) {
  double flops = 0.0;
  for (std::size_t l = 0; l < c.layers(); ++l) {
    for (std::size_t k = 0; k <= l; ++k) {
      const auto pairs = [&](Index p, Index q) { return k == l ? p * (p + 1) / 2 : p * q; };
      const Index inputs = pairs(c.widths[l] + 1, c.widths[k] + 1);
      const Index signals = pairs(c.widths[l + 1], c.widths[k + 1]);
      flops += 2.0 * static_cast<double>(signals * (inputs * c.samples + c.rows()));
    }
  }
  return flops;
}

constexpr double cholesky_flops(Index order) {
  const double n = static_cast<double>(order);
  return n * n * n / 3.0;
}

/// Of the direction: forward, signals, the curvature, its factorisation and the solve. Rows of kind mc need
/// the gradient besides, and its product with S.
constexpr double direction_flops(const Case& c) {
  double flops = pass_flops(c) + signal_flops(c, c.rows_per_sample()) + pass_flops(c);
  if (c.kind == ScoreKind::mc) flops += signal_flops(c, 1) + 2.0 * pass_flops(c);
  return flops + (c.structure == Structure::dense ? pair_flops(c) + cholesky_flops(c.parameters())
                                                  : gram_flops(c) + cholesky_flops(c.rows()));
}

/// Of a whole step: the direction, and the forward pass that measures the KL divergence.
constexpr double step_flops(const Case& c) { return direction_flops(c) + pass_flops(c); }

// The formulas against numbers worked out by hand.
constexpr bool agrees(double flops, double by_hand) {
  return flops > 0.99 * by_hand && flops < 1.01 * by_hand;
}
static_assert(agrees(direction_flops(cases[1]), 8.45e9));
static_assert(agrees(direction_flops(cases[2]), 2.57e9));
static_assert(agrees(direction_flops(cases[3]), 287e9));
static_assert(agrees(direction_flops(cases[5]), 24.4e9));
static_assert(agrees(step_flops(cases[5]), 30.1e9));
static_assert(agrees(direction_flops(cases[6]), 39.9e9));
static_assert(agrees(direction_flops(cases[7]), 890e9));

}  // namespace natgrad::bench
