#include "cuda/fused_product.hpp"

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace natgrad {
namespace {

using Description = std::unique_ptr<cublasLtMatmulDescOpaque_t, Destroy<cublasLtMatmulDescDestroy>>;
using Layout = std::unique_ptr<cublasLtMatrixLayoutOpaque_t, Destroy<cublasLtMatrixLayoutDestroy>>;
using Preference =
    std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, Destroy<cublasLtMatmulPreferenceDestroy>>;

template <class R>
constexpr cudaDataType_t data_type = std::is_same_v<R, float> ? CUDA_R_32F : CUDA_R_64F;
template <class R>
constexpr cublasComputeType_t compute_type =
    std::is_same_v<R, float> ? CUBLAS_COMPUTE_32F : CUBLAS_COMPUTE_64F;

template <class T>
void set(const Description& description, cublasLtMatmulDescAttributes_t attribute, const T& value) {
  check(cublasLtMatmulDescSetAttribute(description.get(), attribute, &value, sizeof value),
        "cublasLtMatmulDescSetAttribute");
}

// (·)ᵀ(·) with the epilogue.
template <class R>
Description describe(Activation phi, const R* bias) {
  cublasLtMatmulDesc_t made = nullptr;
  check(cublasLtMatmulDescCreate(&made, compute_type<R>, data_type<R>), "cublasLtMatmulDescCreate");
  Description description(made);
  set(description, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
  set(description, CUBLASLT_MATMUL_DESC_EPILOGUE,
      phi == Activation::relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS);
  set(description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  return description;
}

template <class R, class T>
Layout layout_of(const MatrixView<T>& m) {
  cublasLtMatrixLayout_t made = nullptr;
  check(cublasLtMatrixLayoutCreate(&made, data_type<R>, static_cast<std::uint64_t>(m.rows),
                                   static_cast<std::uint64_t>(m.cols), m.stride),
        "cublasLtMatrixLayoutCreate");
  return Layout(made);
}

// Bytes, a power of 2.
std::uint32_t alignment_of(const void* data) {
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  return static_cast<std::uint32_t>(std::min<std::uintptr_t>(256, address & (~address + 1)));
}

class Preferences {
 public:
  Preferences() {
    cublasLtMatmulPreference_t made = nullptr;
    check(cublasLtMatmulPreferenceCreate(&made), "cublasLtMatmulPreferenceCreate");
    preference_.reset(made);
  }
  template <class T>
  void set(cublasLtMatmulPreferenceAttributes_t attribute, T value) {
    check(cublasLtMatmulPreferenceSetAttribute(get(), attribute, &value, sizeof value),
          "cublasLtMatmulPreferenceSetAttribute");
  }
  cublasLtMatmulPreference_t get() const { return preference_.get(); }

 private:
  Preference preference_;
};

}  // namespace

template <class R>
bool FusedProduct<R>::run(Activation phi, MatrixView<const R> w, VectorView<const R> bias,
                          MatrixView<const R> x, MatrixView<R> d, void* workspace, cudaStream_t stream) {
  if (alignment_of(bias.data) < bias_alignment) return false;
  const Description description = describe(phi, bias.data);
  const Layout a = layout_of<R>(w), b = layout_of<R>(x), c = layout_of<R>(d);
  const std::uint32_t align_w = alignment_of(w.data), align_x = alignment_of(x.data),
                      align_d = alignment_of(d.data);
  const auto [known, is_new] = algorithms_.try_emplace(
      {phi, d.rows, d.cols, w.rows, w.stride, x.stride, d.stride, align_w, align_x, align_d}, std::nullopt);
  if (is_new) {
    Preferences preferences;
    preferences.set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<std::size_t>(workspace_bytes));
    preferences.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, align_w);
    preferences.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, align_x);
    preferences.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, align_d);
    preferences.set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, align_d);
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    const auto status =
        cublasLtMatmulAlgoGetHeuristic(handle_.get(), description.get(), a.get(), b.get(), c.get(), c.get(),
                                       preferences.get(), 1, &found, &count);
    if (status == CUBLAS_STATUS_SUCCESS && count > 0) known->second = found.algo;
  }
  if (!known->second) return false;
  const R one = R(1), zero = R(0);
  check(cublasLtMatmul(handle_.get(), description.get(), &one, w.data, a.get(), x.data, b.get(), &zero,
                       d.data, c.get(), d.data, c.get(), &*known->second, workspace,
                       static_cast<std::size_t>(workspace_bytes), stream),
        "cublasLtMatmul");
  return true;
}

template class FusedProduct<float>;
template class FusedProduct<double>;

}  // namespace natgrad
