/// The Fisher from the factors of all layers.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cases.hpp"
#include "fisher/outer_product.hpp"
#include "operations.hpp"

namespace natgrad::bench {
namespace {

using Shared = std::shared_ptr<Operands>;

// A case's network at the sizes of the measurement; owns the widths that `of` views.
struct Net {
  std::vector<Index> widths;
  Case of;

  Net(std::span<const Index> full, ScoreKind kind, Index samples, const Sizes& s) {
    for (Index width : full)
      widths.push_back(std::max<Index>(3, s(width)));  // of 2 classes exact rows are 1 a sample
    of.widths = widths;
    of.kind = kind;
    of.samples = s(samples);
  }
  double order() const { return static_cast<double>(of.parameters()); }
  double rows() const { return static_cast<double>(of.rows()); }
  std::string shape() const {
    return fmt::format("{}, N = {}, R = {}", fmt::join(widths, "-"), of.samples, of.rows());
  }
  /// Of the factors.
  double elements() const {
    double count = 0.0;
    for (std::size_t l = 0; l < of.layers(); ++l)
      count += static_cast<double>(widths[l] * of.samples + widths[l + 1] * of.rows());
    return count;
  }
  std::vector<LayerFactors<float>> factors(Operands& o) const {
    return o.factors(widths, of.samples, of.rows_per_sample());
  }
};

Operation gram(const char* name, std::shared_ptr<Net> net) {
  return {name,
          net->shape(),
          gram_flops(net->of),
          bytes_of(net->elements() + net->rows() * net->rows() / 2.0),
          [net](const Shared& o) {
            const auto layers = net->factors(*o);
            const auto k = o->matrix(net->of.rows(), net->of.rows());
            return repeated([=] { o->backend().gram(layers, k, Accuracy::refined); });
          },
          true};
}

Operation outer_products(const char* name, std::shared_ptr<Net> net) {
  return {
      name,
      net->shape(),
      net->rows() * net->order() * net->order(),
      bytes_of(net->elements() + net->order() * net->order() / 2.0),
      [net](const Shared& o) {
        const Index p = net->of.parameters();
        const auto layers = net->factors(*o);
        const auto rows = o->matrix(p, net->of.rows()), f = o->matrix(p, p);
        return repeated([=] { o->backend().outer_products(layers, 1.0f, 0.0f, rows, f, Accuracy::refined); });
      },
      true};
}

// All blocks of F by unique pairs: input_pairs, signal_pairs, a product, unpack_pairs for each.
Operation dense_by_pairs(const char* name, std::shared_ptr<Net> net) {
  return {name, net->shape(), pair_flops(net->of),
          bytes_of(net->elements() + net->order() * net->order() / 2.0), [net](const Shared& o) {
            Rows<float> rows;
            rows.backend = &o->backend();
            rows.layers = net->factors(*o);
            rows.per_sample = net->of.rows_per_sample();
            RowsShape shape;
            shape.samples = net->of.samples;
            shape.per_sample = rows.per_sample;
            for (const auto& layer : rows.layers) shape.layers.push_back({layer.a.rows, layer.units(), true});
            const auto outer = std::make_shared<OuterProduct<float>>(o->backend(), shape, Blocks::all);
            const auto f = o->matrix(net->of.parameters(), net->of.parameters());
            return repeated([=] { outer->accumulate(rows, 1.0f, 0.0f, f); });
          }};
}

}  // namespace

std::vector<Operation> fisher_operations(const Sizes& s) {
  using enum ScoreKind;
  const auto net = [&](std::span<const Index> widths, ScoreKind kind, Index samples) {
    return std::make_shared<Net>(widths, kind, samples, s);
  };
  return {gram("gram-mnist-1024", net(mnist, empirical, 1024)),
          gram("gram-mnist-1024-exact", net(mnist, exact, 1024)),
          gram("gram-ae-1000", net(autoencoder, empirical, 1000)),
          gram("gram-ae-8192", net(autoencoder, empirical, 8192)),
          outer_products("outer-products-digits", net(digits, empirical, 1437)),
          dense_by_pairs("dense-by-pairs-digits", net(digits, exact, 1437))};
}

}  // namespace natgrad::bench
