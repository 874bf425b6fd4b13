#include "fisher/outer_product.hpp"

#include <algorithm>

#include "shape_check.hpp"

namespace natgrad {
namespace {

// Bounds the memory that expanded rows and products of pairs take, whatever the batch.
constexpr Index most_elements = Index{1} << 24;

bool by_pairs(Index rows_per_sample) { return rows_per_sample > 1; }

// Samples whose expanded rows are held at once.
Index row_chunk(Index parameters, Index r, Index samples) {
  return std::clamp<Index>(most_elements / std::max<Index>(1, capped_product(parameters, r)), 1,
                           std::max<Index>(1, samples));
}

// How the product of two layers is cut: samples whose pairs are held at once, signal pairs multiplied at
// once.
struct PairCut {
  Index inputs, signals;  // pairs
  Index chunk, strip;

  PairCut(Pairs pairs, const RowsShape::Layer& x, const RowsShape::Layer& y, Index samples)
      : inputs(pair_count(pairs, x.extended(), y.extended())),
        signals(pair_count(pairs, x.units, y.units)),
        chunk(std::clamp<Index>(most_elements / std::max<Index>(1, inputs + signals), 1,
                                std::max<Index>(1, samples))),
        strip(std::clamp<Index>(most_elements / std::max<Index>(1, inputs), 1, std::max<Index>(1, signals))) {
  }
};

Pairs pairs_of(std::size_t l, std::size_t k) { return l == k ? Pairs::unique : Pairs::all; }

template <class Body>
void for_each_block(const RowsShape& shape, Blocks blocks, Body body) {
  for (std::size_t l = 0; l < shape.layers.size(); ++l)
    for (std::size_t k = blocks == Blocks::all ? 0 : l; k <= l; ++k)
      body(PairCut(pairs_of(l, k), shape.layers[l], shape.layers[k], shape.samples));
}

// Of the matrices that the blocks make up.
std::vector<Index> orders(const RowsShape& shape, Blocks blocks) {
  if (blocks == Blocks::all) return {shape.parameters()};
  std::vector<Index> orders;
  for (const auto& layer : shape.layers) orders.push_back(layer.parameters());
  return orders;
}

template <class R>
RowsShape::Layer shape_of(const LayerFactors<R>& layer) {
  return {layer.a.rows, layer.d.rows, layer.bias};
}

}  // namespace

template <class R>
std::vector<PlannedBuffer> OuterProduct<R>::buffers(const RowsShape& shape, Blocks blocks) {
  if (!by_pairs(shape.per_sample)) {
    Index expanded = 0;
    for (Index p : orders(shape, blocks))
      expanded = std::max(expanded,
                          capped_product(p, shape.per_sample, row_chunk(p, shape.per_sample, shape.samples)));
    return {{"expanded rows", expanded}, {"signal pairs", 0}, {"products of pairs", 0}};
  }
  Index inputs = 0, signals = 0, products = 0;
  for_each_block(shape, blocks, [&](const PairCut& cut) {
    inputs = std::max(inputs, cut.inputs * cut.chunk);
    signals = std::max(signals, cut.signals * cut.chunk);
    products = std::max(products, cut.inputs * cut.strip);
  });
  return {{"input pairs", inputs}, {"signal pairs", signals}, {"products of pairs", products}};
}

// By rows P²R, for the lower triangle; by pairs 2N for each product of an input pair and a signal pair.
template <class R>
double OuterProduct<R>::flops(const RowsShape& shape, Blocks blocks) {
  double flops = 0.0;
  if (!by_pairs(shape.per_sample)) {
    for (Index p : orders(shape, blocks))
      flops += static_cast<double>(shape.count()) * static_cast<double>(p) * static_cast<double>(p);
    return flops;
  }
  for_each_block(shape, blocks, [&](const PairCut& cut) {
    flops += 2.0 * static_cast<double>(shape.samples) * static_cast<double>(cut.inputs) *
             static_cast<double>(cut.signals);
  });
  return flops;
}

template <class R>
OuterProduct<R>::OuterProduct(Backend<R>& backend, const RowsShape& shape, Blocks blocks)
    : backend_(backend) {
  const auto plan = buffers(shape, blocks);
  left_ = Buffer<R>(backend, plan[0].elements);
  right_ = Buffer<R>(backend, plan[1].elements);
  products_ = Buffer<R>(backend, plan[2].elements);
}

template <class R>
void OuterProduct<R>::accumulate(const Rows<R>& rows, R alpha, R beta, MatrixView<R> f, Accuracy accuracy) {
  require_size("outer product", "the order of F", f.rows, rows.parameters());
  if (!by_pairs(rows.per_sample)) {
    const Index r = rows.per_sample, p = rows.parameters();
    return backend_.outer_products(rows.layers, alpha, beta,
                                   left_.matrix(p, r * row_chunk(p, r, rows.samples())), f, accuracy);
  }
  Index row = 0;
  for (std::size_t l = 0; l < rows.layers.size(); ++l) {
    const LayerFactors<R>& x = rows.layers[l];
    Index col = 0;
    for (std::size_t k = 0; k <= l; ++k) {
      const LayerFactors<R>& y = rows.layers[k];
      accumulate_block(pairs_of(l, k), x, y, alpha, beta, f.block(row, col, x.parameters(), y.parameters()));
      col += y.parameters();
    }
    row += x.parameters();
  }
}

// Q ← α(input pairs)(signal pairs)ᵀ, a strip of signal pairs at a time; where one chunk holds all samples
// their pairs are formed once.
template <class R>
void OuterProduct<R>::accumulate_block(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y,
                                       R alpha, R beta, MatrixView<R> f) {
  const Index samples = x.a.cols;
  const PairCut cut(pairs, shape_of(x), shape_of(y), samples);
  for (Index first = 0; first < cut.signals; first += cut.strip) {
    const Index strip = std::min(cut.strip, cut.signals - first);
    const MatrixView<R> q = products_.matrix(cut.inputs, strip);
    for (Index begin = 0; begin < samples; begin += cut.chunk) {
      const Index count = std::min(cut.chunk, samples - begin);
      const MatrixView<R> inputs = left_.matrix(cut.inputs, count);
      const MatrixView<R> signals = right_.matrix(cut.signals, count);
      if (first == 0 || cut.chunk < samples) {
        const LayerFactors<R> xs = x.slice(begin, count), ys = y.slice(begin, count);
        backend_.input_pairs(pairs, xs, ys, inputs);
        backend_.signal_pairs(pairs, xs, ys, signals);
      }
      backend_.gemm(Transpose::no, Transpose::yes, alpha, inputs, signals.block(first, 0, strip, count),
                    begin == 0 ? R(0) : R(1), q);
    }
    backend_.unpack_pairs(pairs, x, y, q, first, beta, f);
  }
}

template class OuterProduct<float>;
template class OuterProduct<double>;

}  // namespace natgrad
