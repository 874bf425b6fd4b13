/// R6: nothing that is not finite is silent. NaN, ±Inf, a denormal and a huge number in the data, the
/// parameters, and whatever a step computes from them.
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <optional>

#include "natgrad/direction.hpp"
#include "reliability/poison.hpp"
#include "reliability/promise.hpp"
#include "support/problems.hpp"
#include "support/structure_problems.hpp"

namespace natgrad {
namespace {

/// How many cases ended how.
struct Tally {
  int cases = 0, named = 0, unnamed = 0, silent = 0, harmless = 0, slow = 0, moved = 0;
};

class R6 : public PromiseTest {
 public:
  static void SetUpTestSuite() {
    PromiseTest::SetUpTestSuite();
    tally_ = {};
  }
  static void TearDownTestSuite() {
    if (!any_device()) return;
    report_figure("R6",
                  fmt::format("{} cases: {} errors that name the place, {} without, {} steps with a harmless "
                              "number, {} silent, {} over 10 s, {} parameters changed by an error (allowed: "
                              "0 without, 0 silent, 0 over 10 s, 0 changed); on {}",
                              tally_.cases, tally_.named, tally_.unnamed, tally_.harmless, tally_.silent,
                              tally_.slow, tally_.moved, devices()));
  }

 protected:
  /// Runs `step` with the poison in `place`: an error that names it; or, for a finite one, any step or error.
  /// `theta`: its bits, empty where there is none; `result`: what must be finite after a step.
  template <class R, class Step, class Theta, class Result>
  static void check(const Poison& poison, const std::string& place, Step step, Theta theta, Result result) {
    SCOPED_TRACE(poison.name + " in " + place);
    const std::vector<R> before = theta();
    const auto start = std::chrono::steady_clock::now();
    std::string error;
    try {
      step();
    } catch (const NumericError& caught) {
      error = caught.what();
    } catch (const DataError& caught) {
      error = caught.what();
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    ++tally_.cases;
    count(seconds.count() > 10.0, tally_.slow, "took more than 10 s");
    if (error.empty()) {
      tally_.harmless += poison.finite;
      const std::vector<R> made = result();
      const bool finite = std::ranges::all_of(made, [](R value) { return std::isfinite(value); });
      count(!poison.finite || !finite, tally_.silent, "was silent");
      return;
    }
    const std::vector<R> after = theta();
    count(std::memcmp(before.data(), after.data(), before.size() * sizeof(R)) != 0, tally_.moved,
          "changed the parameters");
    const bool named = poison.finite || error.find(place) != std::string::npos;
    tally_.named += named;
    count(!named, tally_.unnamed, "was not named: " + error);
  }

  /// All of them; one in turn on a GPU, which executed on the host takes long.
  template <class T>
  static std::vector<T> some_of(const std::vector<T>& all, std::size_t turn) {
    if (!GetParam().backend.starts_with("cuda")) return all;
    return {all[turn % all.size()]};
  }

 private:
  static void count(bool wrong, int& counter, const std::string& what) {
    counter += wrong;
    EXPECT_FALSE(wrong) << what;
  }

  static inline Tally tally_;
};

INSTANTIATE_TEST_SUITE_P(Backends, R6, ::testing::ValuesIn(backend_cases()), backend_case_name);

constexpr Structure structures[] = {Structure::dense, Structure::gram,    Structure::matrix_free,
                                    Structure::layer, Structure::unit,    Structure::kronecker,
                                    Structure::ekfac, Structure::diagonal};

/// Natural gradient with a structure, else one of the others.
struct Method {
  std::string name;
  std::optional<Structure> structure{};
};

std::vector<Method> methods() {
  std::vector<Method> all = {{"sgd"}, {"adam"}};
  for (const Structure structure : structures) all.push_back({std::string(to_string(structure)), structure});
  return all;
}

template <class R>
std::unique_ptr<Optimizer<R>> make(const Method& method, Network<R>& net, Likelihood likelihood,
                                   double l2 = 0.0) {
  if (method.name == "sgd") return make_sgd(net, likelihood, {.momentum = 0.9});
  if (method.name == "adam") return make_adam(net, likelihood, {});
  NaturalGradientOptions options{.fisher = {.structure = *method.structure, .max_iterations = 50}, .l2 = l2};
  if (*method.structure != Structure::gram && *method.structure != Structure::matrix_free)
    options.fisher.decay = 0.5;  // what F remembers must not be spoilt either
  return std::make_unique<NaturalGradient<R>>(net, likelihood, options);
}

/// Of every likelihood, and every activation that has limits.
template <class R>
std::vector<oracle::Problem> problems() {
  using enum Activation;
  return {random_problem<R>({{3, 4, 3}, {tanh}, Likelihood::categorical, 5}, 601),
          random_problem<R>({{3, 3, 4, 2}, {sigmoid, relu}, Likelihood::gaussian, 5}, 602),
          random_problem<R>({{2, 4, 3}, {softplus}, Likelihood::bernoulli, 5}, 603)};
}

/// "layers.0.weight (2, 1)" of element k of θ.
std::string name_of(const NetworkShape& shape, Index k) {
  Index l = 0;
  while (k >= shape.offset(l + 1)) ++l;
  const Index i = k - shape.offset(l), inputs = shape.width(l), weights = inputs * shape.width(l + 1);
  return i < weights ? fmt::format("layers.{}.weight ({}, {})", l, i / inputs, i % inputs)
                     : fmt::format("layers.{}.bias ({})", l, i - weights);
}

template <class R>
std::vector<R> bits(Backend<R>& backend, VectorView<const R> v) {
  return download<R>(backend, v).data;
}

TEST_P(R6, DataAndParametersAreNamedByEveryOptimiser) {
  run([&]<class R>(Backend<R>& backend) {
    std::size_t number = 0;
    for (const Method& method : methods())
      for (const oracle::Problem& problem : some_of(problems<R>(), number++))
        for (const Poison& poison : poisons<R>())
          for (const Where where : some_of(all_places, number++)) {
            SCOPED_TRACE(method.name + ", " + std::string(to_string(problem.likelihood)));
            OnDevice<R> device(backend, problem);
            const auto optimizer = make<R>(method, device.net, problem.likelihood);
            const VectorView<R> theta = device.net.theta();
            const auto now = [&] { return bits<R>(backend, theta); };
            const auto step = [&] { optimizer->step(device.batch()); };
            const auto in = [&](const MatrixView<R>& m, const char* what) {
              const Index i = place(where, m.rows), j = place(where, m.cols);
              const Spoilt<R> spoilt(backend, m.data + i + j * m.stride, poison.value);
              check<R>(poison, fmt::format("{} {} of sample {}", what, i, j), step, now, now);
            };
            if (problem.likelihood != Likelihood::categorical || !poison.finite)
              in(device.y.view(), "data: target");
            in(device.x.view(), "data: feature");
            device.net.set_parameters({problem.theta.begin(), problem.theta.end()});
            {
              const Index k = place(where, theta.size);
              const Spoilt<R> spoilt(backend, theta.data + k, poison.value);
              check<R>(poison, "weights: " + name_of(problem.shape, k), step, now, now);
            }
            device.net.set_parameters({problem.theta.begin(), problem.theta.end()});
            EXPECT_NO_THROW(step()) << "afterwards steps go on, after " << poison.name;
          }
  });
}

TEST_P(R6, RowsAndGradientsOfTheCallersOwnAreNamed) {
  run([&]<class R>(Backend<R>& backend) {
    std::size_t number = 0;
    const RowsShape shape{{{3, 4}, {4, 2}}, 5, 2};
    const RandomRows<R> random(backend, shape, 604);
    const Rows<R>& rows = random.rows();
    const DeviceVector<R> g(backend, Random(605).matrix<R>(shape.parameters(), 1)),
        u(backend, Random(607).matrix<R>(shape.count(), 1)), d(backend, shape.parameters());
    for (const Structure structure : structures) {
      SCOPED_TRACE(to_string(structure));
      DirectionSolver<R> solver(backend, {.structure = structure});
      Rows<R> used = rows;
      const auto solve = [&] { solver.solve(used, g, 0.1, d); };
      const auto none = [] { return std::vector<R>(); };
      const auto found = [&] { return d.download().data; };
      for (const Poison& poison : poisons<R>())
        for (const Where where : some_of(all_places, number++)) {
          const std::size_t l = where == Where::first ? 0 : 1;
          used.u =
              where == Where::last ? u : VectorView<const R>{};  // instead of g, where a structure is dual
          for (const auto& [m, is_input] : {std::pair{rows.layers[l].a, true}, {rows.layers[l].d, false}}) {
            const Index i = place(where, m.rows), j = place(where, m.cols);
            const Spoilt<R> spoilt(backend, m.data + i + j * m.stride, poison.value);
            check<R>(poison,
                     is_input ? fmt::format("layers.{}, sample {}, row 0: input {}", l, j, i)
                              : fmt::format("layers.{}, sample {}, row {}: the signal of unit {}", l, j / 2,
                                            j % 2, i),
                     solve, none, found);
          }
          const VectorView<const R> vector = g;
          const Index k = place(where, vector.size);
          const Spoilt<R> spoilt(backend, vector.data + k, poison.value);
          check<R>(poison, "gradient: " + name_of({{3, 4, 2}, {Activation::tanh}}, k), solve, none, found);
        }
      EXPECT_NO_THROW(solve()) << "afterwards solves go on";
    }
  });
}

TEST_P(R6, AMatrixThatIsNotFiniteIsNeverFactored) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index n : {1, 2, 33})
      for (const Poison& poison : poisons<R>())
        for (const Where where : all_places) {
          if (poison.finite) continue;
          HostMatrix<R> f = Random(606).spd<R>(n, 10.0);
          const Index i = place(where, n), j = where == Where::middle ? i / 2 : i;
          f(i, j) = static_cast<R>(poison.value);
          const auto factor = [&](auto operation) {
            for (const Slot slot : {Slot::factor_info, Slot::largest_diagonal}) backend.set_scalar(slot, 0.0);
            operation();
            if (backend.read_scalars()[Slot::factor_info] != 0.0) throw NumericError("factor_info");
          };
          const auto none = [] { return std::vector<R>(); };
          const DeviceMatrix<R> matrix(backend, f), bordered(backend, n + 1, n + 1);
          const DeviceVector<R> b(backend, HostMatrix<R>(n, 1)), w(backend, n);
          check<R>(
              poison, "factor_info",
              [&] { factor([&] { backend.factor_and_solve(matrix, R(0.1), bordered, b); }); }, none, none);
          check<R>(
              poison, "factor_info",
              [&] { factor([&] { backend.cholesky(BatchView<R>(MatrixView<R>(matrix))); }); }, none, none);
          const DeviceMatrix<R> again(backend, f);
          check<R>(
              poison, "factor_info", [&] { factor([&] { backend.eigen(again, w); }); }, none, none);
        }
  });
}

