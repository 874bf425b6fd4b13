#include "natgrad/backend.hpp"

#include <charconv>

#include "names.hpp"

namespace natgrad {
namespace {

constexpr Name<Phase> phase_names[] = {{Phase::forward, "forward"},   {Phase::scores, "scores"},
                                       {Phase::fisher, "fisher"},     {Phase::factor, "factor"},
                                       {Phase::solve, "solve"},       {Phase::line_search, "line_search"},
                                       {Phase::evaluate, "evaluate"}, {Phase::io, "io"}};

constexpr Name<ScoreKind> kind_names[] = {
    {ScoreKind::exact, "exact"}, {ScoreKind::mc, "mc"}, {ScoreKind::empirical, "empirical"}};

}  // namespace

std::string_view to_string(Phase phase) { return name_of(phase_names, phase); }
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

void* Device::allocate(std::size_t bytes) {
  void* memory = allocate_bytes(bytes);
  ++allocations_;
  bytes_in_use_ += bytes;
  peak_bytes_ = std::max(peak_bytes_, bytes_in_use_);
  return memory;
}

void Device::deallocate(void* memory, std::size_t bytes) noexcept {
  if (memory == nullptr) return;
  deallocate_bytes(memory);
  bytes_in_use_ -= bytes;
}

namespace {

/// N of "cuda:N".
int device_number(std::string_view device) {
  int number = -1;
  const char *begin = device.data() + 5, *end = device.data() + device.size();
  if (device.starts_with("cuda:") && std::from_chars(begin, end, number).ptr == end && number >= 0)
    return number;
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
