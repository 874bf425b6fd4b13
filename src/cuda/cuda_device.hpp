/// One GPU: its stream, library handles, memory, block of scalars and phases.
#pragma once

#include <string>

#include "cuda/handles.hpp"
#include "cuda/phase_clock.hpp"
#include "natgrad/backend.hpp"
#include "reduce.cuh"

namespace natgrad {

class CudaDevice {
 public:
  /// On `stream`, which must outlive this, or on a stream of its own where it is null. Throws DeviceError
  /// where there is no such GPU.
  CudaDevice(int device, cudaStream_t stream);
  ~CudaDevice();
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;

  std::string name() const { return "cuda:" + std::to_string(device_); }
  std::string description() const;
  std::size_t available_bytes() const;
  /// For f64 and TF32: compute capability 8.0 and above.
  bool has_tensor_cores() const;

  /// The stream and the handles. Asking for one makes this GPU the calling thread's current one, as every
  /// call that takes them needs: so any thread may use the device, one at a time.
  cudaStream_t stream() const {
    make_current();
    return stream_;
  }
  cublasHandle_t blas() const {
    make_current();
    return blas_.get();
  }
  cusolverDnHandle_t solver() const {
    make_current();
    return solver_.get();
  }

  /// For good: without a workspace of its own, a product of cuBLAS would allocate when it is captured.
  void set_blas_workspace(void* memory, std::size_t bytes) {
    check(cublasSetWorkspace(blas(), memory, bytes), "cublasSetWorkspace");
  }

  void* allocate(std::size_t bytes);
  void deallocate(void* memory) noexcept;
  void upload(void* device, const void* host, std::size_t bytes);
  void download(void* host, const void* device, std::size_t bytes);
  void synchronize();

  /// Device memory: the block of named numbers, one of them, two more to compute with, what reductions need.
  double* scalars() const { return numbers_; }
  double* scalar(Slot slot) const { return numbers_ + static_cast<int>(slot); }
  double* scratch() const { return scalar(Slot::count_); }
  kernels::Reduction reduction() const { return {scratch() + scratch_doubles, stream()}; }
  Scalars read_scalars();
  void set_scalar(Slot slot, double value);

  void begin_phase(Phase phase, bool timed = true) { phases_.begin(phase, stream(), timed); }
  void end_phase(bool timed = true) noexcept {
    cudaSetDevice(device_);  // unchecked, as everything here: see PhaseClock::end
    phases_.end(stream_, timed);
  }
  PhaseSeconds take_phase_seconds() { return phases_.take(); }

 private:
  static constexpr Index scratch_doubles = 2;

  void make_current() const { check(cudaSetDevice(device_), "cudaSetDevice"); }

  int device_;
  StreamHandle own_stream_;
  cudaStream_t stream_;
  BlasHandle blas_;
  SolverHandle solver_;
  Pinned<Scalars> mirror_;
  double* numbers_ = nullptr;
  PhaseClock phases_;
};

}  // namespace natgrad
