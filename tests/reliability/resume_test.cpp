/// R10: a run that is saved and restored half-way is the run that never stopped.
#include "io/temporary_directory.hpp"
#include "natgrad/checkpoint.hpp"
#include "natgrad/metrics.hpp"
#include "reliability/promise.hpp"
#include "reliability/small_training.hpp"

#include <nlohmann/json.hpp>

namespace natgrad {
namespace {

constexpr Index samples = 31, batch = 12;  // 31 = 2 · 12 + 7: batches run over the ends of the epochs

/// Those of every run, and the ways to keep curvature from step to step.
std::vector<Method> resumable_methods() {
  std::vector<Method> all = methods();
  const auto add = [&](const std::string& name, FisherOptions fisher) {
    all.push_back({name});
    all.back().natural.fisher = fisher;
    all.back().natural.kind = ScoreKind::mc;
    all.back().natural.fisher_batch = 5;
  };
  for (const Structure structure : {Structure::dense, Structure::layer, Structure::unit, Structure::kronecker,
                                    Structure::ekfac, Structure::diagonal})
    for (const int refresh : {1, 3})
      add(fmt::format("{}, decay, refresh {}", to_string(structure), refresh),
          {.structure = structure, .decay = 0.9, .refresh = refresh});
  for (const int refresh : {1, 3}) {
    add(fmt::format("metric, refresh {}", refresh),
        {.structure = Structure::gram, .kronecker_metric = true, .refresh = refresh});
    add(fmt::format("dense, refresh {}", refresh), {.structure = Structure::dense, .refresh = refresh});
  }
  for (Method& method : all) {
    method.natural.damping.interval = 3;
    method.natural.kl = 0.02;
  }
  return all;
}

/// A training in one piece or in two.
template <class R>
class Training {
 public:
  Training(Backend<R>& backend, const Method& method, Index steps)
      : backend_(backend), net_(backend, small_network()) {
    net_.set_parameters(initial_parameters(small_network(), Init::lecun, 3));
    optimizer_ = method.optimizer(net_);
    trainer_ = std::make_unique<Trainer<R>>(
        net_, Likelihood::categorical, *optimizer_, small_data<R>(samples), small_data<R>(5), Scaling{},
        TrainerOptions{.batch = batch, .steps = steps, .eval_every = 3, .average = 0.8});
    trainer_->on_step = [this](const StepRecord& record) { write(to_json(record)); };
    trainer_->on_evaluation = [this](const EvaluationRecord& record) { write(to_json(record)); };
    trainer_->on_boundary = [this](Index, bool last) {
      if (last) lines_at_end_ = metrics_.size();  // those after it are of the end alone
    };
  }

  void run() {
    trainer_->run();
    metrics_.resize(lines_at_end_);
  }

  void save(const std::string& path) {
    Checkpoint<R> checkpoint;
    auto state = StateVisitor<R>::saving(backend_, checkpoint.state);
    trainer_->visit_state(state);
    save_checkpoint(path, checkpoint);
  }
  void restore(const std::string& path) {
    const Checkpoint<R> checkpoint = load_checkpoint<R>(path);
    auto state = StateVisitor<R>::restoring(backend_, checkpoint.state);
    trainer_->visit_state(state);
  }

  /// All state but the time that it took.
  State<R> state() {
    State<R> result;
    auto visitor = StateVisitor<R>::saving(backend_, result);
    trainer_->visit_state(visitor);
    result.numbers.erase("seconds");
    return result;
  }
  const std::vector<std::string>& metrics() const { return metrics_; }

 private:
  // Without what the process takes, rather than the run: time, and buffers that it makes anew.
  void write(const std::string& line) {
    nlohmann::ordered_json row = nlohmann::ordered_json::parse(line);
    for (const char* key : {"seconds", "phases", "synchronizations", "allocations", "graph_launches"})
      row.erase(key);
    metrics_.push_back(row.dump());
  }

  Backend<R>& backend_;
  Network<R> net_;
  std::unique_ptr<Optimizer<R>> optimizer_;
  std::unique_ptr<Trainer<R>> trainer_;
  std::vector<std::string> metrics_;
  std::size_t lines_at_end_ = 0;
};

class R10 : public PromiseTest {
 public:
  static void TearDownTestSuite() {
    if (!any_device()) return;
    report_figure("R10", fmt::format("{} runs of n + n steps against 2n, on {}: {} differ in a bit of θ, λ, "
                                     "optimiser, position or metrics (allowed: 0)",
                                     worst("differs").count, devices(), differing_));
  }

 protected:
  static inline int differing_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Backends, R10, ::testing::ValuesIn(backend_cases()), backend_case_name);

TEST_P(R10, ARunInTwoPiecesIsTheRunInOne) {
  run([&]<class R>(Backend<R>& backend) {
    const testing::TemporaryDirectory directory;
    const std::string path = directory.path("half.safetensors");
    for (const Method& method : resumable_methods()) {
      for (const Index half : {1, 5}) {
        Training<R> whole(backend, method, 2 * half), first(backend, method, half),
            second(backend, method, 2 * half);
        whole.run();
        first.run();
        first.save(path);
        second.restore(path);
        second.run();
        std::vector<std::string> pieces = first.metrics();
        pieces.insert(pieces.end(), second.metrics().begin(), second.metrics().end());
        const bool same = second.state() == whole.state() && pieces == whole.metrics();
        EXPECT_TRUE(same) << method.name << ", n = " << half;
        EXPECT_EQ(pieces, whole.metrics()) << method.name << ", n = " << half;
        measured("differs", same ? 0.0 : 1.0, method.name);
        differing_ += same ? 0 : 1;
      }
    }
  });
}

}  // namespace
}  // namespace natgrad
