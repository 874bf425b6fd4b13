/// cuBLAS: vectors.
#include "host_cuda/cublas.hpp"

namespace host_cuda {
namespace {

template <class R>
cublasStatus_t axpy(const char* name, cublasHandle_t handle, std::int64_t n, const R* alpha, const R* x,
                    std::int64_t incx, R* y, std::int64_t incy) {
  return cublas_call(name, handle, [=](cublasContext& context) {
    const int count = size(n, "n");
    const Scalar<R> a(context, alpha, "alpha");
    require_vector(x, n, incx, "x");
    require_vector(y, n, incy, "y");
    enqueue_operation(
        context, [=] { blas::axpy(count, a.get(), x, static_cast<int>(incx), y, static_cast<int>(incy)); });
  });
}

template <class R>
cublasStatus_t scal(const char* name, cublasHandle_t handle, std::int64_t n, const R* alpha, R* x,
                    std::int64_t incx) {
  return cublas_call(name, handle, [=](cublasContext& context) {
    const int count = size(n, "n");
    const Scalar<R> a(context, alpha, "alpha");
    require_vector(x, n, incx, "x");
    enqueue_operation(context, [=] { blas::scal(count, a.get(), x, static_cast<int>(incx)); });
  });
}

/// Queues *result = compute(); with pointer mode host the function waits for it, as the original does.
template <class R, class Compute>
void deliver(const cublasContext& context, R* result, Compute compute) {
  require_pointer_mode(context, result, "the result");
  enqueue_operation(context, [=] { *result = compute(); });
  if (context.pointer_mode == CUBLAS_POINTER_MODE_HOST) {
    ++mutable_counts().synchronisations;
    drain(context.stream);
  }
}

template <class R>
cublasStatus_t dot(const char* name, cublasHandle_t handle, int n, const R* x, int incx, const R* y, int incy,
                   R* result) {
  return cublas_call(name, handle, [=](cublasContext& context) {
    const int count = size(n, "n");
    require_vector(x, n, incx, "x");
    require_vector(y, n, incy, "y");
    deliver(context, result, [=] { return blas::dot(count, x, incx, y, incy); });
  });
}

template <class R>
cublasStatus_t nrm2(const char* name, cublasHandle_t handle, int n, const R* x, int incx, R* result) {
  return cublas_call(name, handle, [=](cublasContext& context) {
    const int count = size(n, "n");
    require_vector(x, n, incx, "x");
    deliver(context, result, [=] { return blas::nrm2(count, x, incx); });
  });
}

template <class R>
cublasStatus_t copy(const char* name, cublasHandle_t handle, int n, const R* x, int incx, R* y, int incy) {
  return cublas_call(name, handle, [=](cublasContext& context) {
    const int count = size(n, "n");
    require_vector(x, n, incx, "x");
    require_vector(y, n, incy, "y");
    enqueue_operation(context, [=] { blas::copy(count, x, incx, y, incy); });
  });
}

}  // namespace
}  // namespace host_cuda

cublasStatus_t cublasSaxpy(cublasHandle_t handle, int n, const float* alpha, const float* x, int incx,
                           float* y, int incy) {
  return host_cuda::axpy(__func__, handle, n, alpha, x, incx, y, incy);
}

cublasStatus_t cublasSaxpy_64(cublasHandle_t handle, int64_t n, const float* alpha, const float* x,
                              int64_t incx, float* y, int64_t incy) {
  return host_cuda::axpy(__func__, handle, n, alpha, x, incx, y, incy);
}

cublasStatus_t cublasDaxpy(cublasHandle_t handle, int n, const double* alpha, const double* x, int incx,
                           double* y, int incy) {
  return host_cuda::axpy(__func__, handle, n, alpha, x, incx, y, incy);
}

cublasStatus_t cublasDaxpy_64(cublasHandle_t handle, int64_t n, const double* alpha, const double* x,
                              int64_t incx, double* y, int64_t incy) {
  return host_cuda::axpy(__func__, handle, n, alpha, x, incx, y, incy);
}

cublasStatus_t cublasSscal(cublasHandle_t handle, int n, const float* alpha, float* x, int incx) {
  return host_cuda::scal(__func__, handle, n, alpha, x, incx);
}

cublasStatus_t cublasSscal_64(cublasHandle_t handle, int64_t n, const float* alpha, float* x, int64_t incx) {
  return host_cuda::scal(__func__, handle, n, alpha, x, incx);
}

cublasStatus_t cublasDscal(cublasHandle_t handle, int n, const double* alpha, double* x, int incx) {
  return host_cuda::scal(__func__, handle, n, alpha, x, incx);
}

cublasStatus_t cublasDscal_64(cublasHandle_t handle, int64_t n, const double* alpha, double* x,
                              int64_t incx) {
  return host_cuda::scal(__func__, handle, n, alpha, x, incx);
}

cublasStatus_t cublasSdot(cublasHandle_t handle, int n, const float* x, int incx, const float* y, int incy,
                          float* result) {
  return host_cuda::dot(__func__, handle, n, x, incx, y, incy, result);
}

cublasStatus_t cublasDdot(cublasHandle_t handle, int n, const double* x, int incx, const double* y, int incy,
                          double* result) {
  return host_cuda::dot(__func__, handle, n, x, incx, y, incy, result);
}

cublasStatus_t cublasSnrm2(cublasHandle_t handle, int n, const float* x, int incx, float* result) {
  return host_cuda::nrm2(__func__, handle, n, x, incx, result);
}

cublasStatus_t cublasDnrm2(cublasHandle_t handle, int n, const double* x, int incx, double* result) {
  return host_cuda::nrm2(__func__, handle, n, x, incx, result);
}

cublasStatus_t cublasScopy(cublasHandle_t handle, int n, const float* x, int incx, float* y, int incy) {
  return host_cuda::copy(__func__, handle, n, x, incx, y, incy);
}

cublasStatus_t cublasDcopy(cublasHandle_t handle, int n, const double* x, int incx, double* y, int incy) {
  return host_cuda::copy(__func__, handle, n, x, incx, y, incy);
}
