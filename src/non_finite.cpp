#include "non_finite.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "natgrad/device/likelihood.hpp"
#include "shape_check.hpp"

namespace natgrad {
namespace {

constexpr const char* too_large =
    "the weights or the data are too large for the precision: try --scale, another --init, a smaller --kl or "
    "--learning-rate, or --precision f64";

/// Where a number stands that fails a check.
struct Place {
  Index row = 0, col = 0;
  double value = 0.0;
};

/// The first element, column by column, that `bad` holds for.
template <class R, class Bad>
std::optional<Place> find(MatrixView<const R> m, Bad bad) {
  for (Index j = 0; j < m.cols; ++j)
    for (Index i = 0; i < m.rows; ++i)
      if (const R value = m.data[i + j * m.stride]; bad(value))
        return Place{i, j, static_cast<double>(value)};
  return std::nullopt;
}

template <class R>
HostMatrix<R> on_host(Device& device, MatrixView<const R> m) {
  HostMatrix<R> host(m.rows, m.cols);
  const auto column_bytes = static_cast<std::size_t>(m.rows) * sizeof(R);
  const bool gaps = m.stride != m.rows;
  for (Index j = 0; j < (gaps ? m.cols : 1) && m.size() > 0; ++j)
    device.download(host.view().column(j).data, m.data + j * m.stride,
                    gaps ? column_bytes : column_bytes * static_cast<std::size_t>(m.cols));
  return host;
}

template <class R>
MatrixView<const R> as_column(VectorView<const R> v) {
  return {v.data, v.size, 1};
}

std::string text_of(double value) { return std::isnan(value) ? "nan" : fmt::format("{:g}", value); }

/// One look at all parts; a message, or empty.
template <class R>
class Search {
 public:
  /// `squares`: for numbers whose square in f64 is not finite.
  Search(Backend<R>& backend, const StepParts<R>& parts, bool squares)
      : backend_(backend), parts_(parts), squares_(squares) {}

  std::string run() {
    for (const auto look : {&Search::data, &Search::weights, &Search::activations, &Search::score_rows,
                            &Search::gradient, &Search::curvature, &Search::direction})
      if (std::string found = (this->*look)(); !found.empty()) return found;
    return "";
  }

 private:
  bool bad(R value) const {
    const double number = static_cast<double>(value);
    return !std::isfinite(squares_ ? number * number : number);
  }
  std::optional<Place> look(MatrixView<const R> m) const {
    return find<R>(on_host(backend_, m).view(), [this](R value) { return bad(value); });
  }
  std::string say(const std::string& where, double value, const std::string& advice) const {
    return fmt::format("{} is {}, {}; {}", where, text_of(value),
                       squares_ ? "whose square must be finite" : "must be finite", advice);
  }
  // To a network's user, or to the caller whose own rows they are.
  const char* advice() const {
    return parts_.net != nullptr ? too_large : "look at the rows and the gradient given, or take f64";
  }
  RowsShape shape() const {
    return parts_.net != nullptr ? rows_shape(parts_.net->shape(), 0, 1) : parts_.rows->shape();
  }

  std::string data() const {
    const char* advice = "remove or repair the sample";
    if (const auto x = look(parts_.batch.x))
      return say(fmt::format("data: feature {} of sample {}", x->row, x->col), x->value, advice);
    if (const auto y = look(parts_.batch.y))
      return say(fmt::format("data: target {} of sample {}", y->row, y->col), y->value, advice);
    if (parts_.net == nullptr || parts_.likelihood != Likelihood::categorical) return "";
    const Index classes = parts_.net->shape().outputs();
    const auto no_class = find<R>(on_host(backend_, parts_.batch.y).view(),
                                  [classes](R label) { return Categorical::class_of(label, classes) < 0; });
    if (!no_class) return "";
    return fmt::format("data: the target of sample {} is {}, must be a class from 0 to {}; {}", no_class->col,
                       no_class->value, classes - 1, advice);
  }

  std::string weights() const {
    if (parts_.net == nullptr) return "";
    const auto found = look(as_column<R>(parts_.net->theta()));
    if (!found) return "";
    return say("weights: " + parameter_name(shape(), found->row), found->value,
               "start from other weights, or from a checkpoint");
  }

  std::string activations() const {
    if (parts_.activations == nullptr) return "";
    const Index layers = parts_.net->shape().layers();
    for (Index l = 0; l < layers; ++l)  // what layer l gives
      if (const auto found =
              look(l + 1 < layers ? parts_.activations->input(l + 1) : parts_.activations->output()))
        return say(fmt::format("activations: layers.{}, output {} of sample {}", l, found->row, found->col),
                   found->value, too_large);
    return "";
  }

