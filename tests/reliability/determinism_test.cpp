/// R11: the same build, device, threads and seed give the same bits.
#include <cstring>

#include "natgrad/metrics.hpp"
#include "reliability/promise.hpp"
#include "support/stepping.hpp"
#include "support/training.hpp"

namespace natgrad {
namespace {

constexpr int runs = 5;

/// What a training leaves behind: the lines of its metrics but for the times, θ and λ.
struct Trace {
  std::vector<std::string> lines;
  std::vector<double> theta;
  double damping = 0.0;

  /// Bit for bit.
  bool operator==(const Trace& other) const {
    return lines == other.lines && theta.size() == other.theta.size() &&
           std::memcmp(theta.data(), other.theta.data(), theta.size() * sizeof(double)) == 0 &&
           std::memcmp(&damping, &other.damping, sizeof damping) == 0;
  }
};

class R11 : public PromiseTest {
 public:
  static void SetUpTestSuite() {
    PromiseTest::SetUpTestSuite();
    setups_ = numbers_ = different_ = 0;
  }
  static void TearDownTestSuite() {
    if (!any_device()) return;
    const char* threads = devices().find("cpu") == std::string::npos ? "" : " with 1 and with 2 threads";
    report_figure(
        "R11",
        fmt::format("{} runs each of {} trainings on {}{}, θ ({} numbers in all), λ and all metrics but "
                    "times compared: {} runs differ in a bit (allowed: 0)",
                    runs, setups_, devices(), threads, numbers_, different_));
  }

 protected:
  void expect_same(const Trace& again, const Trace& first, const std::string& where);

  static inline std::size_t setups_, numbers_, different_;
};
INSTANTIATE_TEST_SUITE_P(Backends, R11, ::testing::ValuesIn(backend_cases()), backend_case_name);

void R11::expect_same(const Trace& again, const Trace& first, const std::string& where) {
  const bool same = again == first;
  EXPECT_TRUE(same) << where;
  different_ += same ? 0 : 1;
}

constexpr Structure structures[] = {Structure::dense, Structure::gram,    Structure::matrix_free,
                                    Structure::layer, Structure::unit,    Structure::kronecker,
                                    Structure::ekfac, Structure::diagonal};

/// Mini-batches beyond the first epoch, evaluated on the way, with objects of its own.
template <class R>
Trace train(Backend<R>& backend, const ProblemShape& shape, const NaturalGradientOptions& options,
            Index steps) {
  const oracle::Problem problem = random_problem<R>(shape, 81);
  Network<R> net(backend, problem.shape);
  net.set_parameters({problem.theta.begin(), problem.theta.end()});
  NaturalGradient<R> optimizer(net, problem.likelihood, options);
  TrainerOptions limits;
  limits.batch = shape.samples * 2 / 5;
  limits.steps = steps;
  limits.seed = options.seed;
  limits.average = 0.9;
  Trainer<R> trainer(net, problem.likelihood, optimizer, dataset_of<R>(problem),
                     dataset_of<R>(oracle::samples_of(problem, 0, 3)), {}, limits);
  Trace trace;
  trainer.on_step = [&](StepRecord record) {
    record.seconds = 0.0;
    record.phases = {};
    trace.lines.push_back(to_json(record));
  };
  trainer.on_evaluation = [&](const EvaluationRecord& record) { trace.lines.push_back(to_json(record)); };
  trainer.run();
  trace.theta = net.parameters();
  trace.damping = optimizer.damping();
  return trace;
}

/// Every structure with rows of these kinds.
std::vector<NaturalGradientOptions> options_with(const std::vector<ScoreKind>& kinds) {
  std::vector<NaturalGradientOptions> all;
  for (const Structure structure : structures)
    for (const ScoreKind kind : kinds) {
      NaturalGradientOptions options;
      options.kind = kind;
      options.fisher.structure = structure;
      options.momentum = kind == ScoreKind::mc ? 0.9 : 0.0;
      all.push_back(options);
    }
  return all;
}

TEST_P(R11, FiveRunsOfEveryStructureGiveTheSameBits) {
  run([this]<class R>(Backend<R>&) {
    const ProblemShape shape{{5, 6, 3}, {Activation::tanh}, Likelihood::categorical, 35};
    // Executed on the host, a training takes its time.
    const std::vector<ScoreKind> kinds =
        on_cpu() ? std::vector{ScoreKind::exact, ScoreKind::mc} : std::vector{ScoreKind::mc};
    for (const NaturalGradientOptions& options : options_with(kinds)) {
      const auto fresh = [&](std::uint64_t seed) {
        NaturalGradientOptions with_seed = options;
        with_seed.seed = seed;
        return train<R>(*make_backend_under_test<R>(GetParam().backend), shape, with_seed, on_cpu() ? 6 : 3);
      };
      const Trace first = fresh(1);
      const std::string where =
          fmt::format("{}, {}", to_string(options.fisher.structure), to_string(options.kind));
      for (int again = 1; again < runs; ++again) expect_same(fresh(1), first, where);
      EXPECT_FALSE(fresh(2) == first) << where << ": another seed must show";
      ++setups_;
      numbers_ += first.theta.size();
    }
  });
}

// Large enough that the libraries share the work out.
TEST_P(R11, FiveRunsWithOneThreadAndWithTwoGiveTheSameBits) {
  if (!on_cpu()) GTEST_SKIP() << "threads are the CPU's";
  run([this]<class R>(Backend<R>&) {
    const ProblemShape shape{{20, 16, 10}, {Activation::tanh}, Likelihood::categorical, 250};
    for (const int threads : {1, 2})
      for (const NaturalGradientOptions& options : options_with({ScoreKind::exact})) {
        const auto fresh = [&] { return train<R>(*make_cpu_backend<R>(threads), shape, options, 6); };
        const Trace first = fresh();
        for (int again = 1; again < runs; ++again)
          expect_same(fresh(), first,
                      fmt::format("{}, {} threads", to_string(options.fisher.structure), threads));
        ++setups_;
        numbers_ += first.theta.size();
      }
  });
}

}  // namespace
}  // namespace natgrad
