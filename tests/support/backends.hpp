/// The backends that an executable tests, and the fixture that runs a test on each of them in both
/// precisions.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "natgrad/backend.hpp"
#include "support/reference_backend.hpp"

namespace natgrad {

// Each test executable links one list_*.cpp, which defines these for its own backends.

std::vector<std::string> backends_under_test();

template <class R>
std::unique_ptr<Backend<R>> make_backend_under_test(const std::string& name);

/// Of the CUDA backends: "cuda" leaves to libraries what they can do, "cuda_own" to natgrad's kernels.
CudaOptions cuda_options_under_test(const std::string& name);

/// A backend in one precision.
struct BackendCase {
  std::string backend;
  bool f64;
};

void PrintTo(const BackendCase& backend_case, std::ostream* out);

std::vector<BackendCase> backend_cases();
/// The CUDA ones among them.
std::vector<BackendCase> cuda_cases();
std::string backend_case_name(const ::testing::TestParamInfo<BackendCase>& info);

/// Skips, with the reason, where there is no GPU; fails instead where NATGRAD_REQUIRE_GPU is 1.
class BackendTest : public ::testing::TestWithParam<BackendCase> {
 protected:
  void SetUp() override;

  /// Calls body(backend) with a fresh Backend<float> or Backend<double>.
  template <class Body>
  void run(Body body) const {
    if (GetParam().f64)
      body(*make_backend_under_test<double>(GetParam().backend));
    else
      body(*make_backend_under_test<float>(GetParam().backend));
  }
};

/// What an operation gives on the backend under test, and on the reference.
template <class T>
struct Both {
  T found, wanted;
};

template <class R, class Operation>
auto on_both(Backend<R>& backend, Operation operation) {
  return Both{operation(backend), operation(*make_reference_backend<R>())};
}

/// Sizes at which loops, tiles and warps begin and end.
inline constexpr Index awkward_sizes[] = {0, 1, 2, 31, 33};

}  // namespace natgrad
