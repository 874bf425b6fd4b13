#include "natgrad/backend.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "fisher_shapes.hpp"
#include "names.hpp"
#include "operation_shapes.hpp"

namespace natgrad {
namespace {

constexpr Name<ScoreKind> kind_names[] = {
    {ScoreKind::exact, "exact"}, {ScoreKind::mc, "mc"}, {ScoreKind::empirical, "empirical"}};
constexpr Name<Route> route_names[] = {
    {Route::automatic, "auto"}, {Route::library, "library"}, {Route::own, "own"}};

}  // namespace

std::string_view to_string(ScoreKind kind) { return name_of(kind_names, kind); }
ScoreKind parse_score_kind(std::string_view name) { return value_of(kind_names, name, "Fisher kind"); }

std::string_view to_string(Route route) { return name_of(route_names, route); }
Route parse_route(std::string_view name) { return value_of(route_names, name, "route"); }

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

// c only has to exceed bᵀ(F + λI)⁻¹b: the largest number whose square root is still exact to compute with.
template <class R>
void Backend<R>::factor_and_solve(MatrixView<const R> f, R lambda, MatrixView<R> bordered, VectorView<R> b,
                                  Accuracy) {
  shapes::factor_and_solve(f, bordered, b);
  const Index n = f.rows;
  const MatrixView<R> l = bordered.block(0, 0, n, n), last = bordered.block(n, 0, 1, n);
  damp(BatchView<const R>(f), lambda, BatchView<R>(l));
  copy({b.data, 1, n, 1}, last);
  fill(bordered.block(n, n, 1, 1), std::numeric_limits<R>::max() / R(4));
  cholesky(BatchView<R>(bordered));
  copy(last, {b.data, 1, n, 1});
  triangular_solve(Side::left, Transpose::yes, l, {b.data, n, 1});
}

template <class R>
void Backend<R>::forward_layer(Activation phi, MatrixView<const R> w, VectorView<const R> bias,
                               MatrixView<const R> x, MatrixView<R> z, MatrixView<R> a) {
  shapes::forward_layer(w, bias, x, z, a);
  gemm(Transpose::yes, Transpose::no, R(1), w, x, R(0), z);
  activate(phi, bias, z, a);
}

template <class R>
void Backend<R>::outer_products(std::span<const LayerFactors<R>> layers, R alpha, R beta, MatrixView<R> rows,
                                MatrixView<R> f, Accuracy) {
  const auto [samples, r] = shapes::outer_products(layers, rows, f);
  const Index chunk = std::max<Index>(1, rows.cols / std::max<Index>(1, r));
  for (Index begin = 0; begin == 0 || begin < samples;
       begin += chunk) {  // without samples F is scaled all the same
    const Index count = std::min(chunk, samples - begin);
    const MatrixView<R> s = rows.columns(0, count * r);
    Index row = 0;
    for (const LayerFactors<R>& layer : layers) {
      khatri_rao(layer.slice(begin, count), s.block(row, 0, layer.parameters(), s.cols));
      row += layer.parameters();
    }
    syrk(alpha, s, begin == 0 ? beta : R(1), f);
  }
}

template class Backend<float>;
template class Backend<double>;

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
std::unique_ptr<Backend<R>> make_backend(std::string_view device, int threads, std::string* reason,
                                         const CudaOptions& cuda) {
  if (device == "cpu" || device == "auto") {
    const CudaStatus status = device == "auto" ? cuda_status() : CudaStatus{};
    const bool use_gpu = device == "auto" && status.built && status.problem.empty();
    auto backend = use_gpu ? make_cuda_backend<R>(0, nullptr, cuda) : make_cpu_backend<R>(threads);
    if (reason != nullptr)
      *reason = backend->description() + (device == "cpu" ? " (asked for)"
                                          : use_gpu       ? " (auto: a usable GPU)"
                                                          : " (auto: " + status.problem + ")");
    return backend;
  }
  auto backend = make_cuda_backend<R>(device == "cuda" ? 0 : device_number(device), nullptr, cuda);
  if (reason != nullptr) *reason = backend->description() + " (asked for)";
  return backend;
}

template std::unique_ptr<Backend<float>> make_backend(std::string_view, int, std::string*,
                                                      const CudaOptions&);
template std::unique_ptr<Backend<double>> make_backend(std::string_view, int, std::string*,
                                                       const CudaOptions&);

}  // namespace natgrad
