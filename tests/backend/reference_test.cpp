/// The reference backend against numbers worked out by hand: it is what every other backend is measured by.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "random.hpp"
#include "support/hand_numbers.hpp"

namespace natgrad {
namespace {

class Reference : public HandNumbers {};

TEST_F(Reference, PoisonsFreshMemory) {
  for (const double value : Buffer<double>(*backend, 5).download()) EXPECT_TRUE(is_poison(value));
}

TEST_F(Reference, Products) {
  const Matrix a = matrix(rows({{1, 2}, {3, 4}})), b = matrix(rows({{5, 6}, {7, 8}}));
  const auto no = Transpose::no, yes = Transpose::yes;
  const Matrix c = result(2, 2);
  backend->gemm(no, no, 1, a, b, 0, c);
  EXPECT_TRUE(is(c, rows({{19, 22}, {43, 50}})));
  backend->gemm(yes, no, 1, a, b, 0, c);
  EXPECT_TRUE(is(c, rows({{26, 30}, {38, 44}})));
  backend->gemm(no, yes, 1, a, b, 0, c);
  EXPECT_TRUE(is(c, rows({{17, 23}, {39, 53}})));
  backend->gemm(yes, yes, 2, a, b, -1, c);
  EXPECT_TRUE(is(c, rows({{46 - 17, 62 - 23}, {68 - 39, 92 - 53}})));
  const Matrix d = result(2, 2);
  backend->syrk(3, a, 0, d);
  EXPECT_TRUE(is(d, rows({{15, x}, {33, 75}}), Part::lower));
  backend->syrk(1, a, -1, d);
  EXPECT_TRUE(is(d, rows({{-10, x}, {-22, -50}}), Part::lower));
  const Vector y = Vector(*backend, 2);
  backend->symv(matrix(lower_only(rows({{2, x}, {3, 5}}))), vector({1, 2}), y);
  EXPECT_TRUE(is(y, column({8, 13})));
  backend->hadamard(a, b, c);
  EXPECT_TRUE(is(c, rows({{5, 12}, {21, 32}})));
}

TEST_F(Reference, Vectors) {
  const Vector v = vector({1, 2, 3}), w = vector({4, 5, 6});
  backend->dot(v, w, Slot::gradient_step);
  EXPECT_EQ(slot(Slot::gradient_step), 32.0);
  backend->axpy(2, v, w);
  EXPECT_TRUE(is(w, column({6, 9, 12})));
  backend->set_scalar(Slot::beta, 0.5);
  backend->axpy(-4, Slot::beta, v, w);
  EXPECT_TRUE(is(w, column({4, 5, 6})));
  backend->scale(-1, w);
  EXPECT_TRUE(is(w, column({-4, -5, -6})));
  backend->copy(v.view(), w);
  EXPECT_TRUE(is(w, column({1, 2, 3})));
  backend->fill(w, 7);
  EXPECT_TRUE(is(w, column({7, 7, 7})));
}

TEST_F(Reference, CholeskyAndItsFailures) {
  const HostMatrix<double> a = rows({{4, x, x}, {12, 37, x}, {-16, -43, 98}});
  const Batch l(*backend, lower_only(a), 1);
  backend->cholesky(l);
  EXPECT_EQ(slot(Slot::factor_info), 0.0);
  EXPECT_TRUE(is(l, rows({{2, x, x}, {6, 1, x}, {-8, 5, 3}}), Part::lower));
  const Matrix b = matrix(rows({{-20, 4}, {-43, 12}, {192, -16}}));  // A·(1, 2, 3) and A·(1, 0, 0)
  backend->cholesky_solve(l, b);
  EXPECT_TRUE(is(b, rows({{1, 1}, {2, 0}, {3, 0}})));

  const Batch batch(*backend, rows({{4, x, 9, x}, {x, 16, x, 1}}), 2);
  backend->cholesky(batch);
  EXPECT_TRUE(is(batch, rows({{2, x, 3, x}, {x, 4, x, 1}}), Part::all));
  const Matrix c = matrix(rows({{8, 18}, {16, 5}}));
  backend->cholesky_solve(batch, c);
  EXPECT_TRUE(is(c, rows({{2, 2}, {1, 5}})));

  const auto info = [&](double corner) {
    backend->set_scalar(Slot::factor_info, 0.0);
    backend->cholesky(Batch(*backend, rows({{1, x}, {2, corner}}), 1));
    return slot(Slot::factor_info);
  };
  EXPECT_EQ(info(5.0), 0.0);
  EXPECT_EQ(info(4.0), 2.0);
  EXPECT_EQ(info(1.0), 2.0);
  EXPECT_EQ(info(std::numeric_limits<double>::quiet_NaN()), -1.0);
}

TEST_F(Reference, TriangularSystems) {
  const Matrix l = matrix(lower_only(rows({{2, x}, {1, 4}})));
  const auto solved = [&](Side side, Transpose t, const HostMatrix<double>& b) {
    Matrix solution = matrix(b);
    backend->triangular_solve(side, t, l, solution);
    return solution;
  };
  EXPECT_TRUE(is(solved(Side::left, Transpose::no, rows({{4, 2}, {10, 1}})), rows({{2, 1}, {2, 0}})));
  EXPECT_TRUE(is(solved(Side::left, Transpose::yes, rows({{5, 2}, {8, 0}})), rows({{1.5, 1}, {2, 0}})));
  EXPECT_TRUE(is(solved(Side::right, Transpose::no, rows({{5, 12}, {2, 0}})), rows({{1, 3}, {1, 0}})));
  EXPECT_TRUE(is(solved(Side::right, Transpose::yes, rows({{2, 13}, {0, 4}})), rows({{1, 3}, {0, 1}})));
}

TEST_F(Reference, DampingAndSpectra) {
  const Batch f(*backend, lower_only(rows({{1, x, 7, x}, {2, 3, -4, 5}})), 2), damped(*backend, 2, 2);
  backend->damp(f, 0.5, damped);
  EXPECT_TRUE(is(damped, rows({{1.5, x, 7.5, x}, {2, 3.5, -4, 5.5}}), Part::lower));
  EXPECT_EQ(slot(Slot::largest_diagonal), 7.0);

  const Matrix a = matrix(lower_only(rows({{2, x}, {1, 2}})));  // eigenvectors (1, −1)/√2 and (1, 1)/√2
  const Vector w(*backend, 2);
  backend->eigen(a, w);
  EXPECT_TRUE(is(w, column({1, 3})));
  const HostMatrix<double> v = a.download();
  EXPECT_TRUE(
      relative(absolute(v), rows({{std::sqrt(0.5), std::sqrt(0.5)}, {std::sqrt(0.5), std::sqrt(0.5)}}), 4));
  EXPECT_LT(v(0, 0) * v(1, 0), 0.0);
  EXPECT_GT(v(0, 1) * v(1, 1), 0.0);
  EXPECT_EQ(slot(Slot::factor_info), 0.0);

  backend->set_scalar(Slot::rank, 10.0);
  const Vector c = vector({4, 4, 4, 4, 4});
  backend->spectral_solve(vector({-1, 0, 0.25, 1, 4}), 0.125, c);  // keeps w > ½
  EXPECT_TRUE(is(c, column({0, 0, 0, 4, 1})));
  EXPECT_EQ(slot(Slot::rank), 12.0);
  EXPECT_EQ(slot(Slot::largest_eigenvalue), 4.0);
  EXPECT_EQ(slot(Slot::smallest_eigenvalue), 1.0);
}

TEST_F(Reference, DampedQuotientsAndFactors) {
  const Vector quotients(*backend, 3);
  backend->damped_quotient(vector({1, 2, 3}), vector({1.5, 3.5, -0.5}), 0.5, quotients);
  EXPECT_TRUE(is(quotients, column({0.5, 0.5, 0})));

  const Matrix a = matrix(lower_only(rows({{8, x}, {1, 8}}))), out_a = result(2, 2), out_g = result(1, 1);
  backend->damp_factors(a, matrix(rows({{2}})), 0.5, out_a, out_g);  // π = √(8/2) = 2
  EXPECT_TRUE(is(out_a, rows({{9, x}, {1, 9}}), Part::lower));
  EXPECT_TRUE(is(out_g, rows({{2.25}})));
  EXPECT_EQ(slot(Slot::largest_diagonal), 8.0);
  backend->damp_factors(a, matrix(rows({{0}})), 0.5, out_a, out_g);
  EXPECT_TRUE(is(out_a, rows({{8.5, x}, {1, 8.5}}), Part::lower));
  EXPECT_TRUE(is(out_g, rows({{0.5}})));
}

TEST_F(Reference, Activations) {
  const struct {
    Activation phi;
    double z, value, slope;
  } table[] = {{Activation::identity, -3, -3, 1},
               {Activation::tanh, 1, 0.76159415595576489, 0.41997434161402607},
               {Activation::sigmoid, 0, 0.5, 0.25},
               {Activation::sigmoid, 1, 0.73105857863000488, 0.19661193324148185},
               {Activation::relu, -1, 0, 0},
               {Activation::relu, 0, 0, 0},
               {Activation::relu, 2, 2, 1},
               {Activation::gelu, 1, 0.84134474606854293, 1.0833154705876863},
               {Activation::silu, 1, 0.73105857863000488, 0.92767051187148673},
               {Activation::softplus, 0, 0.69314718055994531, 0.5},
               {Activation::softplus, 1, 1.3132616875182228, 0.73105857863000488},
               {Activation::sin, 1, 0.84147098480789651, 0.54030230586813972}};
  for (const auto& [phi, z, value, slope] : table) {
    const Matrix slopes = matrix(rows({{z - 0.5}})), values = result(1, 1);
    backend->activate(phi, vector({0.5}), slopes, values);
    EXPECT_TRUE(is(values, rows({{value}}))) << to_string(phi) << " of " << z;
    EXPECT_TRUE(is(slopes, rows({{slope}}))) << "slope of " << to_string(phi) << " at " << z;
  }
  const Matrix d = matrix(rows({{1, 2, 3, 4}, {5, 6, 7, 8}}));
  backend->multiply_slopes(matrix(rows({{1, 10}, {-1, 0.5}})), d);
  EXPECT_TRUE(is(d, rows({{1, 2, 30, 40}, {-5, -6, 3.5, 4}})));
}

TEST_F(Reference, Losses) {
  backend->loss(Likelihood::gaussian, matrix(rows({{1, 0}, {2, 0}})), matrix(rows({{0, 1}, {4, 0}})));
  EXPECT_TRUE(slot_is(Slot::loss, (2.5 + 0.5) / 2));
  backend->loss(Likelihood::bernoulli, matrix(rows({{0, std::log(3)}})), matrix(rows({{1, 1}})));
  EXPECT_TRUE(slot_is(Slot::loss, (std::log(2) + std::log(4.0 / 3)) / 2));
  const Matrix z = matrix(rows({{0, 0}, {std::log(3), std::log(3)}}));  // p = (¼, ¾)
  backend->loss(Likelihood::categorical, z, matrix(rows({{0, 1}})));
  EXPECT_TRUE(slot_is(Slot::loss, (std::log(4) + std::log(4.0 / 3)) / 2));

  const Matrix means = result(2, 2);
  backend->means(Likelihood::categorical, z, means);
  EXPECT_TRUE(is(means, rows({{0.25, 0.25}, {0.75, 0.75}})));
  backend->means(Likelihood::bernoulli, z, means);
  EXPECT_TRUE(is(means, rows({{0.5, 0.5}, {0.75, 0.75}})));
  backend->means(Likelihood::gaussian, z, means);
  EXPECT_TRUE(is(means, z.download()));

  backend->count_correct(matrix(rows({{1, 2, 5}, {3, 2, 4}})), matrix(rows({{1, 0, 1}})));
  EXPECT_EQ(slot(Slot::correct), 2.0);
  backend->squared_error(matrix(rows({{1, 2}, {3, 4}})), matrix(rows({{0, 0}, {1, 1}})), vector({2, 10}));
  EXPECT_EQ(slot(Slot::squared_error), 2.0 * (1 + 4) + 10.0 * (4 + 9));
}

TEST_F(Reference, Divergences) {
  // p from ½ to ¾, target 1: KL = ½ log(½/¾) + ½ log(½/¼), loss from log 2 to log 4/3.
  const double kl = 0.5 * std::log(4.0 / 3), change = std::log(2.0 / 3);
  backend->divergence(Likelihood::bernoulli, matrix(rows({{0, 1}})), matrix(rows({{std::log(3), 1}})),
                      matrix(rows({{1, 0}})));
  EXPECT_TRUE(slot_is(Slot::kl, kl / 2)) << "two samples, of which one stays";
  EXPECT_TRUE(slot_is(Slot::loss_change, change / 2));
  backend->divergence(Likelihood::categorical, matrix(rows({{5}, {5}})), matrix(rows({{0}, {std::log(3)}})),
                      matrix(rows({{1}})));
  EXPECT_TRUE(slot_is(Slot::kl, kl));
  EXPECT_TRUE(slot_is(Slot::loss_change, change));
  backend->divergence(Likelihood::gaussian, matrix(rows({{1}, {2}})), matrix(rows({{2}, {0}})),
                      matrix(rows({{0}, {1}})));
  EXPECT_TRUE(slot_is(Slot::kl, 2.5));
  EXPECT_TRUE(slot_is(Slot::loss_change, (4 - 1 + 1 - 1) / 2.0));
}

TEST_F(Reference, ExactAndEmpiricalSignals) {
  const ScoreSpec exact{.kind = ScoreKind::exact}, empirical{.kind = ScoreKind::empirical};
  const Matrix z = matrix(rows({{std::log(2)}, {0}, {0}}));  // p = (½, ¼, ¼)
  const Matrix b = result(3, 2), one = result(3, 1);
  backend->signals(exact, Likelihood::categorical, z, {}, b);
  const double r = std::sqrt(1.0 / 8);
  EXPECT_TRUE(is(b, rows({{0.5, 0}, {-0.25, r}, {-0.25, -r}})));
  backend->signals(empirical, Likelihood::categorical, z, matrix(rows({{1}})), one);
  EXPECT_TRUE(is(one, rows({{0.5}, {-0.75}, {0.25}})));

  const Matrix logits = matrix(rows({{0, std::log(3), 0, 0}})), d = result(1, 4);  // N = 4: 1/√N = ½
  backend->signals(exact, Likelihood::bernoulli, logits, {}, d);
  EXPECT_TRUE(is(d, rows({{0.25, std::sqrt(3) / 8, 0.25, 0.25}})));
  backend->signals(empirical, Likelihood::bernoulli, logits, matrix(rows({{1, 1, 0, 0}})), d);
  EXPECT_TRUE(is(d, rows({{-0.25, -0.125, 0.25, 0.25}})));
  backend->signals(empirical, Likelihood::gaussian, matrix(rows({{1, 2, 3, 4}})),
                   matrix(rows({{0, 0, 7, 0}})), d);
  EXPECT_TRUE(is(d, rows({{0.5, 1, -2, 2}})));
  const Matrix identity = result(2, 2);
  backend->signals(exact, Likelihood::gaussian, matrix(rows({{5}, {6}})), {}, identity);
  EXPECT_TRUE(is(identity, rows({{1, 0}, {0, 1}})));
}

TEST_F(Reference, ResidualsAndFormsOfTheOutputs) {
  const ScoreSpec exact{.kind = ScoreKind::exact}, empirical{.kind = ScoreKind::empirical};
  HostMatrix<double> logits(3, 4);  // p = (½, ¼, ¼) four times: 1/√N = ½
  for (Index n = 0; n < 4; ++n) logits(0, n) = std::log(2);
  const Matrix z = matrix(logits);
  const Vector u(*backend, 8), u_4(*backend, 4);
  backend->residuals(exact, Likelihood::categorical, z, matrix(rows({{0, 1, 2, 3}})), u);
  const HostMatrix<double> found = u.download();
  const double wanted[] = {-0.5, 0, 0.5, -std::sqrt(0.5), 0.5, std::sqrt(0.5)};
  for (Index c = 0; c < 6; ++c) EXPECT_TRUE(near(found(c, 0), wanted[c], 4 * epsilon<double>)) << "row " << c;
  for (Index c = 6; c < 8; ++c) EXPECT_TRUE(std::isnan(found(c, 0))) << "3 is no class";
  backend->residuals(empirical, Likelihood::categorical, z, {}, u_4);
  EXPECT_TRUE(is(u_4, column({0.5, 0.5, 0.5, 0.5})));

  const Matrix y = matrix(rows({{1, 1, 0, 0.5}}));
  backend->residuals(exact, Likelihood::bernoulli, matrix(rows({{0, std::log(3), 0, 0}})), y, u_4);
  EXPECT_TRUE(is(u_4, column({-0.5, -0.5 / std::sqrt(3), 0.5, 0})));
  backend->residuals(exact, Likelihood::gaussian, matrix(rows({{1, 2, 3, 4}})), y, u_4);
  EXPECT_TRUE(is(u_4, column({0, 0.5, 1.5, 1.75})));

  const auto form = [&](Likelihood likelihood, const HostMatrix<double>& outputs, const HostMatrix<double>& v,
                        const HostMatrix<double>& w, double wanted) {
    backend->output_fisher(likelihood, matrix(outputs), matrix(v), matrix(w), Slot::fisher_ds);
    return slot_is(Slot::fisher_ds, wanted);
  };
  EXPECT_TRUE(form(Likelihood::gaussian, rows({{5, 6}}), rows({{1, 2}}), rows({{3, 4}}), (3 + 8) / 2.0));
  EXPECT_TRUE(form(Likelihood::bernoulli, rows({{0}, {std::log(3)}}), rows({{4}, {16}}), rows({{1}, {2}}),
                   4 / 4.0 + 32 * 3 / 16.0));
  EXPECT_TRUE(form(Likelihood::categorical, rows({{std::log(2)}, {0}, {0}}), rows({{2}, {0}, {4}}),
                   rows({{1}, {1}, {5}}), 6 - 2 * 2));
}

TEST_F(Reference, DrawnSignalsUseTheNumbersOfTheStream) {
  const RandomKey key{.seed = 9, .stream = Stream::scores, .round = 2};
  const ScoreSpec spec{ScoreKind::mc, 2, key};
  const Index samples = 3, draws = 2, outputs = 2;
  const double scale = 1 / std::sqrt(2.0) / std::sqrt(3.0);
  const Matrix zero = matrix(HostMatrix<double>(outputs, samples)), d = result(outputs, samples * draws);
  HostMatrix<double> gaussian(outputs, samples * draws), bernoulli = gaussian, categorical = gaussian;
  for (Index n = 0; n < samples; ++n)
    for (Index k = 0; k < draws; ++k)
      for (Index j = 0; j < outputs; ++j) {  // z = 0: p = ½ for both
        const auto row = static_cast<std::uint64_t>(n * draws + k),
                   element = row * 2 + static_cast<std::uint64_t>(j);
        const Index drawn_class = random_uniform(key, row) < 0.5 ? 0 : 1;
        gaussian(j, n * draws + k) = -random_normal(key, element) * scale;
        bernoulli(j, n * draws + k) = (random_uniform(key, element) < 0.5 ? -0.5 : 0.5) * scale;
        categorical(j, n * draws + k) = (drawn_class == j ? -0.5 : 0.5) * scale;
      }
  backend->signals(spec, Likelihood::gaussian, zero, {}, d);
  EXPECT_TRUE(is(d, gaussian));
  backend->signals(spec, Likelihood::bernoulli, zero, {}, d);
  EXPECT_TRUE(is(d, bernoulli));
  backend->signals(spec, Likelihood::categorical, zero, {}, d);
  EXPECT_TRUE(is(d, categorical));
}

TEST_F(Reference, StepsAndData) {
  backend->set_scalar(Slot::quadratic, 8.0);
  backend->step_size(1.0, 10.0);
  EXPECT_EQ(slot(Slot::beta), 0.5);

  const std::pair<Slot, double> model[] = {{Slot::fisher_dd, 2}, {Slot::fisher_ds, 1}, {Slot::fisher_ss, 3},
                                           {Slot::norm_dd, 1},   {Slot::norm_ds, 0},   {Slot::norm_ss, 2},
                                           {Slot::slope_d, 1},   {Slot::slope_s, 9}};
  for (const auto& [name, value] : model) backend->set_scalar(name, value);
  backend->quadratic_step(1.0);  // [3, 1; 1, 5](α, μ)ᵀ = (1, 9)ᵀ
  EXPECT_TRUE(slot_is(Slot::rate, -2.0 / 7));
  EXPECT_TRUE(slot_is(Slot::momentum, 13.0 / 7));
  EXPECT_TRUE(slot_is(Slot::quadratic, (2 * 4 - 2 * 26 + 3 * 169) / 49.0));

  const Vector m = vector({0}), v = vector({0}), theta = vector({1});
  backend->adam(
      {.rate = 0.5, .beta1 = 0.5, .beta2 = 0.75, .epsilon = 2, .correction1 = 0.5, .correction2 = 0.25},
      vector({2}), m, v, theta);
  EXPECT_TRUE(is(m, column({1})));
  EXPECT_TRUE(is(v, column({1})));
  EXPECT_TRUE(is(theta, column({1 - 0.5 * 2 / (2 + 2)})));

  HostMatrix<Index> chosen(3, 1);
  chosen.data = {2, 0, 2};
  const Matrix gathered = result(2, 3);
  backend->gather_columns(matrix(rows({{1, 2, 3}, {4, 5, 6}})), DeviceVector<Index>(*backend, chosen),
                          gathered);
  EXPECT_TRUE(is(gathered, rows({{3, 1, 3}, {6, 4, 6}})));

  const RandomKey key{.seed = 4, .stream = Stream::shuffle, .round = 1};
  const DeviceVector<Index> permutation(*backend, 5);
  backend->permutation(key, permutation);
  const HostMatrix<Index> order = permutation.download();
  for (Index k = 1; k < 5; ++k)
    EXPECT_LT(random_sort_key(key, static_cast<std::uint64_t>(order(k - 1, 0))),
              random_sort_key(key, static_cast<std::uint64_t>(order(k, 0))));
}

}  // namespace
}  // namespace natgrad
