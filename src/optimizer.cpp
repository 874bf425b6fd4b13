#include "natgrad/optimizer.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "non_finite.hpp"
#include "option_check.hpp"

namespace natgrad {

template <class R>
void GradientPass<R>::forward(const Batch<R>& batch) {
  if (batch.x.cols == 0) throw ShapeError("step: the batch has 0 samples, must have at least 1");
  natgrad::forward(net_, batch.x, acts_);
  net_.backend().loss(likelihood_, acts_.output(), batch.y);
  net_.backend().dot(net_.theta(), net_.theta(), Slot::parameter_norm2);
}

template <class R>
Rows<R> GradientPass<R>::empirical_rows(const Batch<R>& batch) {
  const PhaseScope phase(net_.backend(), Phase::scores);
  return score_rows(net_, acts_, ScoreSpec{.kind = ScoreKind::empirical}, likelihood_, batch.y, signals_);
}

template <class R>
void GradientPass<R>::gradient(const Rows<R>& empirical_rows) {
  Backend<R>& backend = net_.backend();
  const PhaseScope phase(backend, Phase::scores);
  gradient_.reserve(backend, net_.shape().parameters());
  natgrad::gradient(empirical_rows, gradient());
  if (l2_ != 0.0) backend.axpy(static_cast<R>(l2_), net_.theta(), gradient());
  backend.dot(gradient(), gradient(), Slot::gradient_norm2);
}

template <class R>
void GradientPass<R>::run(const Batch<R>& batch) {
  batch_ = batch;
  forward(batch);
  rows_ = empirical_rows(batch);
  gradient(rows_);
}

template <class R>
double GradientPass<R>::loss(const Scalars& scalars) const {
  const double parameters = scalars[Slot::parameter_norm2], gradient = scalars[Slot::gradient_norm2];
  const double loss = scalars[Slot::loss] + 0.5 * l2_ * parameters;
  const bool finite = std::isfinite(loss) && std::isfinite(gradient) && std::isfinite(parameters);
  return finite ? loss : std::numeric_limits<double>::quiet_NaN();
}

template <class R>
double GradientPass<R>::checked_loss(const Scalars& scalars) const {
  const double value = loss(scalars);
  if (!std::isnan(value)) return value;
  const std::string found = describe_non_finite<R>(net_.backend(), {.net = &net_,
                                                                    .likelihood = likelihood_,
                                                                    .batch = batch_,
                                                                    .activations = &acts_,
                                                                    .rows = &rows_,
                                                                    .gradient = gradient()});
  throw NumericError(found.empty() ? describe_non_finite(scalars) : found);
}

namespace {

// Throws unless θ and what an update makes of g surely fit precision R, by bounds from norms that are known
// already, so that a step needs no second look at the device. A norm is at least the largest element.
template <class R>
void require_room(const Network<R>& net, VectorView<const R> gradient, const char* what, double bound) {
  constexpr double most = std::numeric_limits<R>::max();
  if (bound <= most) return;
  throw NumericError(fmt::format(
      "gradient: {}, its largest element; {} may reach {:g}, must stay below {:g}; the weights or the data are too "
      "large for the precision: try --scale, another --init, a smaller --learning-rate, or --precision f64",
      describe_largest(net, gradient), what, bound, most));
}

template <class R>
class Sgd final : public Optimizer<R> {
 public:
  Sgd(Network<R>& net, Likelihood likelihood, const SgdOptions& options)
      : net_(net), options_(options), pass_(net, likelihood, options.l2) {
    options.validate();
    velocity_ = Buffer<R>(net.backend(), net.shape().parameters());
    net.backend().fill(velocity_.matrix(velocity_.size(), 1), R(0));
  }

  // v ← μv + g, θ ← θ − rate·v
  StepReport step(const Batch<R>& batch) override {
    Backend<R>& backend = net_.backend();
    pass_.run(batch);
    const Scalars start = backend.read_scalars();
    StepReport report;
    report.loss = pass_.checked_loss(start);
    report.grad_norm = std::sqrt(start[Slot::gradient_norm2]);
    report.beta = options_.learning_rate;
    const double velocity = options_.momentum * velocity_norm_ + report.grad_norm;
    const double theta = std::sqrt(start[Slot::parameter_norm2]) + options_.learning_rate * velocity;
    require_room<R>(net_, pass_.gradient(), "the velocity", velocity);
    require_room<R>(net_, pass_.gradient(), "a parameter", theta);
    velocity_norm_ = velocity;
    backend.scale(static_cast<R>(options_.momentum), velocity_.vector());
    backend.axpy(R(1), pass_.gradient(), velocity_.vector());
    backend.axpy(static_cast<R>(-options_.learning_rate), velocity_.vector(), net_.theta());
    return report;
  }

  void visit_state(StateVisitor<R>& state) override {
    state.array("velocity", velocity_.vector());
    state.number("velocity norm", velocity_norm_);
  }

