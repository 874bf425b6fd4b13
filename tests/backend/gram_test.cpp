/// The Gram matrix K = SSᵀ from layers' factors.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "support/layer_factors.hpp"
#include "support/shape_errors.hpp"

namespace natgrad {
namespace {

using Gram = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, Gram, ::testing::ValuesIn(backend_cases()), backend_case_name);

/// The layers of a net, of the same samples.
template <class R>
struct Layers {
  std::vector<HostFactors<R>> layers;
  Index rows = 0;

  Layers(std::initializer_list<LayerSize> sizes) : Layers(std::vector<LayerSize>(sizes)) {}
  explicit Layers(const std::vector<LayerSize>& sizes) : rows(sizes.front().rows()) {
    for (const LayerSize& size : sizes) layers.emplace_back(size);
  }
  Layers absolute_values() const {
    Layers sizes = *this;
    for (HostFactors<R>& layer : sizes.layers) layer = layer.absolute_values();
    return sizes;
  }
  /// Products behind an element of K.
  Index terms() const {
    Index sum = 0;
    for (const HostFactors<R>& layer : layers) sum += layer.inputs() + layer.d.rows;
    return sum;
  }
};

/// K, R × R.
template <class R>
HostMatrix<R> gram(Backend<R>& b, const Layers<R>& net) {
  std::vector<DeviceFactors<R>> on_device;
  for (const HostFactors<R>& layer : net.layers) on_device.emplace_back(b, layer);
  const std::vector<LayerFactors<R>> factors(on_device.begin(), on_device.end());
  const DeviceMatrix<R> k(b, net.rows, net.rows);
  b.gram(factors, k);
  return k.download();
}

TEST_P(Gram, OfOneLayerMatchesTheReferenceInTheLowerTriangle) {
  run([]<class R>(Backend<R>& backend) {
    for (const LayerSize& size : layer_sizes()) {
      const Layers<R> net{size};
      EXPECT_TRUE(sums_match<R>(backend, net, net.terms(), gram<R>, Part::lower)) << size;
    }
  });
}

TEST_P(Gram, OfSeveralLayersMatchesTheReferenceInTheLowerTriangle) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index samples : {0, 1, 2, 31, 33, 70})
      for (const Index r : {0, 1, 3}) {
        const Layers<R> net{
            {5, 3, samples, r}, {3, 33, samples, r, false}, {33, 2, samples, r}, {0, 7, samples, r}};
        EXPECT_TRUE(sums_match<R>(backend, net, net.terms(), gram<R>, Part::lower))
            << "N " << samples << ", r " << r;
      }
  });
}

// Tiles of 64 or 128 rows begin within a sample, or lie within one.
TEST_P(Gram, OfManyRowsASampleMatchesTheReferenceInTheLowerTriangle) {
  run([]<class R>(Backend<R>& backend) {
    for (const auto& [samples, r] : {std::pair<Index, Index>{70, 2}, {15, 9}, {3, 65}, {1, 130}}) {
      const Layers<R> net{{33, 5, samples, r}, {5, 18, samples, r, false}, {3, 0, samples, r}};
      EXPECT_TRUE(sums_match<R>(backend, net, net.terms(), gram<R>, Part::lower))
          << "N " << samples << ", r " << r;
    }
  });
}

// More than the parameters of one kernel hold.
TEST_P(Gram, OfAHundredLayersMatchesTheReferenceInTheLowerTriangle) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index r : {1, 3}) {
      std::vector<LayerSize> sizes;
      for (Index l = 0; l < 100; ++l) sizes.push_back({l % 5, 1 + l % 3, 5, r});
      const Layers<R> net(sizes);
      EXPECT_TRUE(sums_match<R>(backend, net, net.terms(), gram<R>, Part::lower)) << "r " << r;
    }
  });
}