  std::string score_rows() const {
    if (parts_.rows == nullptr) return "";
    for (std::size_t l = parts_.rows->layers.size(); l-- > 0;) {  // as they are propagated
      const LayerFactors<R>& layer = parts_.rows->layers[l];
      const Index r = std::max<Index>(1, parts_.rows->per_sample);
      const auto where = [&](Index column) {
        if (layer.a.rows == 0) return fmt::format("score rows: row {}", column);
        return fmt::format("score rows: layers.{}, sample {}, row {}", l, parts_.first_sample + column / r,
                           column % r);
      };
      if (const auto d = look(layer.d))
        return say(where(d->col) + (layer.a.rows == 0 ? ", parameter " : ": the signal of unit ") +
                       std::to_string(d->row),
                   d->value, advice());
      if (const auto a = look(layer.a))  // a caller's own; those of a network are activations
        return say(where(a->col * r) + fmt::format(": input {}", a->row), a->value, advice());
    }
    return "";
  }

  std::string gradient() const {
    const auto found = look(as_column(parts_.gradient));
    if (!found) return "";
    return say("gradient: " + parameter_name(shape(), found->row), found->value, advice());
  }

  // F times a vector of ones tells the rows of F that are not finite, in the memory of two vectors.
  std::string curvature() const {
    if (parts_.fisher == nullptr || squares_) return "";
    const Index p = parts_.fisher->parameters();
    Buffer<R> ones(backend_, p), product(backend_, p);
    backend_.fill(ones.matrix(p, 1), R(1));
    parts_.fisher->multiply(ones.vector(), product.vector());
    const auto found = look(product.matrix(p, 1));
    if (found)
      return say("curvature: the row of " + parameter_name(shape(), found->row), found->value, advice());
    return parts_.factor_failed
               ? std::string("curvature: its factorisation is not finite; raise the damping, or else ") +
                     advice()
               : "";
  }

  std::string direction() const {
    if (squares_) return "";
    const auto found = look(as_column(parts_.direction));
    if (!found) return "";
    return say("direction: " + parameter_name(shape(), found->row), found->value,
               "raise --damping or take --precision f64");
  }

  Backend<R>& backend_;
  const StepParts<R>& parts_;
  bool squares_;
};

}  // namespace

std::string parameter_name(const RowsShape& shape, Index k) {
  std::size_t l = 0;
  while (l + 1 < shape.layers.size() && k >= shape.offset(l + 1)) ++l;
  const RowsShape::Layer& layer = shape.layers[l];
  const Index i = k - shape.offset(l), weights = layer.inputs * layer.units;
  if (layer.inputs == 0) return fmt::format("parameter {}", k);
  if (i >= weights) return fmt::format("layers.{}.bias ({})", l, i - weights);
  return fmt::format("layers.{}.weight ({}, {})", l, i / layer.inputs, i % layer.inputs);
}

template <class R>
std::string describe_non_finite(Backend<R>& backend, const StepParts<R>& parts) {
  std::string found = Search<R>(backend, parts, false).run();
  return found.empty() ? Search<R>(backend, parts, true).run() : found;
}

std::string describe_non_finite(const Scalars& s) {
  return fmt::format(
      "step: loss {:g}, squared gradient norm {:g} and squared parameter norm {:g} must be finite; {}",
      s[Slot::loss], s[Slot::gradient_norm2], s[Slot::parameter_norm2], too_large);
}

template <class R>
std::string describe_largest(const Network<R>& net, VectorView<const R> v) {
  const HostMatrix<R> host = on_host(net.backend(), as_column(v));
  const auto largest = std::ranges::max_element(host.data, {}, [](R value) { return std::abs(value); });
  return fmt::format("{} is {:g}", parameter_name(rows_shape(net.shape(), 0, 1), largest - host.data.begin()),
                     *largest);
}

template <class T>
void require_finite(const HostMatrix<T>& x, const HostMatrix<T>& y) {
  const auto check = [](const char* what, const HostMatrix<T>& m) {
    require_size("data", "the size of a matrix", static_cast<Index>(m.data.size()), m.rows * m.cols);
    if (const auto bad = find<T>(m.view(), [](T value) { return !std::isfinite(value); }))
      throw DataError(
          fmt::format("data: {} {} of sample {} is {}, must be finite; remove or repair the sample", what,
                      bad->row, bad->col, text_of(bad->value)));
  };
  check("feature", x);
  check("target", y);
  if (y.rows > 0) require_size("data", "the number of samples of y", y.cols, x.cols);
}

template std::string describe_non_finite(Backend<float>&, const StepParts<float>&);
template std::string describe_non_finite(Backend<double>&, const StepParts<double>&);
template std::string describe_largest(const Network<float>&, VectorView<const float>);
template std::string describe_largest(const Network<double>&, VectorView<const double>);
template void require_finite(const HostMatrix<float>&, const HostMatrix<float>&);
template void require_finite(const HostMatrix<double>&, const HostMatrix<double>&);

}  // namespace natgrad
