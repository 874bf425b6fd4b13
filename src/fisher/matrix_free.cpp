/// All of F by products with S alone: conjugate gradients on (SᵀS + λI)d = b, preconditioned by the diagonal
/// or by Kronecker factors of the same rows.
///
/// The scalars of an iteration are read by the host, twice; sums are in f64. Convergence is judged by the
/// residual b − (F + λI)d as it is, not by the one that the recurrence carries along: where the latter alone
/// has converged, another pass begins from the former, as long as each pass shrinks it. Where u is given, the
/// residual is Sᵀ(u − Sd) + λ(v − d), whose rounding errors are ‖S‖/√λ times smaller in d.
#include <cmath>
#include <limits>

#include "fisher/dense_by_products.hpp"
#include "fisher/fisher.hpp"
#include "fisher/kronecker_factors.hpp"

namespace natgrad {
namespace {

constexpr int patience = 50;            // iterations without a smaller residual that end a pass
constexpr double worthwhile = 1.0 / 4;  // of ‖r‖², a pass must leave less for another to follow

FisherOptions preconditioner_options(const FisherOptions& options) {
  return {.structure = options.preconditioner, .cutoff = options.cutoff};
}

std::vector<PlannedBuffer> buffers_of(const RowsShape& shape) {
  const Index p = shape.parameters();
  return {{"residual", p}, {"preconditioned residual", p}, {"conjugate direction", p},
          {"product", p},  {"Sd", shape.count()},          {"product scratch", product_scratch(shape)}};
}

template <class R>
class MatrixFreeFisher final : public Fisher<R> {
 public:
  MatrixFreeFisher(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options)
      : Fisher<R>(backend, shape, options),
        buffers_(backend, buffers_of(shape)),
        preconditioner_(make_fisher(backend, shape, preconditioner_options(options))) {}

  bool dual() const override { return true; }

  // Sᵀ(Sv)
  void multiply(VectorView<const R> v, VectorView<R> out) override {
    natgrad::multiply(this->rows_, v, response(), buffers_["product scratch"]);
    multiply_transposed<R>(this->rows_, response(), out, buffers_["product scratch"]);
  }

  void to_dense(MatrixView<R> out) override { dense_by_products(this->backend_, *this, out); }

  int iterations() const override { return iterations_; }

 private:
  void accumulate(R, R) override { preconditioner_->update(this->rows_); }

  void solve_damped(SolveMethod method, R damping, const RightSide<R>& right, VectorView<R> d) override {
    const VectorView<R> r = vector("residual");
    this->backend_.fill({d.data, d.size, 1}, R(0));
    this->backend_.copy({right.b.data, r.size, 1}, {r.data, r.size, 1});
    this->backend_.dot(r, r, Slot::residual_norm2);
    this->backend_.set_scalar(Slot::quadratic, 0.0);
    double norm2 = this->backend_.read_scalars()[Slot::residual_norm2];
    const double right_norm2 = norm2, tolerance = this->options_.tolerance;
    const double target = tolerance * tolerance * right_norm2;
    double before = std::numeric_limits<double>::infinity();
    iterations_ = 0;
    failure_ = 0.0;
    while (norm2 > target && norm2 < worthwhile * before && failure_ == 0.0 && !exhausted()) {
      before = norm2;
      descend(method, damping, norm2, target / 4.0, d);  // half of the residual is left to rounding
      norm2 = true_residual(right, damping, d);
    }
    this->backend_.set_scalar(Slot::right_side_norm2, right_norm2);
    this->backend_.set_scalar(Slot::factor_info, std::isfinite(norm2) ? failure_ : -1.0);
  }

  bool exhausted() const { return iterations_ >= this->options_.max_iterations; }

  // One pass: d ← d + (F + λI)⁻¹r, r the residual with this ‖r‖²; Hestenes & Stiefel (1952).
  void descend(SolveMethod method, R damping, double norm2, double target, VectorView<R> d) {
    Backend<R>& backend = this->backend_;
    const VectorView<R> r = vector("residual"), p = vector("conjugate direction"), q = vector("product");
    VectorView<R> z = precondition(method, damping);
    double rz = read_dot(r, z), smallest = norm2;
    backend.copy({z.data, z.size, 1}, {p.data, p.size, 1});
    int stalled = 0;
    while (rz > 0.0 && failure_ == 0.0 && !exhausted()) {
      multiply(p, q);  // q = (F + λI)p
      backend.axpy(damping, p, q);
      const double curvature = read_dot(p, q);
      if (!(curvature > 0.0)) return;
      const double alpha = rz / curvature;
      backend.axpy(static_cast<R>(alpha), p, d);
      backend.axpy(static_cast<R>(-alpha), q, r);
      z = precondition(method, damping);
      backend.dot(r, r, Slot::residual_norm2);
      const double rz_before = rz;
      rz = read_dot(r, z, &norm2);
      stalled = norm2 < smallest ? 0 : stalled + 1;
      smallest = std::min(smallest, norm2);
      ++iterations_;
      if (!(norm2 > target) || stalled == patience) return;
      backend.scale(static_cast<R>(rz / rz_before), p);  // p ← z + βp
      backend.axpy(R(1), z, p);
    }
  }

