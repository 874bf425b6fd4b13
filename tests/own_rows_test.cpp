/// Score rows of a caller's own making: layers without bias, without inputs, or a matrix as it is.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "natgrad/scores.hpp"
#include "support/layer_factors.hpp"
#include "support/problems.hpp"

namespace natgrad {
namespace {

using OwnRows = BackendTest;
INSTANTIATE_TEST_SUITE_P(Backends, OwnRows, ::testing::ValuesIn(backend_cases()), backend_case_name);

/// Checks the products and the Gram matrix of rows against S, P × R as columns.
template <class R>
void check_products(const Rows<R>& rows, const oracle::Matrix& s, const char* name) {
  Backend<R>& backend = *rows.backend;
  Buffer<R> scratch;
  Random random(35);
  const HostMatrix<R> v = random.matrix<R>(s.rows, 1), w = random.matrix<R>(s.cols, 1);
  const double size = std::sqrt(static_cast<double>(oracle::dot(s.data, s.data)));
  const DeviceVector<R> device_v(backend, v), device_w(backend, w), sv(backend, s.cols), sw(backend, s.rows);
  const DeviceMatrix<R> expanded(backend, s.rows, s.cols), k(backend, s.cols, s.cols);
  EXPECT_EQ(rows.parameters(), s.rows) << name;
  expand(rows, expanded.view());
  EXPECT_TRUE(close(expanded.download(), s, allowed_error<R>())) << name;
  multiply<R>(rows, device_v, sv, scratch);
  EXPECT_TRUE(close(sv.download(), oracle::multiply(oracle::transpose(s), to_vector(v.data)),
                    allowed_error<R>(), size))
      << name;
  multiply_transposed<R>(rows, device_w, sw, scratch);
  EXPECT_TRUE(close(sw.download(), oracle::multiply(s, to_vector(w.data)), allowed_error<R>(), size)) << name;
  gram(rows, k.view());
  EXPECT_TRUE(within(
      k.download(), lower_only(rounded<R>(oracle::multiply(oracle::transpose(s), s))),
      [&](Index, Index) { return allowed_error<R>() * size * size; }, Part::lower))
      << name;
}

/// vec(δ ãᵀ) of every row, in θ's order: P × R.
template <class R>
oracle::Matrix rows_by_definition(const std::vector<HostFactors<R>>& layers, Index r) {
  oracle::Matrix s(0, layers.front().d.cols);
  for (const HostFactors<R>& layer : layers) s.rows += layer.parameters();
  for (Index c = 0; c < s.cols; ++c)
    for (const HostFactors<R>& layer : layers) {
      for (Index j = 0; j < layer.d.rows; ++j)
        for (Index i = 0; i < layer.a.rows; ++i)
          s.data.push_back(static_cast<oracle::Real>(layer.d(j, c)) * layer.a(i, c / r));
      for (Index j = 0; j < layer.d.rows && layer.bias; ++j) s.data.push_back(layer.d(j, c));
    }
  return s;
}

TEST_P(OwnRows, MayHaveLayersWithoutBiasAndWithoutInputs) {
  run([]<class R>(Backend<R>& backend) {
    for (const Index samples : {1, 2, 33})
      for (const Index r : {1, 3}) {
        const LayerSize no_bias{3, 4, samples, r, false}, no_inputs{0, 5, samples, r},
            plain{2, 31, samples, r};
        for (const auto& sizes : {std::vector{no_bias},
                                  {no_inputs},
                                  {no_bias, plain, no_inputs},
                                  {no_inputs, no_bias, no_bias}}) {
          std::vector<HostFactors<R>> host;
          std::vector<DeviceFactors<R>> device;
          for (const LayerSize& size : sizes) host.emplace_back(size);
          for (const HostFactors<R>& layer : host) device.emplace_back(backend, layer);
          const Rows<R> rows{&backend, {device.begin(), device.end()}, r};
          SCOPED_TRACE(::testing::Message() << "N " << samples << ", r " << r);
          check_products(rows, rows_by_definition(host, r), "rows");
          if (samples < 3) continue;
          std::vector<HostFactors<R>> part = host;  // samples 1 and 2
          for (HostFactors<R>& layer : part) {
            layer.a.data.assign(layer.a.data.begin() + layer.a.rows, layer.a.data.begin() + 3 * layer.a.rows);
            layer.d.data.assign(layer.d.data.begin() + r * layer.d.rows,
                                layer.d.data.begin() + 3 * r * layer.d.rows);
            layer.a.cols = 2;
            layer.d.cols = 2 * r;
          }
          check_products(rows.slice(1, 2), rows_by_definition(part, r), "slice");
          check_products(rows.layer(sizes.size() - 1), rows_by_definition<R>({host.back()}, r), "layer");
        }
      }
  });
}

TEST_P(OwnRows, MayBeAMatrixAsItIs) {
  run([]<class R>(Backend<R>& backend) {
    const Index parameters = 33, count = 7;
    const HostMatrix<R> s = Random(36).matrix<R>(parameters, count);  // S as columns
    const DeviceMatrix<R> a(backend, 0, count), d(backend, s);
    check_products<R>({&backend, {{a, d, true}}, 1}, to_matrix(s), "a matrix");
  });
}

}  // namespace
}  // namespace natgrad