/// What an error says of an element poisoned amid a step; empty where the method has no such thing.
std::string expected(Computed what, const Method& method) {
  if (what == Computed::gradient) return "gradient: layers.";
  if (what == Computed::rows) return "score rows: layers.";
  if (!method.structure) return "";
  return what == Computed::curvature ? "curvature" : "direction: layers.";
}

/// Of the reference alone, whose operations can be interfered with.
template <class R>
void poison_steps(auto check) {
  PoisonedBackend<R> backend;
  for (const Method& method : methods())
    for (const oracle::Problem& problem : problems<R>())
      for (const Computed what : all_computed)
        for (const Poison& poison : poisons<R>())
          for (const Where where : all_places) {
            const std::string place = expected(what, method);
            if (place.empty()) continue;
            SCOPED_TRACE(method.name + ", " + std::string(to_string(problem.likelihood)));
            OnDevice<R> device(backend, problem);
            // With an L2 term every structure forms a gradient.
            const auto optimizer = make<R>(method, device.net, problem.likelihood, 1e-3);
            const auto now = [&] { return bits<R>(backend, device.net.theta()); };
            backend.arm(what, where, poison.value);
            check(
                poison, place, [&] { optimizer->step(device.batch()); }, now);
            backend.disarm();
            device.net.set_parameters({problem.theta.begin(), problem.theta.end()});
            EXPECT_NO_THROW(optimizer->step(device.batch())) << "afterwards steps go on";
          }
}

TEST_P(R6, WhatAStepComputesIsNamed) {
  if (GetParam().backend != "reference") GTEST_SKIP() << "the reference interferes with its own operations";
  run([]<class R>(Backend<R>&) {
    poison_steps<R>([](const Poison& poison, const std::string& place, auto step, auto theta) {
      check<R>(poison, place, step, theta, theta);
    });
  });
}

}  // namespace
}  // namespace natgrad
