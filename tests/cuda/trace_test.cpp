/// The same training on the CPU and on CUDA: same losses, same decisions.
#include <gtest/gtest.h>

#include "support/backends.hpp"
#include "support/course.hpp"

namespace natgrad {
namespace {

/// In f64: in f32 rounding decides now and then whether a KL is within its budget.
std::vector<BackendCase> f64_cases() {
  std::vector<BackendCase> cases = cuda_cases();
  std::erase_if(cases, [](const BackendCase& one) { return !one.f64; });
  return cases;
}

class Trace : public BackendTest {};
INSTANTIATE_TEST_SUITE_P(Backends, Trace, ::testing::ValuesIn(f64_cases()), backend_case_name);

constexpr double allowed = 1e-5;  // relative difference of losses
constexpr int steps = 20;
constexpr ScoreKind kinds[] = {ScoreKind::exact, ScoreKind::mc, ScoreKind::empirical};

TEST_P(Trace, OfTheCpuIsThatOfCuda) {
  run([]<class R>(Backend<R>& cuda) {
    const auto cpu = make_cpu_backend<R>(1);
    const ProblemShape shapes[] = {
        {{4, 5, 3}, {Activation::tanh}, Likelihood::categorical, 31},
        {{3, 4, 3, 2}, {Activation::softplus, Activation::silu}, Likelihood::gaussian, 24},
        {{3, 4, 4}, {Activation::sigmoid}, Likelihood::bernoulli, 17}};
    int turn = 0;  // every structure with every likelihood and every kind of rows, not all with all
    for (const Structure structure :
         {Structure::dense, Structure::gram, Structure::matrix_free, Structure::layer, Structure::unit,
          Structure::kronecker, Structure::ekfac, Structure::diagonal}) {
      ++turn;
      for (const ProblemShape& shape : shapes) {
        const ScoreKind kind = kinds[turn++ % 3];
        const oracle::Problem problem = random_problem<R>(shape, 11);
        NaturalGradientOptions options{
            .kind = kind, .fisher = {.structure = structure, .tolerance = 1e-12}, .kl = 0.02};
        if (structure == Structure::matrix_free)  // iterations magnify rounding by the condition
          options.damping.schedule = DampingSchedule::constant;
        const auto wanted = train(*cpu, problem, options, steps).reports,
                   found = train(cuda, problem, options, steps).reports;
        for (std::size_t k = 0; k < wanted.size(); ++k) {
          const auto where = [&] {
            std::ostringstream text;
            text << to_string(structure) << ", " << to_string(kind) << ", " << shape << ", step " << k;
            return text.str();
          };
          ASSERT_LE(std::abs(found[k].new_loss - wanted[k].new_loss), allowed * std::abs(wanted[k].new_loss))
              << where();
          ASSERT_EQ(found[k].rejected, wanted[k].rejected) << where();
          ASSERT_EQ(found[k].backtracks, wanted[k].backtracks) << where();
          ASSERT_EQ(found[k].solver_retries, wanted[k].solver_retries) << where();
        }
      }
    }
  });
}

}  // namespace
}  // namespace natgrad
