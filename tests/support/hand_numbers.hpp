/// The fixture of tests that check the reference backend against numbers worked out by hand.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "support/device_matrix.hpp"
#include "support/reference_backend.hpp"
#include "support/rulers.hpp"

namespace natgrad {

inline constexpr double x = 0.0;  // stands in an upper triangle that is not looked at

/// A matrix as it is written: row by row.
inline HostMatrix<double> rows(std::initializer_list<std::initializer_list<double>> values) {
  HostMatrix<double> m(static_cast<Index>(values.size()), static_cast<Index>(values.begin()->size()));
  Index i = 0;
  for (const auto& row : values) {
    Index j = 0;
    for (const double value : row) m(i, j++) = value;
    ++i;
  }
  return m;
}

inline HostMatrix<double> column(std::initializer_list<double> values) {
  HostMatrix<double> m(static_cast<Index>(values.size()), 1);
  m.data = values;
  return m;
}

class HandNumbers : public ::testing::Test {
 protected:
  using Matrix = DeviceMatrix<double>;
  using Vector = DeviceVector<double>;
  using Batch = DeviceBatch<double>;

  Matrix matrix(const HostMatrix<double>& values) { return Matrix(*backend, values); }
  Matrix result(Index m, Index n) { return Matrix(*backend, m, n); }
  Vector vector(std::initializer_list<double> values) { return Vector(*backend, column(values)); }
  double slot(Slot name) { return backend->read_scalars()[name]; }
  /// To a few roundings of numbers of size 1.
  static ::testing::AssertionResult is(const DeviceMatrix<double>& found, const HostMatrix<double>& wanted,
                                       Part part = Part::all) {
    return within(
        found.download(), wanted,
        [&](Index i, Index j) { return 4 * epsilon<double> * std::abs(wanted(i, j)); }, part);
  }
  ::testing::AssertionResult slot_is(Slot name, double wanted) {
    return near(slot(name), wanted, 4 * epsilon<double> * std::abs(wanted));
  }

  std::unique_ptr<Backend<double>> backend = make_reference_backend<double>();
};

}  // namespace natgrad
