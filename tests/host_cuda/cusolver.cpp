/// cuSOLVER (dense), over LAPACKE.
#include <cusolverDn.h>
#include <lapacke.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "host_cuda/capture.hpp"
#include "host_cuda/library.hpp"

struct cusolverDnContext {
  cudaStream_t stream = nullptr;
};

namespace host_cuda {
namespace {

cusolverStatus_t cusolver_status(cudaError_t status) {
  switch (status) {
    case cudaSuccess:
      return CUSOLVER_STATUS_SUCCESS;
    case cudaErrorInvalidValue:
      return CUSOLVER_STATUS_INVALID_VALUE;
    case cudaErrorInvalidResourceHandle:
      return CUSOLVER_STATUS_NOT_INITIALIZED;
    case cudaErrorMemoryAllocation:
      return CUSOLVER_STATUS_ALLOC_FAILED;
    default:
      return CUSOLVER_STATUS_EXECUTION_FAILED;
  }
}

template <class Body>
cusolverStatus_t cusolver_call(const char* name, cusolverDnHandle_t handle, Body body) {
  return library_call(name, cusolver_status, [&] {
    if (handle == nullptr) throw Fault(cudaErrorInvalidResourceHandle, "the handle is null");
    body(*handle);
  });
}

char to_lapack(cublasFillMode_t uplo) {
  require(uplo == CUBLAS_FILL_MODE_LOWER || uplo == CUBLAS_FILL_MODE_UPPER, "no such fill mode");
  return uplo == CUBLAS_FILL_MODE_LOWER ? 'L' : 'U';
}

// The variants without NaN checks: cuSOLVER has none.
int lapack_potrf(char uplo, int n, float* a, int lda) {
  return LAPACKE_spotrf_work(LAPACK_COL_MAJOR, uplo, n, a, lda);
}
int lapack_potrf(char uplo, int n, double* a, int lda) {
  return LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, uplo, n, a, lda);
}
int lapack_potrs(char uplo, int n, int nrhs, const float* a, int lda, float* b, int ldb) {
  return LAPACKE_spotrs_work(LAPACK_COL_MAJOR, uplo, n, nrhs, a, lda, b, ldb);
}
int lapack_potrs(char uplo, int n, int nrhs, const double* a, int lda, double* b, int ldb) {
  return LAPACKE_dpotrs_work(LAPACK_COL_MAJOR, uplo, n, nrhs, a, lda, b, ldb);
}
int lapack_syevd(char job, char uplo, int n, float* a, int lda, float* w, float* work, int lwork, int* iwork,
                 int liwork) {
  return LAPACKE_ssyevd_work(LAPACK_COL_MAJOR, job, uplo, n, a, lda, w, work, lwork, iwork, liwork);
}
int lapack_syevd(char job, char uplo, int n, double* a, int lda, double* w, double* work, int lwork,
                 int* iwork, int liwork) {
  return LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, job, uplo, n, a, lda, w, work, lwork, iwork, liwork);
}

/// Elements of workspace that potrf asks for: LAPACK needs none, callers must hand over what was asked.
int potrf_workspace(int n) { return 32 * std::max(1, n); }

/// LAPACK's own need in both jobs.
int syevd_workspace(int n) {
  return size(1 + 6 * std::int64_t{n} + 2 * std::int64_t{n} * n, "the workspace");
}

template <class R>
void require_workspace(const R* workspace, int given, int needed) {
  require(given >= needed, "workspace of " + std::to_string(given) + " elements, " + std::to_string(needed) +
                               " were asked for");
  require_operand(workspace, needed * static_cast<std::int64_t>(sizeof(R)), "the workspace");
}

template <class R>
constexpr R nan = std::numeric_limits<R>::quiet_NaN();

