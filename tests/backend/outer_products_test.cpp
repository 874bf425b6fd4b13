/// F ← αSᵀS + βF from the layers' factors.
#include "support/outer_products.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "support/shape_errors.hpp"

namespace natgrad {
namespace {

using OuterProducts = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, OuterProducts, ::testing::ValuesIn(backend_cases()), backend_case_name);

/// Over anything, all rows at once.
template <class R>
::testing::AssertionResult stands_for_itself(Backend<R>& backend, const HostLayers<R>& net) {
  const Index p = net.parameters();
  const HostMatrix<R> before = poisoned<R>(p, p);
  return is_outer_product(outer_products(backend, net, R(1), R(0), before, net.samples), net, R(1), R(0),
                          before);
}

/// Added to half of what is there, `samples_at_once` at a time.
template <class R>
::testing::AssertionResult is_added(Backend<R>& backend, const HostLayers<R>& net, Index samples_at_once) {
  const Index p = net.parameters();
  const HostMatrix<R> before = lower_only(Random(7).matrix<R>(p, p));
  const R alpha = R(0.75), beta = R(0.5);
  return is_outer_product(outer_products(backend, net, alpha, beta, before, samples_at_once), net, alpha,
                          beta, before);
}

TEST_P(OuterProducts, OfOneLayerOverwriteWhatIsNotANumber) {
  run([]<class R>(Backend<R>& backend) {
    for (const LayerSize& size : layer_sizes()) {
      if (size.parameters() > 300) continue;  // an order that would only repeat tiles
      EXPECT_TRUE(stands_for_itself(backend, HostLayers<R>({size}))) << size;
    }
  });
}

TEST_P(OuterProducts, OfSeveralLayersAreAdded) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index samples : {0, 1, 31, 33})
      for (const Index r : {0, 1, 3, 9}) {
        const HostLayers<R> net({{31, 2, samples, r},
                                 {5, 3, samples, r},
                                 {3, 9, samples, r, false},
                                 {9, 2, samples, r},
                                 {0, 7, samples, r}});
        EXPECT_TRUE(stands_for_itself(backend, net)) << "N " << samples << ", r " << r;
        EXPECT_TRUE(is_added(backend, net, samples)) << "N " << samples << ", r " << r;
      }
  });
}

TEST_P(OuterProducts, AreTheSameSumWhateverTheNumberOfRowsExpandedAtOnce) {
  run([]<class R>(Backend<R>& backend) {
    const HostLayers<R> net({{4, 3, 11, 3}, {3, 2, 11, 3}});
    for (const Index samples_at_once : {1, 2, 5, 10, 11, 12})
      EXPECT_TRUE(is_added(backend, net, samples_at_once)) << samples_at_once << " samples at once";
  });
}

// More than a device without this many rows would share out among blocks of threads; numbers of rows that
// nothing divides.
TEST_P(OuterProducts, OfManyRowsAreAdded) {
  run([]<class R>(Backend<R>& backend) {
    for (const auto& [samples, r] : {std::pair<Index, Index>{403, 1}, {263, 3}, {59, 9}})
      EXPECT_TRUE(is_added(backend, HostLayers<R>({{4, 3, samples, r}, {3, 2, samples, r}}), samples))
          << "N " << samples << ", r " << r;
  });
}

TEST_P(OuterProducts, OfManyLayersAreAdded) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index samples : {5, 133}) {
      std::vector<LayerSize> sizes;
      for (Index l = 0; l < 53; ++l) sizes.push_back({l % 5, 1 + l % 3, samples, 2, l % 4 != 0});
      EXPECT_TRUE(is_added(backend, HostLayers<R>(sizes), samples)) << "N " << samples;
    }
  });
}

// Poison would hide a sum that is added to it.
TEST_P(OuterProducts, LeaveWhatIsAboveTheDiagonal) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index samples : {9, 301}) {
      const HostLayers<R> net({{8, 9, samples, 1}, {9, 7, samples, 1}});
      HostMatrix<R> before(net.parameters(), net.parameters());
      std::fill(before.data.begin(), before.data.end(), R(7));
      const HostMatrix<R> after = outer_products(backend, net, R(1), R(0.5), before, samples);
      Index changed = 0;
      for (Index j = 0; j < after.cols; ++j)
        for (Index i = 0; i < j; ++i) changed += after(i, j) != R(7);
      EXPECT_EQ(changed, 0) << "elements above the diagonal, N " << samples;
    }
  });
}

TEST_P(OuterProducts, HaveTheSameBitsAgain) {
  run([]<class R>(Backend<R>& backend) {
    const HostLayers<R> net({{8, 9, 301, 1}, {9, 7, 301, 1}});
    const HostMatrix<R> before = poisoned<R>(net.parameters(), net.parameters());
    const auto again = [&] { return outer_products(backend, net, R(1), R(0), before, net.samples); };
    EXPECT_TRUE(identical(again(), again(), Part::lower));
  });
}

TEST_P(OuterProducts, OfNoLayersAreNothing) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceMatrix<R> rows(backend, 0, 1), f(backend, 0, 0);
    EXPECT_NO_THROW(backend.outer_products({}, R(1), R(0), rows, f));
    f.download();  // fails where something is written
  });
}

TEST_P(OuterProducts, RejectShapesThatDoNotFit) {
  run([]<class R>(Backend<R>& backend) {
    const DeviceFactors<R> layer(backend, LayerSize{2, 3, 4, 2}), fewer(backend, LayerSize{2, 3, 3, 2}),
        single(backend, LayerSize{2, 3, 4, 1}), shared(backend, LayerSize{2, 3, 8, 1});
    const DeviceMatrix<R> f9(backend, 9, 9), f98(backend, 9, 8), f18(backend, 18, 18), rows(backend, 9, 8),
        rows18(backend, 18, 8), one_row(backend, 9, 1), d7(backend, 3, 7);
    const auto rejected = [&](std::vector<LayerFactors<R>> layers, const DeviceMatrix<R>& s,
                              const DeviceMatrix<R>& f) {
      return rejects_shapes("outer_products", [&] { backend.outer_products(layers, R(1), R(0), s, f); });
    };
    EXPECT_TRUE(rejected({layer}, rows, f98));
    EXPECT_TRUE(rejected({layer}, rows, f18));
    EXPECT_TRUE(rejected({layer}, rows18, f9));
    EXPECT_TRUE(rejected({layer}, one_row, f9)) << "room for one of a sample's 2 rows";
    EXPECT_TRUE(rejected({layer, fewer}, rows18, f18));
    EXPECT_TRUE(rejected({layer, single}, rows18, f18));
    EXPECT_TRUE(rejected({layer, shared}, rows18, f18)) << "as many rows of twice the samples";
    EXPECT_TRUE(rejected({{layer.a, d7, true}}, rows, f9)) << "7 rows of 4 samples";
  });
}

}  // namespace
}  // namespace natgrad
