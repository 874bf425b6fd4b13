/// libFuzzer's entry points. The program takes --target=NAME besides libFuzzer's own options.
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "fuzz/target.hpp"

namespace {

/// What the process fuzzes, and the largest share of the allowed memory that it took.
struct Session {
  const natgrad::fuzz::Target* target = nullptr;
  std::size_t peak = 0;
  double factor = 0.0;

  ~Session() {
    if (target != nullptr)
      std::fprintf(stderr,
                   "allocated: %zu bytes at most, %.1f times the input (allowed: %zu times and %zu bytes)\n",
                   peak, factor, target->factor, natgrad::fuzz::constant_bytes);
  }
};

Session& session() {
  static Session the_one;
  return the_one;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) try {
  constexpr std::string_view option = "--target=";
  for (int i = 1; i < *argc; ++i) {
    const std::string_view argument = (*argv)[i];
    if (argument.starts_with(option))
      session().target = &natgrad::fuzz::find_target(argument.substr(option.size()));
  }
  if (session().target == nullptr) natgrad::fuzz::find_target("");
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) try {
  Session& fuzzing = session();
  const std::size_t bytes = run(*fuzzing.target, {data, size});
  fuzzing.peak = std::max(fuzzing.peak, bytes);
  if (bytes > natgrad::fuzz::constant_bytes && size > 0) {
    const auto beyond = static_cast<double>(bytes - natgrad::fuzz::constant_bytes);
    fuzzing.factor = std::max(fuzzing.factor, beyond / static_cast<double>(size));
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  std::abort();
}