template <class R>
cusolverStatus_t potrf_buffer_size(const char* name, cusolverDnHandle_t handle, cublasFillMode_t uplo, int n,
                                   R* A, int lda, int* Lwork) {
  return cusolver_call(name, handle, [=](cusolverDnContext&) {
    to_lapack(uplo);
    require_matrix(A, size(n, "n"), n, lda, "A");
    *Lwork = potrf_workspace(n);
  });
}

template <class R>
cusolverStatus_t potrf(const char* name, cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, R* A,
                       int lda, R* Workspace, int Lwork, int* devInfo) {
  return cusolver_call(name, handle, [=](cusolverDnContext& context) {
    const char triangle = to_lapack(uplo);
    require_matrix(A, size(n, "n"), n, lda, "A");
    require_workspace(Workspace, Lwork, potrf_workspace(n));
    require_operand(devInfo, sizeof(int), "info");
    enqueue_operation(context.stream, [=] {
      std::fill_n(Workspace, Lwork, nan<R>);
      *devInfo = lapack_potrf(triangle, n, A, lda);
    });
  });
}

template <class R>
cusolverStatus_t potrs(const char* name, cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, int nrhs,
                       const R* A, int lda, R* B, int ldb, int* devInfo) {
  return cusolver_call(name, handle, [=](cusolverDnContext& context) {
    const char triangle = to_lapack(uplo);
    require_matrix(A, size(n, "n"), n, lda, "A");
    require_matrix(B, n, size(nrhs, "nrhs"), ldb, "B");
    require_operand(devInfo, sizeof(int), "info");
    enqueue_operation(context.stream, [=] { *devInfo = lapack_potrs(triangle, n, nrhs, A, lda, B, ldb); });
  });
}

/// cuSOLVER uses the other triangle as its workspace.
template <class R>
void destroy_other_triangle(char triangle, int n, R* a, std::int64_t lda) {
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < n; ++i)
      if (triangle == 'L' ? i < j : i > j) a[i + j * lda] = nan<R>;
}

template <class R>
cusolverStatus_t potrf_batched(const char* name, cusolverDnHandle_t handle, cublasFillMode_t uplo, int n,
                               R* Aarray[], int lda, int* infoArray, int batchSize) {
  return cusolver_call(name, handle, [=](cusolverDnContext& context) {
    const char triangle = to_lapack(uplo);
    const int count = size(batchSize, "the number of matrices");
    require(lda >= std::max(1, size(n, "n")), "leading dimension " + std::to_string(lda));
    require_vector(Aarray, count, 1, "the array of A");
    require_vector(infoArray, count, 1, "info");
    enqueue_operation(context.stream, [=] {
      for (int i = 0; i < count; ++i) {
        require_matrix(Aarray[i], n, n, lda, "A");
        infoArray[i] = lapack_potrf(triangle, n, Aarray[i], lda);
        destroy_other_triangle(triangle, n, Aarray[i], lda);
      }
    });
  });
}

template <class R>
cusolverStatus_t potrs_batched(const char* name, cusolverDnHandle_t handle, cublasFillMode_t uplo, int n,
                               int nrhs, R* A[], int lda, R* B[], int ldb, int* d_info, int batchSize) {
  return cusolver_call(name, handle, [=](cusolverDnContext& context) {
    const char triangle = to_lapack(uplo);
    const int count = size(batchSize, "the number of matrices");
    require(nrhs == 1, "nrhs is " + std::to_string(nrhs) + "; potrsBatched has one right-hand side");
    require(std::min(lda, ldb) >= std::max(1, size(n, "n")), "a leading dimension is too small");
    require_vector(A, count, 1, "the array of A");
    require_vector(B, count, 1, "the array of B");
    require_operand(d_info, sizeof(int), "info");
    enqueue_operation(context.stream, [=] {
      *d_info = 0;
      for (int i = 0; i < count; ++i) {
        require_matrix(A[i], n, n, lda, "A");
        require_matrix(B[i], n, nrhs, ldb, "B");
        lapack_potrs(triangle, n, nrhs, A[i], lda, B[i], ldb);
      }
    });
  });
}