TEST_P(Gram, IsTheProductOfTheExpandedRows) {
  run([]<class R>(Backend<R>& backend) {
    for (const LayerSize& size : layer_sizes()) {
      const Layers<R> net{size};
      const auto product_of_rows = [](Backend<R>& b, const Layers<R>& layers) {
        const DeviceMatrix<R> s(b, khatri_rao(b, layers.layers[0])), k(b, layers.rows, layers.rows);
        b.gemm(Transpose::yes, Transpose::no, R(1), s, s, R(0), k);
        return lower_only(k.download());
      };
      const auto reference = make_reference_backend<R>();
      EXPECT_TRUE(componentwise(gram(backend, net), product_of_rows(*reference, net),
                                4.0 * static_cast<double>(net.terms() + 2),
                                product_of_rows(*reference, net.absolute_values()), Part::lower))
          << size;
    }
  });
}

TEST_P(Gram, OfAnExplicitMatrixIsThatOfALayerWithoutInputs) {
  run([]<class R>(Backend<R>& backend) {
    const Index parameters = 70, rows = 33;
    const Layers<R> net{{0, parameters, rows, 1}};
    const auto syrk = [](Backend<R>& b, const Layers<R>& layers) {
      HostMatrix<R> s(rows, parameters);
      for (Index j = 0; j < parameters; ++j)
        for (Index i = 0; i < rows; ++i) s(i, j) = layers.layers[0].d(j, i);
      const DeviceMatrix<R> d_s(b, s), k(b, rows, rows);
      b.syrk(R(1), d_s, R(0), k);
      return k.download();
    };
    const auto reference = make_reference_backend<R>();
    EXPECT_TRUE(componentwise(gram(backend, net), syrk(*reference, net), 4.0 * (parameters + 1),
                              syrk(*reference, net.absolute_values()), Part::lower));
  });
}

TEST_P(Gram, OfNoLayersIsZero) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceMatrix<R> k(backend, 3, 3);
    backend.gram({}, k);
    EXPECT_TRUE(identical(k.download(), HostMatrix<R>(3, 3), Part::lower));
  });
}

// Poison would hide a sum that is added to it.
TEST_P(Gram, LeavesWhatIsAboveTheDiagonal) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index r : {1, 3}) {
      const DeviceFactors<R> layer(backend, HostFactors<R>(LayerSize{5, 3, 70, r}));
      const std::vector<LayerFactors<R>> factors = {layer, layer};
      HostMatrix<R> before(70 * r, 70 * r);
      std::fill(before.data.begin(), before.data.end(), R(7));
      const DeviceMatrix<R> k(backend, before);
      backend.gram(factors, k);
      const HostMatrix<R> after = k.download();
      Index changed = 0;
      for (Index j = 0; j < after.cols; ++j)
        for (Index i = 0; i < j; ++i) changed += after(i, j) != R(7);
      EXPECT_EQ(changed, 0) << "elements above the diagonal, r " << r;
    }
  });
}

TEST_P(Gram, HasTheSameBitsAgain) {
  run([]<class R>(Backend<R>& backend) {
    const Layers<R> net{{43, 5, 70, 3}, {5, 33, 70, 3}};
    EXPECT_TRUE(identical(gram(backend, net), gram(backend, net), Part::lower));
  });
}

TEST_P(Gram, RejectsShapesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceFactors<R> layer(backend, LayerSize{2, 3, 4, 2}), fewer(backend, LayerSize{2, 3, 3, 2}),
        single(backend, LayerSize{2, 3, 4, 1}), shared(backend, LayerSize{2, 3, 8, 1});
    const DeviceMatrix<R> k8(backend, 8, 8), k87(backend, 8, 7), k7(backend, 7, 7), d7(backend, 3, 7);
    const auto rejected = [&](std::vector<LayerFactors<R>> layers, const DeviceMatrix<R>& k) {
      return rejects_shapes("gram", [&] { backend.gram(layers, k); });
    };
    EXPECT_TRUE(rejected({layer}, k87));
    EXPECT_TRUE(rejected({layer}, k7));
    EXPECT_TRUE(rejected({layer, fewer}, k8));
    EXPECT_TRUE(rejected({layer, single}, k8));
    EXPECT_TRUE(rejected({layer, shared}, k8)) << "as many rows of twice the samples";
    EXPECT_TRUE(rejected({{layer.a, d7, true}}, k7)) << "7 rows of 4 samples";
  });
}

}  // namespace
}  // namespace natgrad
