/// The Gram matrix in the Kronecker metric: systems with wF + (1 − w)M, F = SᵀS of the batch, M = ⊕_l (G_l +
/// γ/π I) ⊗ (A_l + πγI) the running Kronecker factors, damped by γ = √λ.
///
/// With the Cholesky factors of M, M_l = L_G L_Gᵀ ⊗ L_A L_Aᵀ, in whitened coordinates
///
///     ã ← L_A⁻¹ã,  δ ← L_G⁻¹δ,  B̃ ← L_A⁻¹B̃L_G⁻ᵀ,  D̃ = L_A⁻ᵀ · L_G⁻¹ of the direction found,
///
/// that is w(F + λ'I), λ' = (1 − w)/w, which the Gram matrix solves with. The batch's exact curvature
/// corrects the Kronecker approximation; the Kronecker history fills the directions that the batch does not
/// span.
#include <algorithm>
#include <cmath>

#include "fisher/extended.hpp"
#include "fisher/gram.hpp"
#include "fisher/kronecker_factors.hpp"

namespace natgrad {
namespace {

// ã takes the bias in.
RowsShape whitened_shape(const RowsShape& shape) {
  RowsShape whitened = shape;
  for (auto& layer : whitened.layers) layer = {layer.extended(), layer.units, false};
  return whitened;
}

std::vector<PlannedBuffer> buffers_of(const RowsShape& shape) {
  std::vector<PlannedBuffer> buffers = KroneckerFactors<float>::plan(shape);
  for (std::size_t l = 0; l < shape.layers.size(); ++l) {
    const Index inputs = shape.layers[l].extended(), units = shape.layers[l].units;
    buffers.push_back({layer_buffer(l, "root of A"), capped_product(inputs, inputs)});
    buffers.push_back({layer_buffer(l, "root of G"), capped_product(units, units)});
    buffers.push_back({layer_buffer(l, "whitened inputs"), capped_product(inputs, shape.samples)});
    buffers.push_back({layer_buffer(l, "whitened signals"), capped_product(units, shape.count())});
  }
  buffers.push_back({"extended inputs", extended_elements(shape)});
  buffers.push_back({"columns", unit_elements(shape)});
  buffers.push_back({"whitened vector", shape.parameters()});
  buffers.push_back({"Sv", shape.count()});
  buffers.push_back({"product scratch", product_scratch(shape)});
  return buffers;
}

// Of the Gram matrix within.
FisherOptions inner_options(FisherOptions options) {
  options.kronecker_metric = false;
  options.refresh = 1;
  return options;
}

template <class R>
class MetricFisher final : public Fisher<R> {
 public:
  MetricFisher(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options)
      : Fisher<R>(backend, shape, options),
        buffers_(backend, buffers_of(shape)),
        factors_(backend, shape, buffers_),
        gram_(backend, whitened_shape(shape), inner_options(options)) {}

  bool dual() const override { return true; }

  void refactor() override {
    rooted_ = whitened_ = false;
    gram_.refactor();
  }

  // Fv = Sᵀ(Sv)
  void multiply(VectorView<const R> v, VectorView<R> out) override {
    natgrad::multiply(this->rows_, v, buffers_["Sv"].vector(), buffers_["product scratch"]);
    multiply_transposed<R>(this->rows_, buffers_["Sv"].vector(), out, buffers_["product scratch"]);
  }

  void to_dense(MatrixView<R> out) override { dense_from_rows(this->rows_, out); }

 private:
  void accumulate(R, R) override {
    if (this->due()) {
      const Index taken = (this->updates_ - 1) / this->options_.refresh + 1;
      const double kept = std::min(this->options_.factor_decay, 1.0 - 1.0 / static_cast<double>(taken));
      factors_.accumulate(this->rows_, static_cast<R>(1.0 - kept), static_cast<R>(kept),
                          buffers_["extended inputs"]);
      rooted_ = false;
    }
    carried_ = rooted_;
    whitened_ = false;
  }

  bool remembers() const override { return true; }

  void visit_curvature(StateVisitor<R>& state) override {
    factors_.visit_state(state);
    if (this->options_.refresh == 1) return;
    double damping = static_cast<double>(damping_);
    state.flag("rooted", rooted_);
    state.number("damping", damping);
    damping_ = static_cast<R>(damping);
    if (!rooted_) return;
    for (std::size_t l = 0; l < this->shape_.layers.size(); ++l)
      for (const auto& [name, root] : {std::pair{"root of A", root_a(l)}, {"root of G", root_g(l)}})
        state.matrices(layer_buffer(l, name), BatchView<R>(root), Triangle::lower);
  }

  // Between refreshes the first solve after an update takes the roots as they are, whatever λ is by then.
  // Another λ after that means that its direction was not good enough: they are formed anew.
  void solve_damped(SolveMethod method, R damping, const RightSide<R>& right, VectorView<R> d) override {
    if (!rooted_ || !(carried_ || damping == damping_)) form_roots(damping);
    carried_ = false;
    if (!whitened_) whiten_rows();
    const R w = static_cast<R>(this->options_.mix), inner_damping = (R(1) - w) / w;
    const VectorView<R> x = buffers_["whitened vector"].vector();
    if (right.u.size > 0 && right.v.size == 0) {
      gram_.solve_damped(method, inner_damping, {.b = right.b, .u = right.u}, x);
    } else {
      whiten(right.b, d);
      gram_.solve_damped(method, inner_damping, {.b = d}, x);
    }
    carry_back(x, d);
    this->backend_.scale(R(1) / w, d);
    const VectorView<R> sd = gram_.response();  // of wd
    this->backend_.scale(R(1) / w, sd);
    this->backend_.dot(sd, sd, Slot::quadratic);
  }

