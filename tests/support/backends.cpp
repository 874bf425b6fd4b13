#include "support/backends.hpp"

#include <cstdlib>
#include <ostream>

namespace natgrad {

std::vector<BackendCase> backend_cases() {
  std::vector<BackendCase> cases;
  for (const std::string& name : backends_under_test())
    for (const bool f64 : {false, true}) cases.push_back({name, f64});
  return cases;
}

std::vector<BackendCase> cuda_cases() {
  std::vector<BackendCase> cases = backend_cases();
  std::erase_if(cases, [](const BackendCase& one) { return !one.backend.starts_with("cuda"); });
  return cases;
}

CudaOptions cuda_options_under_test(const std::string& name) {
  const Route route = name == "cuda_own" ? Route::own : Route::library;
  return {.gram = route, .outer_product = route, .cholesky = route, .epilogue = route};
}

void PrintTo(const BackendCase& backend_case, std::ostream* out) {
  *out << backend_case.backend << (backend_case.f64 ? " in f64" : " in f32");
}

std::string backend_case_name(const ::testing::TestParamInfo<BackendCase>& info) {
  return info.param.backend + (info.param.f64 ? "_f64" : "_f32");
}

void BackendTest::SetUp() {
  const std::string problem = GetParam().backend.starts_with("cuda") ? cuda_status().problem : "";
  if (problem.empty()) return;
  const char* require_gpu = std::getenv("NATGRAD_REQUIRE_GPU");
  if (require_gpu != nullptr && std::string(require_gpu) == "1")
    FAIL() << "NATGRAD_REQUIRE_GPU is 1 and " << GetParam().backend << " is not usable: " << problem;
  GTEST_SKIP() << GetParam().backend << " is not usable: " << problem;
}

}  // namespace natgrad
