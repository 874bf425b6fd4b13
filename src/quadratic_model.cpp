#include "quadratic_model.hpp"

namespace natgrad {

template <class R>
Index QuadraticModel<R>::elements(const NetworkShape& shape, Index samples) {
  return 2 * shape.outputs() * samples + Activations<R>::output_elements(shape, samples) + shape.parameters();
}

template <class R>
void QuadraticModel<R>::minimise(const Activations<R>& acts, VectorView<const R> g, double kappa,
                                 VectorView<const R> previous, VectorView<R> d) {
  Backend<R>& backend = net_.backend();
  const MatrixView<const R> z = acts.output();
  for (Buffer<R>* buffer : {&jacobian_d_, &jacobian_s_}) buffer->reserve(backend, z.size());
  step_.reserve(backend, d.size);
  const MatrixView<R> jd = jacobian_d_.matrix(z.rows, z.cols), js = jacobian_s_.matrix(z.rows, z.cols);

  jacobian_product<R>(net_, acts, d, scratch_, jd);
  backend.output_fisher(likelihood_, z, jd, jd, Slot::fisher_dd);
  backend.dot(d, d, Slot::norm_dd);
  backend.dot(g, d, Slot::slope_d);
  if (previous.size > 0) {
    jacobian_product<R>(net_, acts, previous, scratch_, js);
    backend.output_fisher(likelihood_, z, jd, js, Slot::fisher_ds);
    backend.output_fisher(likelihood_, z, js, js, Slot::fisher_ss);
    backend.dot(d, previous, Slot::norm_ds);
    backend.dot(previous, previous, Slot::norm_ss);
    backend.dot(g, previous, Slot::slope_s);
  } else {
    for (Slot slot : {Slot::fisher_ds, Slot::fisher_ss, Slot::norm_ds, Slot::norm_ss, Slot::slope_s})
      backend.set_scalar(slot, 0.0);
  }
  backend.quadratic_step(kappa);

  const MatrixView<R> step = step_.matrix(d.size, 1);
  backend.fill(step, R(0));
  backend.axpy(R(1), Slot::rate, d, step_.vector());
  if (previous.size > 0) backend.axpy(R(1), Slot::momentum, previous, step_.vector());
  backend.copy(step, {d.data, d.size, 1});
}

template class QuadraticModel<float>;
template class QuadraticModel<double>;

}  // namespace natgrad