  void form_roots(R damping) {
    const PhaseScope phase(this->backend_, Phase::factor);
    for (std::size_t l = 0; l < this->shape_.layers.size(); ++l)
      factors_.factor(l, std::sqrt(damping), root_a(l), root_g(l));
    damping_ = damping;
    rooted_ = true;
    whitened_ = false;
  }

  void whiten_rows() {
    const PhaseScope phase(this->backend_, Phase::fisher);
    Rows<R> whitened{&this->backend_, {}, this->shape_.per_sample};
    for (std::size_t l = 0; l < this->shape_.layers.size(); ++l) {
      const LayerFactors<R>& layer = this->rows_.layers[l];
      const MatrixView<R> a =
          buffers_[layer_buffer(l, "whitened inputs")].matrix(layer.inputs(), this->shape_.samples);
      const MatrixView<R> d =
          buffers_[layer_buffer(l, "whitened signals")].matrix(layer.units(), this->shape_.count());
      extend_inputs(this->backend_, layer, a);
      this->backend_.copy(layer.d, d);
      this->backend_.triangular_solve(Side::left, Transpose::no, root_a(l), a);
      this->backend_.triangular_solve(Side::left, Transpose::no, root_g(l), d);
      whitened.layers.push_back({a, d, false});
    }
    gram_.update(whitened);
    whitened_ = true;
  }

  // X ← L_A⁻¹B̃L_G⁻ᵀ; in whitened coordinates the bias of a unit stands with its weights, in θ's order apart.
  void whiten(VectorView<const R> b, VectorView<R> x) {
    for (std::size_t l = 0; l < this->shape_.layers.size(); ++l) {
      const MatrixView<R> columns = whitened_part(x, l);
      gather_units<R>(this->backend_, layer_part(this->shape_, l, b), columns);
      this->backend_.triangular_solve(Side::left, Transpose::no, root_a(l), columns);
      this->backend_.triangular_solve(Side::right, Transpose::yes, root_g(l), columns);
    }
  }

  // D̃ ← L_A⁻ᵀXL_G⁻¹; X is lost.
  void carry_back(VectorView<R> x, VectorView<R> d) {
    for (std::size_t l = 0; l < this->shape_.layers.size(); ++l) {
      const MatrixView<R> columns = whitened_part(x, l);
      this->backend_.triangular_solve(Side::left, Transpose::yes, root_a(l), columns);
      this->backend_.triangular_solve(Side::right, Transpose::no, root_g(l), columns);
      scatter_units<R>(this->backend_, columns, layer_part(this->shape_, l, d));
    }
  }

  MatrixView<R> whitened_part(VectorView<R> x, std::size_t l) const {
    const auto& layer = this->shape_.layers[l];
    return {x.data + this->shape_.offset(l), layer.extended(), layer.units};
  }
  MatrixView<R> root_a(std::size_t l) {
    const Index n = this->shape_.layers[l].extended();
    return buffers_[layer_buffer(l, "root of A")].matrix(n, n);
  }
  MatrixView<R> root_g(std::size_t l) {
    const Index m = this->shape_.layers[l].units;
    return buffers_[layer_buffer(l, "root of G")].matrix(m, m);
  }

  PlannedBuffers<R> buffers_;
  KroneckerFactors<R> factors_;
  GramFisher<R> gram_;  // of the whitened rows
  R damping_ = R(0);    // of the roots
  bool rooted_ = false, carried_ = false, whitened_ = false;
};

}  // namespace

// The factors; their roots, n³/3 each; n²(N + 2m) and m²(R + 2ñ) for whitening the rows, b and d; the Gram
// matrix.
FisherPlan plan_metric(const RowsShape& shape, const FisherOptions& options) {
  FisherPlan plan = plan_gram(whitened_shape(shape), inner_options(options));
  plan.needs_gradient = true;
  for (auto& buffer : buffers_of(shape)) plan.buffers.push_back(std::move(buffer));
  const double refresh = options.refresh;
  plan.flops += (KroneckerFactors<float>::flops(shape) + factor_cubes(shape) / 3.0) / refresh;
  for (const auto& layer : shape.layers) {
    const double n = static_cast<double>(layer.extended()), m = static_cast<double>(layer.units);
    plan.flops += n * n * (static_cast<double>(shape.samples) + 2.0 * m) +
                  m * m * (static_cast<double>(shape.count()) + 2.0 * n);
  }
  return plan;
}

template <class R>
FisherOwner<R> make_metric(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options) {
  return std::make_unique<MetricFisher<R>>(backend, shape, options);
}
template FisherOwner<float> make_metric(Backend<float>&, const RowsShape&, const FisherOptions&);
template FisherOwner<double> make_metric(Backend<double>&, const RowsShape&, const FisherOptions&);

}  // namespace natgrad