template <class R>
cusolverStatus_t syevd_buffer_size(const char* name, cusolverDnHandle_t handle, cusolverEigMode_t jobz,
                                   cublasFillMode_t uplo, int n, const R* A, int lda, const R* W,
                                   int* lwork) {
  return cusolver_call(name, handle, [=](cusolverDnContext&) {
    require(jobz == CUSOLVER_EIG_MODE_VECTOR || jobz == CUSOLVER_EIG_MODE_NOVECTOR, "no such mode");
    to_lapack(uplo);
    require_matrix(A, size(n, "n"), n, lda, "A");
    require_vector(W, n, 1, "W");
    *lwork = syevd_workspace(n);
  });
}

template <class R>
bool triangle_is_finite(char triangle, int n, const R* a, std::int64_t lda) {
  for (int j = 0; j < n; ++j)
    for (int i = triangle == 'L' ? j : 0; i < (triangle == 'L' ? n : j + 1); ++i)
      if (!std::isfinite(a[i + j * lda])) return false;
  return true;
}

// A matrix with NaN or infinity gives NaN and info 0: LAPACK's iteration must not be asked whether it ends.
template <class R>
int eigen_decompose(bool vectors, char triangle, int n, R* a, int lda, R* w, R* work, int lwork) {
  int info = 0;
  const bool finite = triangle_is_finite(triangle, n, a, lda);
  if (finite) {
    std::vector<int> integers(static_cast<std::size_t>(3 + 5 * n));
    info = lapack_syevd(vectors ? 'V' : 'N', triangle, n, a, lda, w, work, lwork, integers.data(),
                        static_cast<int>(integers.size()));
  } else {
    std::fill_n(w, n, nan<R>);
  }
  if (!finite || !vectors)
    for (int j = 0; j < n; ++j) std::fill_n(a + std::int64_t{j} * lda, n, nan<R>);  // A is destroyed
  return info;
}

template <class R>
cusolverStatus_t syevd(const char* name, cusolverDnHandle_t handle, cusolverEigMode_t jobz,
                       cublasFillMode_t uplo, int n, R* A, int lda, R* W, R* work, int lwork, int* info) {
  return cusolver_call(name, handle, [=](cusolverDnContext& context) {
    require(jobz == CUSOLVER_EIG_MODE_VECTOR || jobz == CUSOLVER_EIG_MODE_NOVECTOR, "no such mode");
    const char triangle = to_lapack(uplo);
    require_matrix(A, size(n, "n"), n, lda, "A");
    require_vector(W, n, 1, "W");
    require_workspace(work, lwork, syevd_workspace(n));
    require_operand(info, sizeof(int), "info");
    forbid_in_capture(context.stream);  // the original may wait for the device
    enqueue_operation(context.stream, [=] {
      *info = eigen_decompose(jobz == CUSOLVER_EIG_MODE_VECTOR, triangle, n, A, lda, W, work, lwork);
    });
  });
}

}  // namespace
}  // namespace host_cuda

cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t* handle) {
  return host_cuda::library_call(__func__, host_cuda::cusolver_status, [=] {
    host_cuda::require_memory();
    *handle = new cusolverDnContext;
  });
}

cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle) {
  return host_cuda::cusolver_call(__func__, handle, [](cusolverDnContext& context) { delete &context; });
}

cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t streamId) {
  return host_cuda::cusolver_call(__func__, handle, [=](cusolverDnContext& context) {
    host_cuda::is_idle(streamId);  // refuses a stream that is not there
    context.stream = streamId;
  });
}

