/// What a step takes from its batch, and what it keeps of the batches before: score rows, Fisher, gradient.
#include <algorithm>
#include <cmath>

#include "natgrad/natural_gradient.hpp"
#include "non_finite.hpp"

namespace natgrad {

template <class R>
void NaturalGradient<R>::visit_state(StateVisitor<R>& state) {
  state.count("steps", steps_);
  StateVisitor<R> damping = state.within("damping");
  damping_.visit_state(damping);
  state.flag("has step before", has_previous_);
  if (has_previous_) state.array("step before", previous_.vector());
  StateVisitor<R> fisher = state.within("fisher");
  visit_fisher(fisher);
}

// None before the first step.
template <class R>
void NaturalGradient<R>::visit_fisher(StateVisitor<R>& state) {
  Index samples = fisher_ ? fisher_shape_.samples : 0, per_sample = fisher_shape_.per_sample;
  state.count("samples", samples);
  state.count("rows per sample", per_sample);
  if (samples == 0) return;
  prepare_fisher(rows_shape(net_.shape(), samples, per_sample));
  fisher_->visit_state(state);
}

template <class R>
void NaturalGradient<R>::prepare_fisher(const RowsShape& shape) {
  if (fisher_ && shape == fisher_shape_) return;
  fisher_.reset();  // its memory first
  fisher_ = make_fisher(backend_, shape, options_.fisher);
  fisher_shape_ = shape;
}

// Forward pass, score rows, Fisher; the gradient, unless it is had from the rows on the way.
template <class R>
void NaturalGradient<R>::see(const Batch<R>& batch) {
  pass_.forward(batch);
  gradient_formed_ = false;
  use_residuals_ = true;
  use_momentum_ = options_.momentum > 0.0 && has_previous_;
  rows_ = curvature_rows(batch);
  prepare_fisher(rows_.shape());
  const bool from_rows =
      !fisher_->needs_gradient() && has_residuals() && options_.l2 == 0.0 && options_.rule == StepRule::kl;
  if (!from_rows) form_gradient(batch);
  fisher_->update(rows_);
}

// Where a window of `part` samples begins, which moves on from step to step.
template <class R>
Index NaturalGradient<R>::window_begin(Index samples, Index part) const {
  return std::min(steps_ * part % samples, samples - part);
}

// All samples of the batch, or a window, whose u is not that of the gradient.
template <class R>
Rows<R> NaturalGradient<R>::curvature_rows(const Batch<R>& batch) {
  const ScoreSpec spec{
      options_.kind, options_.draws, {options_.seed, Stream::scores, static_cast<std::uint32_t>(steps_)}};
  const Index samples = batch.x.cols, part = options_.fisher_batch;
  if (part == 0 || part >= samples) {
    if (options_.kind == ScoreKind::empirical) return pass_.empirical_rows(batch);
    const PhaseScope phase(backend_, Phase::scores);
    return score_rows(net_, pass_.activations(), spec, likelihood_, batch.y, signals_);
  }
  const PhaseScope phase(backend_, Phase::scores);
  const Index begin = window_begin(samples, part);
  window_ = pass_.activations().columns(begin, part);
  Rows<R> rows = score_rows(net_, window_, spec, likelihood_, batch.y.columns(begin, part), signals_);
  rows.u = {};
  return rows;
}

template <class R>
void NaturalGradient<R>::form_gradient(const Batch<R>& batch) {
  const bool same_rows = options_.kind == ScoreKind::empirical && rows_.samples() == batch.x.cols;
  pass_.gradient(same_rows ? rows_ : pass_.empirical_rows(batch));
  gradient_formed_ = true;
}

template <class R>
VectorView<const R> NaturalGradient<R>::gradient() {
  if (gradient_formed_) return pass_.gradient();
  if (rows_.layers.empty()) throw UsageError("natural gradient: there is no gradient before the first step");
  Buffer<R> scratch;
  right_side_.reserve(backend_, net_.shape().parameters());
  multiply_transposed<R>(rows_, rows_.u, right_side_.vector(), scratch);  // g = Sᵀu
  return right_side_.vector();
}

// θ as before; throws where anything that the step was made of is not finite. What F remembers of it would
// spoil the steps to come: it is made anew.
template <class R>
void NaturalGradient<R>::require_finite(const Batch<R>& batch, const Scalars& s) {
  restore();
  const Index samples = batch.x.cols, part = rows_.samples();
  const StepParts<R> parts{.net = &net_,
                           .likelihood = likelihood_,
                           .batch = batch,
                           .activations = &pass_.activations(),
                           .rows = &rows_,
                           .first_sample = part < samples ? window_begin(samples, part) : 0,
                           .gradient = gradient(),
                           .fisher = fisher_.get(),
                           .factor_failed = s[Slot::factor_info] < 0.0,
                           .direction = s[Slot::factor_info] == 0.0 ? direction() : VectorView<const R>{}};
  std::string found = describe_non_finite(backend_, parts);
  if (found.empty() && std::isnan(pass_.loss(s))) found = describe_non_finite(s);
  if (found.empty()) return;
  fisher_.reset();
  throw NumericError(found);
}

template <class R>
Fisher<R>& NaturalGradient<R>::fisher() {
  if (fisher_) return *fisher_;
  throw UsageError("natural gradient: there is no Fisher before the first step, nor after one that failed");
}

template void NaturalGradient<float>::visit_state(StateVisitor<float>&);
template void NaturalGradient<double>::visit_state(StateVisitor<double>&);
template void NaturalGradient<float>::see(const Batch<float>&);
template void NaturalGradient<double>::see(const Batch<double>&);
template Index NaturalGradient<float>::window_begin(Index, Index) const;
template Index NaturalGradient<double>::window_begin(Index, Index) const;
template void NaturalGradient<float>::form_gradient(const Batch<float>&);
template void NaturalGradient<double>::form_gradient(const Batch<double>&);
template VectorView<const float> NaturalGradient<float>::gradient();
template VectorView<const double> NaturalGradient<double>::gradient();
template void NaturalGradient<float>::require_finite(const Batch<float>&, const Scalars&);
template void NaturalGradient<double>::require_finite(const Batch<double>&, const Scalars&);
template Fisher<float>& NaturalGradient<float>::fisher();
template Fisher<double>& NaturalGradient<double>::fisher();

}  // namespace natgrad
