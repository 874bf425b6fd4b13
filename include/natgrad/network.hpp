/// Dense networks: z_{l+1} = W_l a_l + b_l, a_{l+1} = φ_l(z_{l+1}), the last layer linear.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "natgrad/backend.hpp"

namespace natgrad {

/// Widths and activations; where each layer's parameters stand in θ.
///
/// θ stacks, layer by layer, W_l row-major (n_{l+1} × n_l, out slow, in fast), then b_l (n_{l+1}).
struct NetworkShape {
  std::vector<Index> widths;            // n_0 … n_L
  std::vector<Activation> activations;  // L − 1, one per hidden layer

  Index layers() const { return static_cast<Index>(widths.size()) - 1; }
  Index inputs() const { return widths.front(); }
  Index outputs() const { return widths.back(); }
  /// n_l, the inputs of layer l; `width(l + 1)` its units.
  Index width(Index l) const { return widths[static_cast<std::size_t>(l)]; }
  /// n_{l+1}(n_l + 1).
  Index layer_parameters(Index l) const { return capped_product(width(l + 1), width(l) + 1); }
  /// Where layer l begins in θ; at most `countless`.
  Index offset(Index l) const;
  /// P = Σ n_{l+1}(n_l + 1).
  Index parameters() const { return offset(layers()); }
  /// "64-32-10 tanh".
  std::string description() const;

  /// Throws UsageError unless there are two widths or more, all from 1 to 2³¹ − 1, and one activation per
  /// hidden layer.
  void validate() const;

  bool operator==(const NetworkShape&) const = default;
};

/// How weights start; biases start at 0. All but sparse draw N(0, s²): lecun s² = 1/n_in (LeCun et al. 1998),
/// xavier s² = 2/(n_in + n_out) (Glorot & Bengio 2010), he s² = 2/n_in (He et al. 2015); sparse: 15 incoming
/// weights of every unit from N(0, 1), the others 0 (Martens 2010).
enum class Init { lecun, xavier, he, sparse };

std::string_view to_string(Init init);
/// Throws UsageError, naming the allowed values, where `name` is none of them.
Init parse_init(std::string_view name);

/// θ of a new network: a pure function of (shape, scheme, seed), the same on every device. Throws UsageError
/// as NetworkShape::validate, OutOfMemory.
std::vector<double> initial_parameters(const NetworkShape& shape, Init init, std::uint64_t seed);

/// One layer's part of a vector in θ's order.
template <class R>
struct LayerView {
  MatrixView<R> weights;  // n_l × n_{l+1}, column j: the weights into unit j
  VectorView<R> bias;     // n_{l+1}
};

template <class R>
LayerView<R> layer_of(const NetworkShape& shape, VectorView<R> theta, Index l) {
  const Index n = shape.width(l), m = shape.width(l + 1), begin = shape.offset(l);
  return {{theta.data + begin, n, m}, theta.slice(begin + n * m, m)};
}

/// A network on a device.
template <class R>
class Network {
 public:
  /// θ = 0; the backend must outlive the network. Throws UsageError as NetworkShape::validate, OutOfMemory.
  Network(Backend<R>& backend, NetworkShape shape);

  Backend<R>& backend() const { return *backend_; }
  const NetworkShape& shape() const { return shape_; }
  VectorView<R> theta() const { return theta_.vector(); }

  /// Throws ShapeError unless `theta` has P elements, NumericError naming layer and element where one is not
  /// finite in precision R; the parameters are then as before.
  void set_parameters(const std::vector<double>& theta);
  /// A copy of θ; synchronises. Throws DeviceError.
  std::vector<double> parameters() const;

 private:
  Backend<R>* backend_;
  NetworkShape shape_;
  Buffer<R> theta_;  // P
};

/// What a forward pass leaves for the passes after it; buffers are kept for the next batch.
template <class R>
class Activations {
 public:
  /// a_l, n_l × N; a_0 is the batch.
  MatrixView<const R> input(Index l) const { return inputs_[static_cast<std::size_t>(l)]; }
  /// φ'(z_l), n_l × N, for the hidden layers l = 1 … L−1.
  MatrixView<const R> slopes(Index l) const { return slopes_[static_cast<std::size_t>(l)]; }
  /// z_L, C × N.
  MatrixView<const R> output() const { return output_; }
  /// Views of samples begin … begin + count − 1.
  Activations columns(Index begin, Index count) const;

  /// Elements of memory that `forward` and `forward_output` take.
  static Index elements(const NetworkShape& shape, Index samples);
  static Index output_elements(const NetworkShape& shape, Index samples);

 private:
  template <class S>
  friend void forward(const Network<S>&, MatrixView<const S>, Activations<S>&);
  template <class S>
  friend void forward_output(const Network<S>&, MatrixView<const S>, Activations<S>&);

  void start(const Network<R>& net, MatrixView<const R> x);

  std::vector<MatrixView<const R>> inputs_;
  std::vector<MatrixView<R>> slopes_;
  MatrixView<R> output_;
  std::vector<Buffer<R>> value_buffers_, slope_buffers_;  // by layer
};

/// Runs x (n_0 × N) through the network. This and the two below throw ShapeError where shapes do not fit
/// together, OutOfMemory, DeviceError.
template <class R>
void forward(const Network<R>& net, MatrixView<const R> x, Activations<R>& acts);

/// The same for output() alone: no slopes are kept, and two buffers serve all layers.
template <class R>
void forward_output(const Network<R>& net, MatrixView<const R> x, Activations<R>& acts);

/// jv ← Jv, C × N, the derivative of the outputs z_L along v (P), for the batch that `acts` has seen and the
/// θ that it has seen it with: ż_{l+1} = W_l ȧ_l + V_l ã_l, ȧ = φ' ∘ ż (forward mode). `scratch`:
/// output_elements. Costs about two forward passes.
template <class R>
void jacobian_product(const Network<R>& net, const Activations<R>& acts, VectorView<const R> v,
                      Buffer<R>& scratch, MatrixView<R> jv);

}  // namespace natgrad
