#include "measurement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "natgrad/natural_gradient.hpp"
#include "timing.hpp"

namespace natgrad::bench {
namespace {

NetworkShape network_shape(const Case& c) {
  NetworkShape shape;
  shape.widths.assign(c.widths.begin(), c.widths.end());
  shape.activations.assign(c.layers() - 1, Activation::tanh);
  return shape;
}

FisherOptions fisher_options(const Case& c) {
  FisherOptions options;
  options.structure = c.structure;
  options.refine = c.refine;
  return options;
}

RowsShape shape_of_rows(const Case& c) {
  return rows_shape(network_shape(c), c.samples, c.rows_per_sample());
}

double planned_bytes(const Case& c) {
  double elements = 0.0;
  for (const PlannedBuffer& buffer : plan_fisher(shape_of_rows(c), fisher_options(c)).buffers)
    elements += static_cast<double>(buffer.elements);
  return sizeof(float) * elements;
}

// A network and a batch of random inputs and targets, uniform in [0, 1] or classes.
class Problem {
 public:
  Problem(Backend<float>& backend, const Case& c)
      : net(backend, network_shape(c)), start_(initial_parameters(net.shape(), Init::lecun, 1)) {
    reset();
    std::mt19937_64 engine(1);
    const bool classes = c.likelihood == Likelihood::categorical;
    std::uniform_real_distribution<float> value(0.0f, 1.0f);
    std::uniform_int_distribution<Index> label(0, c.widths.back() - 1);
    x_ = upload(backend, c.widths.front() * c.samples, [&] { return value(engine); });
    y_ = upload(backend, (classes ? 1 : c.widths.back()) * c.samples,
                [&] { return classes ? static_cast<float>(label(engine)) : value(engine); });
    batch = {x_.matrix(c.widths.front(), c.samples), y_.matrix(y_.size() / c.samples, c.samples)};
  }

  /// To the first parameters.
  void reset() { net.set_parameters(start_); }

  Network<float> net;
  Batch<float> batch;

 private:
  template <class Draw>
  static Buffer<float> upload(Backend<float>& backend, Index size, Draw draw) {
    std::vector<float> host(static_cast<std::size_t>(size));
    std::ranges::generate(host, draw);
    Buffer<float> buffer(backend, size);
    buffer.upload(host.data());
    return buffer;
  }

  std::vector<double> start_;
  Buffer<float> x_, y_;
};

// Plain gradient and direction from the library's parts, without the step around them.
class Passes {
 public:
  Passes(Problem& problem, const Case& c)
      : problem_(problem),
        case_(c),
        backend_(problem.net.backend()),
        fisher_(make_fisher(backend_, shape_of_rows(c), fisher_options(c))),
        gradient_(backend_, c.parameters()),
        direction_(backend_, c.parameters()),
        start_(backend_, c.parameters()) {}

  void run_gradient() {
    forward(problem_.net, problem_.batch.x, acts_);
    gradient_of_loss();
  }

  void run_direction() {
    forward(problem_.net, problem_.batch.x, acts_);
    const Rows<float> rows = score_rows(problem_.net, acts_, ScoreSpec{.kind = case_.kind}, case_.likelihood,
                                        problem_.batch.y, signals_);
    fisher_->update(rows);
    fisher_->solve(SolveMethod::cholesky, damping, right_side(rows), direction_.vector());
  }

  /// Throws NumericError where the last direction's factorisation failed.
  void check_solve() const {
    const double info = backend_.read_scalars()[Slot::factor_info];
    if (info != 0.0)
      throw NumericError(fmt::format("{}: the Cholesky factorisation failed (info {})", case_.name, info));
  }

  /// Returns the bytes that it held.
  double drop_fisher() {
    const std::size_t before = backend_.bytes_in_use();
    fisher_.reset();
    return static_cast<double>(before - backend_.bytes_in_use());
  }

 private:
  void gradient_of_loss() {
    natgrad::gradient(score_rows(problem_.net, acts_, ScoreSpec{.kind = ScoreKind::empirical},
                                 case_.likelihood, problem_.batch.y, gradient_signals_),
                      gradient_.vector());
  }

  // b = Sᵀu + λv as the kind and the structure have it: mc rows have no u, there b = g and v = g/λ.
  RightSide<float> right_side(const Rows<float>& rows) {
    RightSide<float> right;
    if (case_.kind == ScoreKind::mc) {
      gradient_of_loss();
      backend_.copy(gradient_.matrix(gradient_.size(), 1), start_.matrix(start_.size(), 1));
      backend_.scale(static_cast<float>(1.0 / damping), start_.vector());
      right.b = gradient_.vector();
      right.v = start_.vector();
    } else if (fisher_->dual()) {
      right.u = rows.u;
    } else {
      multiply_transposed(rows, rows.u, gradient_.vector(), scratch_);
      right.b = gradient_.vector();
    }
    return right;
  }

  Problem& problem_;
  const Case& case_;
  Backend<float>& backend_;
  std::unique_ptr<Fisher<float>> fisher_;
  Buffer<float> gradient_, direction_, start_;  // g, d, v; P
  Buffer<float> scratch_;
  Activations<float> acts_;
  Signals<float> signals_, gradient_signals_;
};

// A step so short that the loss falls and the bound does not bind: the first try is accepted.
NaturalGradientOptions step_options(const Case& c) {
  NaturalGradientOptions options;
  options.kind = c.kind;
  options.fisher = fisher_options(c);
  options.damping.start = damping;
  options.damping.schedule = DampingSchedule::constant;
  options.max_beta = 1e-5;
  return options;
}

// Another number of solves or tries would be another amount of work.
void run_step(NaturalGradient<float>& optimizer, const Problem& problem, const Case& c) {
  const StepReport report = optimizer.step(problem.batch);
  if (report.rejected || report.backtracks > 0 || report.solver_retries > 0) {
    throw NumericError(fmt::format("{}: a step took {} tries and {} solves: {}", c.name,
                                   report.backtracks + 1, report.solver_retries + 1, report.note));
  }
}

}  // namespace

Measurement measure(Backend<float>& backend, const Case& c, double bound) {
  Problem problem(backend, c);
  NaturalGradient<float> optimizer(problem.net, c.likelihood, step_options(c));
  const Timed step{[&] { run_step(optimizer, problem, c); }, [&] { problem.reset(); }};
  run_step(optimizer, problem, c);
  Measurement result;
  result.peak_bytes = static_cast<double>(backend.peak_bytes());

  Passes passes(problem, c);
  const Timed gradient{[&] { passes.run_gradient(); }}, direction{[&] { passes.run_direction(); }};
  const auto seconds = time_in_turn(backend, bound, {gradient, step, direction});
  passes.check_solve();
  result.gradient_seconds = median(seconds[0]);
  result.step_seconds = median(seconds[1]);
  result.direction_seconds = median(seconds[2]);
  result.fisher_bytes_planned = planned_bytes(c);
  result.fisher_bytes = passes.drop_fisher();
  return result;
}

double direction_seconds(Backend<float>& backend, const Case& c, double bound) {
  Problem problem(backend, c);
  Passes passes(problem, c);
  const auto seconds = time_in_turn(backend, bound, {{[&] { passes.run_direction(); }}});
  passes.check_solve();
  return median(seconds[0]);
}

}  // namespace natgrad::bench
