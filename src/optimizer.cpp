#include "natgrad/optimizer.hpp"

#include <cmath>
#include <cstdio>

namespace natgrad {

template <class R>
void GradientPass<R>::forward(const Batch<R>& batch) {
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
  forward(batch);
  gradient(empirical_rows(batch));
}

template <class R>
double GradientPass<R>::checked_loss(const Scalars& scalars) const {
  const double parameters = scalars[Slot::parameter_norm2], gradient = scalars[Slot::gradient_norm2];
  const double loss = scalars[Slot::loss] + 0.5 * l2_ * parameters;
  if (std::isfinite(loss) && std::isfinite(gradient) && std::isfinite(parameters)) return loss;
  char message[300];
  std::snprintf(
      message, sizeof message,
      "step: loss %g, squared gradient norm %g and squared parameter norm %g must be finite; the weights or the "
      "data are too large for the precision: try --scale, another --init, a smaller --kl or --learning-rate",
      loss, gradient, parameters);
  throw NumericError(message);
}

namespace {

template <class R>
class Sgd final : public Optimizer<R> {
 public:
  Sgd(Network<R>& net, Likelihood likelihood, const SgdOptions& options)
      : net_(net), options_(options), pass_(net, likelihood, options.l2) {
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
    backend.scale(static_cast<R>(options_.momentum), velocity_.vector());
    backend.axpy(R(1), pass_.gradient(), velocity_.vector());
    backend.axpy(static_cast<R>(-options_.learning_rate), velocity_.vector(), net_.theta());
    return report;
  }

 private:
  Network<R>& net_;
  SgdOptions options_;
  GradientPass<R> pass_;
  Buffer<R> velocity_;  // P
};

template <class R>
class Adam final : public Optimizer<R> {
 public:
  Adam(Network<R>& net, Likelihood likelihood, const AdamOptions& options)
      : net_(net), options_(options), pass_(net, likelihood, options.l2) {
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
    ++steps_;
    const double t = static_cast<double>(steps_);
    backend.adam({options_.learning_rate, options_.beta1, options_.beta2, options_.epsilon,
                  1.0 - std::pow(options_.beta1, t), 1.0 - std::pow(options_.beta2, t)},
                 pass_.gradient(), first_.vector(), second_.vector(), net_.theta());
    return report;
  }

 private:
  Network<R>& net_;
  AdamOptions options_;
  GradientPass<R> pass_;
  Buffer<R> first_, second_;  // moments, P
  Index steps_ = 0;
};

}  // namespace

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
