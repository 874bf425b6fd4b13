/// cuBLASLt: what a product is described with.
#include <cstring>

#include "host_cuda/cublaslt.hpp"

namespace host_cuda {
namespace {

template <class T>
void assign(T& field, const void* buffer, std::size_t bytes) {
  require(buffer != nullptr && bytes == sizeof(T),
          std::to_string(bytes) + " bytes for an attribute of " + std::to_string(sizeof(T)));
  std::memcpy(&field, buffer, sizeof(T));
}

[[noreturn]] void refuse_attribute(int attribute) {
  throw Fault(cudaErrorNotSupported, "attribute " + std::to_string(attribute) + " is not known here");
}

}  // namespace
}  // namespace host_cuda

using host_cuda::assign;
using host_cuda::checked;
using host_cuda::lt_call;
using host_cuda::refuse_attribute;

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* matmulDesc, cublasComputeType_t computeType,
                                        cudaDataType_t scaleType) {
  auto* made = new host_cuda::Description{};
  made->compute = computeType;
  made->scale = scaleType;
  *matmulDesc = made;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t matmulDesc) {
  delete static_cast<host_cuda::Description*>(matmulDesc);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t matmulDesc,
                                              cublasLtMatmulDescAttributes_t attr, const void* buf,
                                              std::size_t sizeInBytes) {
  return lt_call(__func__, [=] {
    auto& about = checked<host_cuda::Description>(matmulDesc, "the description");
    switch (attr) {
      case CUBLASLT_MATMUL_DESC_POINTER_MODE:
        return assign(about.pointer_mode, buf, sizeInBytes);
      case CUBLASLT_MATMUL_DESC_TRANSA:
        return assign(about.transa, buf, sizeInBytes);
      case CUBLASLT_MATMUL_DESC_TRANSB:
        return assign(about.transb, buf, sizeInBytes);
      case CUBLASLT_MATMUL_DESC_EPILOGUE:
        return assign(about.epilogue, buf, sizeInBytes);
      case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
        return assign(about.bias, buf, sizeInBytes);
      case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER:
        return assign(about.aux, buf, sizeInBytes);
      case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD:
        return assign(about.aux_ld, buf, sizeInBytes);
      default:
        refuse_attribute(attr);
    }
  });
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* matLayout, cudaDataType type,
                                          std::uint64_t rows, std::uint64_t cols, std::int64_t ld) {
  auto* made = new host_cuda::Layout{};
  made->type = type;
  made->rows = rows;
  made->cols = cols;
  made->ld = ld;
  *matLayout = made;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t matLayout) {
  delete static_cast<host_cuda::Layout*>(matLayout);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t matLayout,
                                                cublasLtMatrixLayoutAttribute_t attr, const void* buf,
                                                std::size_t sizeInBytes) {
  return lt_call(__func__, [=] {
    auto& layout = checked<host_cuda::Layout>(matLayout, "the layout");
    switch (attr) {
      case CUBLASLT_MATRIX_LAYOUT_ROWS:
        return assign(layout.rows, buf, sizeInBytes);
      case CUBLASLT_MATRIX_LAYOUT_COLS:
        return assign(layout.cols, buf, sizeInBytes);
      case CUBLASLT_MATRIX_LAYOUT_LD:
        return assign(layout.ld, buf, sizeInBytes);
      default:
        refuse_attribute(attr);
    }
  });
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* pref) {
  *pref = new host_cuda::Preference{};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t pref) {
  delete static_cast<host_cuda::Preference*>(pref);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t pref,
                                                    cublasLtMatmulPreferenceAttributes_t attr,
                                                    const void* buf, std::size_t sizeInBytes) {
  return lt_call(__func__, [=] {
    auto& preference = checked<host_cuda::Preference>(pref, "the preference");
    std::uint32_t alignment = 0;  // every algorithm here takes any
    switch (attr) {
      case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
        return assign(preference.max_workspace, buf, sizeInBytes);
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
        return assign(alignment, buf, sizeInBytes);
      default:
        refuse_attribute(attr);
    }
  });
}
