/// cuBLASLt: D = epilogue(α·op(A)·op(B) + β·C), column-major, in f32 and f64. The epilogues are those of the
/// manual for both types: bias (one value for each row of D), ReLU, or one after the other.
#include <algorithm>
#include <initializer_list>
#include <string>

#include "host_cuda/cublaslt.hpp"

struct cublasLtContext {};

namespace host_cuda {
namespace {

/// data[0] of an algorithm that the heuristic gave; data[1] is the workspace that it needs, in bytes. There
/// is one way to multiply: the one that is said to be fast asks for a workspace, where the caller allows so
/// much.
constexpr std::uint64_t is_algorithm = 0x616c676f72697468, fast_workspace = 4096;

constexpr bool has(std::uint32_t epilogue, cublasLtEpilogue_t part) { return (epilogue & part) != 0; }

/// D (m × n) = epilogue(α·op(A)·op(B) + β·C).
struct Problem {
  Description about;
  Layout a, b, c, d;
  CBLAS_TRANSPOSE transa, transb;
  int m, n, k;
};

void check_types(const Description& about, std::initializer_list<const Layout*> layouts) {
  const auto is_any_of = [&](auto... types) { return ((about.compute == types) || ...); };
  const bool f32 = is_any_of(CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_PEDANTIC, CUBLAS_COMPUTE_32F_FAST_TF32);
  const bool f64 = is_any_of(CUBLAS_COMPUTE_64F, CUBLAS_COMPUTE_64F_PEDANTIC);
  const auto type = f64 ? CUDA_R_64F : CUDA_R_32F;
  if (!(f32 || f64) || about.scale != type ||
      !std::ranges::all_of(layouts, [=](const Layout* layout) { return layout->type == type; }))
    throw Fault(cudaErrorNotSupported, "these types are not known here");
}

/// Throws Fault where the library would not multiply so, or this one does not know how.
Problem checked_problem(cublasLtHandle_t handle, cublasLtMatmulDesc_t description, cublasLtMatrixLayout_t a,
                        cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d) {
  if (handle == nullptr) throw Fault(cudaErrorInvalidResourceHandle, "the handle is null");
  const auto& about = checked<Description>(description, "the description");
  const auto& a_layout = checked<Layout>(a, "the layout of A");
  const auto& d_layout = checked<Layout>(d, "the layout of D");
  const auto k = about.transa == CUBLAS_OP_N ? a_layout.cols : a_layout.rows;
  const Problem p{.about = about,
                  .a = a_layout,
                  .b = checked<Layout>(b, "the layout of B"),
                  .c = c != nullptr ? checked<Layout>(c, "the layout of C") : d_layout,
                  .d = d_layout,
                  .transa = to_cblas(about.transa),
                  .transb = to_cblas(about.transb),
                  .m = size(static_cast<std::int64_t>(d_layout.rows), "m"),
                  .n = size(static_cast<std::int64_t>(d_layout.cols), "n"),
                  .k = size(static_cast<std::int64_t>(k), "k")};
  check_types(about, {&p.a, &p.b, &p.c, &p.d});
  const auto epilogue = about.epilogue;
  if (epilogue != CUBLASLT_EPILOGUE_DEFAULT && epilogue != CUBLASLT_EPILOGUE_BIAS &&
      epilogue != CUBLASLT_EPILOGUE_RELU && epilogue != CUBLASLT_EPILOGUE_RELU_BIAS)
    throw Fault(cudaErrorNotSupported, "epilogue " + std::to_string(epilogue) + " is not known here");
  const auto is = [](const Layout& layout, CBLAS_TRANSPOSE transpose, int rows, int cols) {
    const bool turned = transpose == CblasTrans;
    return layout.rows == std::uint64_t(turned ? cols : rows) &&
           layout.cols == std::uint64_t(turned ? rows : cols);
  };
  require(p.m > 0 && p.n > 0 && p.k > 0, "the library takes no empty matrices");
  require(is(p.a, p.transa, p.m, p.k) && is(p.b, p.transb, p.k, p.n) && is(p.c, CblasNoTrans, p.m, p.n),
          "the sizes of the matrices do not fit");
  return p;
}

template <class R>
void apply_epilogue(const Problem& p, R* d) {
  const auto* bias = static_cast<const R*>(p.about.bias);
  for (int j = 0; j < p.n; ++j)
    for (int i = 0; i < p.m; ++i) {
      R& value = d[i + j * p.d.ld];
      if (has(p.about.epilogue, CUBLASLT_EPILOGUE_BIAS)) value += bias[i];
      if (has(p.about.epilogue, CUBLASLT_EPILOGUE_RELU) && value < 0) value = 0;
    }
}

template <class R>
void require_layout(const R* data, const Layout& layout, const char* name) {
  require_matrix(data, static_cast<std::int64_t>(layout.rows), static_cast<std::int64_t>(layout.cols),
                 layout.ld, name);
}

template <class R>
Input<R> input(const R* data, const Layout& layout, bool tf32) {
  return {data, static_cast<std::int64_t>(layout.rows), static_cast<std::int64_t>(layout.cols), layout.ld,
          tf32};
}

/// The operation, its operands checked.
template <class R>
std::function<void()> product(const Problem& p, const void* alpha, const R* A, const R* B, const void* beta,
                              const R* C, R* D) {
  const cublasContext mode{.pointer_mode = p.about.pointer_mode};
  const Scalar<R> by(mode, static_cast<const R*>(alpha), "alpha");
  const Scalar<R> keep(mode, static_cast<const R*>(beta), "beta");
  const bool reads_c = !keep.is_known_zero();
  require_layout(A, p.a, "A");
  require_layout(B, p.b, "B");
  require_layout(D, p.d, "D");
  if (reads_c) require_layout(C, p.c, "C");
  require(C != D || p.c.ld == p.d.ld, "C is D, with another leading dimension");
  if (has(p.about.epilogue, CUBLASLT_EPILOGUE_BIAS)) {
    require(p.about.bias != nullptr, "the epilogue adds a bias, and its pointer is null");
    require_vector(static_cast<const R*>(p.about.bias), p.m, 1, "the bias");
  }
  return [=] {
    const bool tf32 = p.about.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    const auto a = input(A, p.a, tf32), b = input(B, p.b, tf32);
    if (reads_c && C != D)
      for (int j = 0; j < p.n; ++j) std::copy_n(C + j * p.c.ld, p.m, D + j * p.d.ld);
    blas::gemm(p.transa, p.transb, p.m, p.n, p.k, by.get(), a.data(), a.ld(), b.data(), b.ld(), keep.get(), D,
               static_cast<int>(p.d.ld));
    apply_epilogue(p, D);
  };
}

}  // namespace
}  // namespace host_cuda

