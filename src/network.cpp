#include "natgrad/network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host_memory.hpp"
#include "names.hpp"
#include "non_finite.hpp"
#include "random.hpp"
#include "shape_check.hpp"

namespace natgrad {
namespace {

constexpr Name<Init> init_names[] = {
    {Init::lecun, "lecun"}, {Init::xavier, "xavier"}, {Init::he, "he"}, {Init::sparse, "sparse"}};

}  // namespace

std::string_view to_string(Init init) { return name_of(init_names, init); }
Init parse_init(std::string_view name) { return value_of(init_names, name, "initialisation"); }

Index NetworkShape::offset(Index l) const {
  Index offset = 0;
  for (Index k = 0; k < l; ++k) offset = std::min(countless, offset + layer_parameters(k));
  return offset;
}

std::string NetworkShape::description() const {
  std::string text;
  for (Index width : widths) text += (text.empty() ? "" : "-") + std::to_string(width);
  const bool one = std::ranges::adjacent_find(activations, std::not_equal_to{}) == activations.end();
  for (std::size_t l = 0; l < (one ? std::min<std::size_t>(1, activations.size()) : activations.size()); ++l)
    text += (l == 0 ? " " : ",") + std::string(to_string(activations[l]));
  return text;
}

void NetworkShape::validate() const {
  if (widths.size() < 2)
    throw UsageError("network: " + std::to_string(widths.size()) +
                     " widths given, inputs and outputs wanted");
  for (std::size_t l = 0; l < widths.size(); ++l)
    if (widths[l] < 1 || widths[l] > INT32_MAX)
      throw UsageError("network: width " + std::to_string(l) + " is " + std::to_string(widths[l]) +
                       ", must be 1 to 2147483647");
  if (activations.size() + 2 != widths.size())
    throw UsageError("network: " + std::to_string(activations.size()) + " activations for " +
                     std::to_string(widths.size() - 2) + " hidden layers; give one for all or one for each");
}

std::vector<double> initial_parameters(const NetworkShape& shape, Init init, std::uint64_t seed) {
  constexpr Index sparse_weights = 15;  // Martens 2010, section 5
  shape.validate();
  const auto parameters = static_cast<std::size_t>(shape.parameters());
  require_host_memory(parameters * sizeof(double), "network: " + std::to_string(parameters) + " parameters");
  std::vector<double> theta(parameters, 0.0);
  for (Index l = 0; l < shape.layers(); ++l) {
    const Index n = shape.width(l), m = shape.width(l + 1);
    const RandomKey key{seed, Stream::init, static_cast<std::uint32_t>(l)};
    double* weights = theta.data() + shape.offset(l);
    if (init == Init::sparse) {
      for (Index j = 0; j < m; ++j) {  // the first of a permutation of the inputs
        const RandomKey unit{seed, Stream::init, static_cast<std::uint32_t>(shape.layers() * (j + 1) + l)};
        const auto order = random_permutation(unit, n);
        for (Index k = 0; k < std::min(n, sparse_weights); ++k)
          weights[j * n + order[static_cast<std::size_t>(k)]] =
              random_normal(key, static_cast<std::uint64_t>(j * n + k));
      }
      continue;
    }
    const double fan_in = static_cast<double>(n), fan_out = static_cast<double>(m);
    const double variance = init == Init::lecun ? 1.0 / fan_in
                            : init == Init::he  ? 2.0 / fan_in
                                                : 2.0 / (fan_in + fan_out);
    for (Index i = 0; i < n * m; ++i)
      weights[i] = std::sqrt(variance) * random_normal(key, static_cast<std::uint64_t>(i));
  }
  return theta;
}

template <class R>
Network<R>::Network(Backend<R>& backend, NetworkShape shape) : backend_(&backend), shape_(std::move(shape)) {
  shape_.validate();
  theta_ = Buffer<R>(backend, shape_.parameters());
  backend.fill(theta_.matrix(shape_.parameters(), 1), R(0));
}

template <class R>
void Network<R>::set_parameters(const std::vector<double>& theta) {
  require_size("network", "the number of parameters", static_cast<Index>(theta.size()), shape_.parameters());
  std::vector<R> rounded(theta.begin(), theta.end());
  const auto bad = std::ranges::find_if(rounded, [](R value) { return !std::isfinite(value); });
  if (bad != rounded.end()) {
    const Index k = bad - rounded.begin();
    throw NumericError(fmt::format(
        "network: parameter {}, {}, is {:g}, must be finite in {}", k,
        parameter_name(rows_shape(shape_, 0, 1), k), theta[static_cast<std::size_t>(k)],
        sizeof(R) == 4 ? "f32; give finite weights, or take --precision f64" : "f64; give finite weights"));
  }
  theta_.upload(rounded.data());
}

template <class R>
std::vector<double> Network<R>::parameters() const {
  const std::vector<R> theta = theta_.download();
  return {theta.begin(), theta.end()};
}

template <class R>
void Activations<R>::start(const Network<R>& net, MatrixView<const R> x) {
  require_size("forward", "the number of rows of x", x.rows, net.shape().inputs());
  if (x.cols < 0)
    throw ShapeError("forward: the number of samples is " + std::to_string(x.cols) + ", must be at least 0");
  const auto layers = static_cast<std::size_t>(net.shape().layers());
  inputs_.assign(layers, {});
  slopes_.assign(layers, {});
  inputs_[0] = x;
  value_buffers_.resize(layers + 1);
  slope_buffers_.resize(layers + 1);
}

template <class R>
void forward(const Network<R>& net, MatrixView<const R> x, Activations<R>& acts) {
  Backend<R>& backend = net.backend();
  const PhaseScope phase(backend, Phase::forward);
  const NetworkShape& shape = net.shape();
  acts.start(net, x);
  for (Index l = 0; l < shape.layers(); ++l) {
    const auto [weights, bias] = layer_of(shape, net.theta(), l);
    const auto next = static_cast<std::size_t>(l + 1);
    const bool last = l + 1 == shape.layers();
    Buffer<R>& buffer = last ? acts.value_buffers_[next] : acts.slope_buffers_[next];
    buffer.reserve(backend, capped_product(shape.width(l + 1), x.cols));
    const MatrixView<R> z = buffer.matrix(shape.width(l + 1), x.cols);  // n_{l+1} × N
    if (last) {
      backend.forward_layer(Activation::identity, weights, bias, acts.input(l), z, z);
      acts.output_ = z;
    } else {
      acts.value_buffers_[next].reserve(backend, z.size());
      const MatrixView<R> a = acts.value_buffers_[next].matrix(z.rows, z.cols);
      backend.forward_layer(shape.activations[static_cast<std::size_t>(l)], weights, bias, acts.input(l), z,
                            a);
      acts.slopes_[next] = z;
      acts.inputs_[next] = a;
    }
  }
}

namespace {

Index widest_layer(const NetworkShape& shape) {
  return *std::max_element(shape.widths.begin() + 1, shape.widths.end());
}

}  // namespace

template <class R>
Activations<R> Activations<R>::columns(Index begin, Index count) const {
  Activations part;
  for (const auto& input : inputs_) part.inputs_.push_back(input.columns(begin, count));
  for (const auto& slope : slopes_) part.slopes_.push_back(slope.columns(begin, count));
  part.output_ = output_.columns(begin, count);
  return part;
}

template <class R>
Index Activations<R>::elements(const NetworkShape& shape, Index samples) {
  Index units = shape.outputs();
  for (Index l = 1; l < shape.layers(); ++l) units += 2 * shape.width(l);
  return capped_product(units, samples);
}

template <class R>
Index Activations<R>::output_elements(const NetworkShape& shape, Index samples) {
  return capped_product(std::min<Index>(2, shape.layers()) * widest_layer(shape), samples);
}

template <class R>
void forward_output(const Network<R>& net, MatrixView<const R> x, Activations<R>& acts) {
  Backend<R>& backend = net.backend();
  const NetworkShape& shape = net.shape();
  acts.start(net, x);
  const Index widest = widest_layer(shape);
  MatrixView<const R> a = x;
  for (Index l = 0; l < shape.layers(); ++l) {
    Buffer<R>& buffer = acts.value_buffers_[static_cast<std::size_t>(l % 2)];
    buffer.reserve(backend, capped_product(widest, x.cols));
    const MatrixView<R> z = buffer.matrix(shape.width(l + 1), x.cols);  // n_{l+1} × N
    const auto [weights, bias] = layer_of(shape, net.theta(), l);
    const bool last = l + 1 == shape.layers();
    backend.forward_layer(last ? Activation::identity : shape.activations[static_cast<std::size_t>(l)],
                          weights, bias, a, z, z);
    a = acts.output_ = z;
  }
}

template <class R>
void jacobian_product(const Network<R>& net, const Activations<R>& acts, VectorView<const R> v,
                      Buffer<R>& scratch, MatrixView<R> jv) {
  Backend<R>& backend = net.backend();
  const NetworkShape& shape = net.shape();
  const Index samples = acts.output().cols, half = widest_layer(shape) * samples;
  require_size("jacobian_product", "the number of outputs seen", acts.output().rows, shape.outputs());
  require_size("jacobian_product", "the size of v", v.size, shape.parameters());
  require_size("jacobian_product", "the number of rows of Jv", jv.rows, shape.outputs());
  require_size("jacobian_product", "the number of columns of Jv", jv.cols, samples);
  scratch.reserve(backend, Activations<R>::output_elements(shape, samples));
  MatrixView<const R> before;  // ȧ_l
  for (Index l = 0; l < shape.layers(); ++l) {
    const Index units = shape.width(l + 1);
    const bool last = l + 1 == shape.layers();
    const MatrixView<R> z = last ? jv : MatrixView<R>{scratch.data() + (l % 2) * half, units, samples};
    const LayerView<const R> along = layer_of(shape, v, l);
    backend.gemm(Transpose::yes, Transpose::no, R(1), along.weights, acts.input(l), R(0), z);
    backend.activate(Activation::identity, along.bias, z, z);
    if (l > 0)
      backend.gemm(Transpose::yes, Transpose::no, R(1), layer_of<const R>(shape, net.theta(), l).weights,
                   before, R(1), z);
    if (!last) backend.multiply_slopes(acts.slopes(l + 1), z);
    before = z;
  }
}

template class Network<float>;
template class Network<double>;
template class Activations<float>;
template class Activations<double>;
template void forward(const Network<float>&, MatrixView<const float>, Activations<float>&);
template void forward(const Network<double>&, MatrixView<const double>, Activations<double>&);
template void forward_output(const Network<float>&, MatrixView<const float>, Activations<float>&);
template void forward_output(const Network<double>&, MatrixView<const double>, Activations<double>&);
template void jacobian_product(const Network<float>&, const Activations<float>&, VectorView<const float>,
                               Buffer<float>&, MatrixView<float>);
template void jacobian_product(const Network<double>&, const Activations<double>&, VectorView<const double>,
                               Buffer<double>&, MatrixView<double>);

}  // namespace natgrad
