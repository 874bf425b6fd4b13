#include "natgrad/backend.hpp"

#include <charconv>

#include "names.hpp"

namespace natgrad {
namespace {

constexpr Name<ScoreKind> kind_names[] = {
    {ScoreKind::exact, "exact"}, {ScoreKind::mc, "mc"}, {ScoreKind::empirical, "empirical"}};

}  // namespace

std::string_view to_string(ScoreKind kind) { return name_of(kind_names, kind); }
ScoreKind parse_score_kind(std::string_view name) { return value_of(kind_names, name, "Fisher kind"); }

Index ScoreSpec::rows_per_sample(Likelihood likelihood, Index outputs) const {
  switch (kind) {
    case ScoreKind::exact:
      return likelihood == Likelihood::categorical ? outputs - 1 : outputs;
    case ScoreKind::mc:
      return draws;
    case ScoreKind::empirical:
      break;
  }
  return 1;
}

namespace {

/// N of "cuda:N".
int device_number(std::string_view device) {
  constexpr std::string_view prefix = "cuda:";
  int number = -1;
  if (device.starts_with(prefix)) {
    const std::string_view digits = device.substr(prefix.size());
    const char* end = digits.data() + digits.size();
    if (std::from_chars(digits.data(), end, number).ptr == end && number >= 0) return number;
  }
  throw UsageError("device \"" + std::string(device) + "\" is none of auto, cpu, cuda, cuda:N");
}

}  // namespace

template <class R>
std::unique_ptr<Backend<R>> make_backend(std::string_view device, int threads, std::string* reason) {
  if (device == "cpu" || device == "auto") {
    const CudaStatus status = device == "auto" ? cuda_status() : CudaStatus{};
    const bool use_gpu = device == "auto" && status.built && status.problem.empty();
    auto backend = use_gpu ? make_cuda_backend<R>(0) : make_cpu_backend<R>(threads);
    if (reason != nullptr)
      *reason = backend->description() + (device == "cpu" ? " (asked for)"
                                          : use_gpu       ? " (auto: a usable GPU)"
                                                          : " (auto: " + status.problem + ")");
    return backend;
  }
  auto backend = make_cuda_backend<R>(device == "cuda" ? 0 : device_number(device));
  if (reason != nullptr) *reason = backend->description() + " (asked for)";
  return backend;
}

template std::unique_ptr<Backend<float>> make_backend(std::string_view, int, std::string*);
template std::unique_ptr<Backend<double>> make_backend(std::string_view, int, std::string*);

}  // namespace natgrad