using host_cuda::checked;
using host_cuda::lt_call;
using host_cuda::require;

cublasStatus_t cublasLtCreate(cublasLtHandle_t* lightHandle) {
  return host_cuda::library_call(__func__, host_cuda::cublas_status, [=] {
    host_cuda::require_memory();
    *lightHandle = new cublasLtContext;
  });
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t lightHandle) {
  return host_cuda::library_call(__func__, host_cuda::cublas_status, [=] { delete lightHandle; });
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t lightHandle,
                                              cublasLtMatmulDesc_t operationDesc,
                                              cublasLtMatrixLayout_t Adesc, cublasLtMatrixLayout_t Bdesc,
                                              cublasLtMatrixLayout_t Cdesc, cublasLtMatrixLayout_t Ddesc,
                                              cublasLtMatmulPreference_t preference, int requestedAlgoCount,
                                              cublasLtMatmulHeuristicResult_t heuristicResultsArray[],
                                              int* returnAlgoCount) {
  return lt_call(__func__, [=] {
    *returnAlgoCount = 0;
    host_cuda::checked_problem(lightHandle, operationDesc, Adesc, Bdesc, Cdesc,
                               Ddesc);  // refuses what is not known
    require(requestedAlgoCount > 0, "no algorithm is asked for");
    const auto limit = checked<host_cuda::Preference>(preference, "the preference").max_workspace;
    auto& result = heuristicResultsArray[0] = {};
    result.workspaceSize = limit >= host_cuda::fast_workspace ? host_cuda::fast_workspace : 0;
    result.algo.data[0] = host_cuda::is_algorithm;
    result.algo.data[1] = result.workspaceSize;
    result.state = CUBLAS_STATUS_SUCCESS;
    result.wavesCount = 1;
    *returnAlgoCount = 1;
  });
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t lightHandle, cublasLtMatmulDesc_t computeDesc,
                              const void* alpha, const void* A, cublasLtMatrixLayout_t Adesc, const void* B,
                              cublasLtMatrixLayout_t Bdesc, const void* beta, const void* C,
                              cublasLtMatrixLayout_t Cdesc, void* D, cublasLtMatrixLayout_t Ddesc,
                              const cublasLtMatmulAlgo_t* algo, void* workspace,
                              std::size_t workspaceSizeInBytes, cudaStream_t stream) {
  return lt_call(__func__, [=] {
    const auto problem = host_cuda::checked_problem(lightHandle, computeDesc, Adesc, Bdesc, Cdesc, Ddesc);
    require(algo == nullptr || algo->data[0] == host_cuda::is_algorithm,
            "the algorithm is none of the heuristic's");
    const auto needed = algo != nullptr ? algo->data[1] : 0;
    require(workspaceSizeInBytes >= needed, "workspace of " + std::to_string(workspaceSizeInBytes) +
                                                " bytes, " + std::to_string(needed) + " were asked for");
    const auto queue = [=]<class R>(R) {
      auto operation = host_cuda::product(problem, alpha, static_cast<const R*>(A), static_cast<const R*>(B),
                                          beta, static_cast<const R*>(C), static_cast<R*>(D));
      host_cuda::enqueue_operation(
          stream, host_cuda::with_workspace(workspace, workspaceSizeInBytes, std::move(operation)));
    };
    problem.d.type == CUDA_R_64F ? queue(double{}) : queue(float{});
  });
}