cusolverStatus_t cusolverGetVersion(int* version) {
  *version = CUSOLVER_VERSION;
  return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnSpotrf_bufferSize(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n,
                                             float* A, int lda, int* Lwork) {
  return host_cuda::potrf_buffer_size(__func__, handle, uplo, n, A, lda, Lwork);
}

cusolverStatus_t cusolverDnDpotrf_bufferSize(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n,
                                             double* A, int lda, int* Lwork) {
  return host_cuda::potrf_buffer_size(__func__, handle, uplo, n, A, lda, Lwork);
}

cusolverStatus_t cusolverDnSpotrf(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, float* A, int lda,
                                  float* Workspace, int Lwork, int* devInfo) {
  return host_cuda::potrf(__func__, handle, uplo, n, A, lda, Workspace, Lwork, devInfo);
}

cusolverStatus_t cusolverDnDpotrf(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, double* A, int lda,
                                  double* Workspace, int Lwork, int* devInfo) {
  return host_cuda::potrf(__func__, handle, uplo, n, A, lda, Workspace, Lwork, devInfo);
}

cusolverStatus_t cusolverDnSpotrs(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, int nrhs,
                                  const float* A, int lda, float* B, int ldb, int* devInfo) {
  return host_cuda::potrs(__func__, handle, uplo, n, nrhs, A, lda, B, ldb, devInfo);
}

cusolverStatus_t cusolverDnDpotrs(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, int nrhs,
                                  const double* A, int lda, double* B, int ldb, int* devInfo) {
  return host_cuda::potrs(__func__, handle, uplo, n, nrhs, A, lda, B, ldb, devInfo);
}

cusolverStatus_t cusolverDnSpotrfBatched(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n,
                                         float* Aarray[], int lda, int* infoArray, int batchSize) {
  return host_cuda::potrf_batched(__func__, handle, uplo, n, Aarray, lda, infoArray, batchSize);
}

cusolverStatus_t cusolverDnDpotrfBatched(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n,
                                         double* Aarray[], int lda, int* infoArray, int batchSize) {
  return host_cuda::potrf_batched(__func__, handle, uplo, n, Aarray, lda, infoArray, batchSize);
}

cusolverStatus_t cusolverDnSpotrsBatched(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, int nrhs,
                                         float* A[], int lda, float* B[], int ldb, int* d_info,
                                         int batchSize) {
  return host_cuda::potrs_batched(__func__, handle, uplo, n, nrhs, A, lda, B, ldb, d_info, batchSize);
}

cusolverStatus_t cusolverDnDpotrsBatched(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, int nrhs,
                                         double* A[], int lda, double* B[], int ldb, int* d_info,
                                         int batchSize) {
  return host_cuda::potrs_batched(__func__, handle, uplo, n, nrhs, A, lda, B, ldb, d_info, batchSize);
}

cusolverStatus_t cusolverDnSsyevd_bufferSize(cusolverDnHandle_t handle, cusolverEigMode_t jobz,
                                             cublasFillMode_t uplo, int n, const float* A, int lda,
                                             const float* W, int* lwork) {
  return host_cuda::syevd_buffer_size(__func__, handle, jobz, uplo, n, A, lda, W, lwork);
}

cusolverStatus_t cusolverDnDsyevd_bufferSize(cusolverDnHandle_t handle, cusolverEigMode_t jobz,
                                             cublasFillMode_t uplo, int n, const double* A, int lda,
                                             const double* W, int* lwork) {
  return host_cuda::syevd_buffer_size(__func__, handle, jobz, uplo, n, A, lda, W, lwork);
}

cusolverStatus_t cusolverDnSsyevd(cusolverDnHandle_t handle, cusolverEigMode_t jobz, cublasFillMode_t uplo,
                                  int n, float* A, int lda, float* W, float* work, int lwork, int* info) {
  return host_cuda::syevd(__func__, handle, jobz, uplo, n, A, lda, W, work, lwork, info);
}

cusolverStatus_t cusolverDnDsyevd(cusolverDnHandle_t handle, cusolverEigMode_t jobz, cublasFillMode_t uplo,
                                  int n, double* A, int lda, double* W, double* work, int lwork, int* info) {
  return host_cuda::syevd(__func__, handle, jobz, uplo, n, A, lda, W, work, lwork, info);
}