  // z = M⁻¹r; at λ = 0 r itself, which keeps d in the space of the rows: of minimum norm.
  VectorView<R> precondition(SolveMethod method, R damping) {
    const VectorView<R> r = vector("residual"), z = vector("preconditioned residual");
    if (damping == R(0)) return r;
    preconditioner_->solve(method, static_cast<double>(damping), {.b = r}, z);
    return z;
  }

  // xᵀy, and ‖r‖² where it is wanted; notes that the preconditioner could not be factored, or made of finite
  // vectors what is not finite.
  double read_dot(VectorView<const R> x, VectorView<const R> y, double* residual_norm2 = nullptr) {
    this->backend_.dot(x, y, Slot::quadratic);
    const Scalars s = this->backend_.read_scalars();
    if (s[Slot::factor_info] != 0.0) failure_ = s[Slot::factor_info];
    if (failure_ == 0.0 && !std::isfinite(s[Slot::quadratic])) failure_ = -1.0;
    if (residual_norm2 != nullptr) *residual_norm2 = s[Slot::residual_norm2];
    return s[Slot::quadratic];
  }

  // r ← b − (F + λI)d; returns ‖r‖². Slot quadratic ← ‖Sd‖².
  double true_residual(const RightSide<R>& right, R damping, VectorView<const R> d) {
    Backend<R>& backend = this->backend_;
    const VectorView<R> r = vector("residual"), sd = response();
    natgrad::multiply(this->rows_, d, sd, buffers_["product scratch"]);
    backend.dot(sd, sd, Slot::quadratic);
    backend.scale(R(-1), sd);
    if (right.u.size > 0) backend.axpy(R(1), right.u, sd);
    multiply_transposed<R>(this->rows_, sd, r, buffers_["product scratch"]);
    backend.axpy(-damping, d, r);
    if (right.u.size == 0)
      backend.axpy(R(1), right.b, r);
    else if (right.v.size > 0)
      backend.axpy(damping, right.v, r);
    backend.dot(r, r, Slot::residual_norm2);
    return backend.read_scalars()[Slot::residual_norm2];
  }

  VectorView<R> vector(const char* name) { return buffers_[name].vector(); }
  VectorView<R> response() { return vector("Sd"); }

  PlannedBuffers<R> buffers_;
  std::unique_ptr<Fisher<R>> preconditioner_;
  int iterations_ = 0;
  double failure_ = 0.0;  // factor_info of the preconditioner
};

}  // namespace

// 20 iterations: 2 N m ñ + 2 R m for Sv and as much for Sᵀw per layer, and a solve of the preconditioner
// (Kronecker: four products with factors); 12 P for vectors. The preconditioner's update.
FisherPlan plan_matrix_free(const RowsShape& shape, const FisherOptions& options) {
  constexpr double iterations = 20.0;
  FisherPlan plan{.buffers = buffers_of(shape), .exact = true, .dual = true};
  FisherPlan preconditioner = plan_fisher(shape, preconditioner_options(options));
  for (auto& [name, elements] : preconditioner.buffers)
    plan.buffers.push_back({"preconditioner: " + name, elements});
  double products = 0.0;
  for (const auto& layer : shape.layers)
    products += 4.0 * (static_cast<double>(shape.samples) * static_cast<double>(layer.parameters()) +
                       static_cast<double>(shape.count()) * static_cast<double>(layer.units));
  const double solve = options.preconditioner == Structure::kronecker ? 2.0 * sandwich_flops(shape) : 0.0;
  plan.flops =
      preconditioner.flops + iterations * (products + solve + 12.0 * static_cast<double>(shape.parameters()));
  return plan;
}

template <class R>
FisherOwner<R> make_matrix_free(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options) {
  return std::make_unique<MatrixFreeFisher<R>>(backend, shape, options);
}
template FisherOwner<float> make_matrix_free(Backend<float>&, const RowsShape&, const FisherOptions&);
template FisherOwner<double> make_matrix_free(Backend<double>&, const RowsShape&, const FisherOptions&);

}  // namespace natgrad