 private:
  Network<R>& net_;
  SgdOptions options_;
  GradientPass<R> pass_;
  Buffer<R> velocity_;          // P
  double velocity_norm_ = 0.0;  // an upper bound
};

template <class R>
class Adam final : public Optimizer<R> {
 public:
  Adam(Network<R>& net, Likelihood likelihood, const AdamOptions& options)
      : net_(net), options_(options), pass_(net, likelihood, options.l2) {
    options.validate();
    // Added to a root that may be 0.
    require_option(static_cast<R>(options.epsilon) > R(0), "epsilon", options.epsilon,
                   "positive in the precision of the network");
    for (Buffer<R>* moment : {&first_, &second_}) {
      *moment = Buffer<R>(net.backend(), net.shape().parameters());
      net.backend().fill(moment->matrix(moment->size(), 1), R(0));
    }
  }

  StepReport step(const Batch<R>& batch) override {
    Backend<R>& backend = net_.backend();
    pass_.run(batch);
    const Scalars start = backend.read_scalars();
    StepReport report;
    report.loss = pass_.checked_loss(start);
    report.grad_norm = std::sqrt(start[Slot::gradient_norm2]);
    report.beta = options_.learning_rate;
    const double t = static_cast<double>(steps_ + 1);
    const typename Backend<R>::AdamRates rates{options_.learning_rate,
                                               options_.beta1,
                                               options_.beta2,
                                               options_.epsilon,
                                               1.0 - std::pow(options_.beta1, t),
                                               1.0 - std::pow(options_.beta2, t)};
    require_room(start, rates);
    backend.adam(rates, pass_.gradient(), first_.vector(), second_.vector(), net_.theta());
    ++steps_;
    return report;
  }

  void visit_state(StateVisitor<R>& state) override {
    state.count("steps", steps_);
    state.array("first moment", first_.vector());
    state.array("second moment", second_.vector());
    state.number("first moment norm", first_norm_);
    state.number("largest second moment", second_most_);
  }

 private:
  // Both moments as they are divided by their corrections, and θ. A square that overflows would stop its
  // parameter for good.
  void require_room(const Scalars& start, const typename Backend<R>::AdamRates& rates) {
    const double square = start[Slot::gradient_norm2], norm = std::sqrt(square);
    const double first = rates.beta1 * first_norm_ + (1.0 - rates.beta1) * norm;
    const double second = rates.beta2 * second_most_ + (1.0 - rates.beta2) * square;
    const double theta = std::sqrt(start[Slot::parameter_norm2]) +
                         std::abs(rates.rate) * first / rates.correction1 / rates.epsilon;
    const auto require = [&](const char* what, double bound) {
      natgrad::require_room<R>(net_, pass_.gradient(), what, bound);
    };
    require("the first moment", first / rates.correction1);
    require("the second moment", second / rates.correction2);
    require("a parameter", theta);
    first_norm_ = first;
    second_most_ = second;
  }

  Network<R>& net_;
  AdamOptions options_;
  GradientPass<R> pass_;
  Buffer<R> first_, second_;  // moments, P
  Index steps_ = 0;
  double first_norm_ = 0.0, second_most_ = 0.0;  // upper bounds
};

}  // namespace

void SgdOptions::validate() const {
  require_option(learning_rate >= 0.0 && std::isfinite(learning_rate), "learning-rate", learning_rate,
                 "at least 0");
  require_option(momentum >= 0.0 && momentum < 1.0, "momentum", momentum, "at least 0 and below 1");
  require_option(l2 >= 0.0 && std::isfinite(l2), "l2", l2, "at least 0");
}

void AdamOptions::validate() const {
  require_option(learning_rate >= 0.0 && std::isfinite(learning_rate), "learning-rate", learning_rate,
                 "at least 0");
  require_option(beta1 >= 0.0 && beta1 < 1.0, "beta1", beta1, "at least 0 and below 1");
  require_option(beta2 >= 0.0 && beta2 < 1.0, "beta2", beta2, "at least 0 and below 1");
  require_option(epsilon > 0.0 && std::isfinite(epsilon), "epsilon", epsilon, "positive");
  require_option(l2 >= 0.0 && std::isfinite(l2), "l2", l2, "at least 0");
}

template <class R>
std::unique_ptr<Optimizer<R>> make_sgd(Network<R>& net, Likelihood likelihood, const SgdOptions& options) {
  return std::make_unique<Sgd<R>>(net, likelihood, options);
}

template <class R>
std::unique_ptr<Optimizer<R>> make_adam(Network<R>& net, Likelihood likelihood, const AdamOptions& options) {
  return std::make_unique<Adam<R>>(net, likelihood, options);
}

template class GradientPass<float>;
template class GradientPass<double>;
template std::unique_ptr<Optimizer<float>> make_sgd(Network<float>&, Likelihood, const SgdOptions&);
template std::unique_ptr<Optimizer<double>> make_sgd(Network<double>&, Likelihood, const SgdOptions&);
template std::unique_ptr<Optimizer<float>> make_adam(Network<float>&, Likelihood, const AdamOptions&);
template std::unique_ptr<Optimizer<double>> make_adam(Network<double>&, Likelihood, const AdamOptions&);

}  // namespace natgrad
