/// A device: its memory, its block of scalars, its clock. The operations are in natgrad/backend.hpp.
#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "natgrad/matrix.hpp"

namespace natgrad {

/// Names of the device-resident numbers of a step.
enum class Slot : int {
  loss,                 // mean negative log-likelihood
  loss_change,          // the same, new minus old parameters, without cancellation
  kl,                   // mean KL(p_old ‖ p_new)
  quadratic,            // dᵀFd
  beta,                 // step size
  gradient_norm2,       // gᵀg
  gradient_step,        // gᵀd
  step_norm2,           // dᵀd
  parameter_norm2,      // θᵀθ
  parameter_step,       // θᵀd
  factor_info,          // 0: all factorisations hold; k > 0: the first failed at minor k; −1: not finite
  largest_diagonal,     // of the matrices damped
  rank,                 // eigenvalues kept by spectral solves
  largest_eigenvalue,   // of the matrices that they solve with
  smallest_eigenvalue,  // among those kept
  correct,              // samples whose largest output is their class
  squared_error,        // Σ (mean − target)², weighted
  residual_norm2,       // of a linear system, and of its right-hand side
  right_side_norm2,
  // The quadratic model along a direction d and the step before, s: F the exact Fisher.
  fisher_dd,  // dᵀFd
  fisher_ds,
  fisher_ss,
  norm_dd,  // dᵀd
  norm_ds,
  norm_ss,
  slope_d,  // gᵀd
  slope_s,
  rate,      // α of αd + μs
  momentum,  // μ
  count_
};

/// A host copy of the block.
struct Scalars {
  std::array<double, static_cast<std::size_t>(Slot::count_)> values{};
  double operator[](Slot slot) const { return values[static_cast<std::size_t>(slot)]; }
};

/// The phases of a step, for timing and for profilers' ranges.
/// `graph` is the time of operations replayed as one, whose phases cannot be told apart.
enum class Phase : int { forward, scores, fisher, factor, solve, line_search, evaluate, io, graph, count_ };

std::string_view to_string(Phase phase);

/// Seconds per phase.
using PhaseSeconds = std::array<double, static_cast<std::size_t>(Phase::count_)>;

/// Memory, scalars and time of one device, in one order of execution.
class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  virtual ~Device() = default;

  /// One line for a person, e.g. "cpu (2 threads, OpenBLAS 0.3.21)".
  virtual std::string description() const = 0;
  /// "cpu" or "cuda:0".
  virtual std::string name() const = 0;

  /// Uninitialised device memory. Throws OutOfMemory naming the bytes wanted and free, or allowed.
  void* allocate(std::size_t bytes);
  void deallocate(void* memory, std::size_t bytes) noexcept;
  std::size_t bytes_in_use() const { return bytes_in_use_; }
  std::size_t peak_bytes() const { return peak_bytes_; }
  /// The most bytes in use from now on; without a call, what the device has. Of a GPU these include all
  /// workspaces but what its libraries allocate by themselves.
  void limit_memory(std::size_t bytes) { limit_ = bytes; }
  /// Bytes that may still be allocated, as far as the device can tell.
  virtual std::size_t available_bytes() const = 0;
  /// Allocations so far, freed ones included.
  std::size_t allocations() const { return allocations_; }

  /// Host → device; the host memory may be reused on return. This and all below throw DeviceError where the
  /// device fails.
  virtual void upload(void* device, const void* host, std::size_t bytes) = 0;
  /// Device → host; synchronises.
  virtual void download(void* host, const void* device, std::size_t bytes) = 0;
  /// Waits for everything enqueued.
  virtual void synchronize() = 0;

  /// The block as it stands after everything enqueued so far; synchronises.
  virtual Scalars read_scalars() = 0;
  virtual void set_scalar(Slot slot, double value) = 0;
  /// Host synchronisations so far.
  std::size_t synchronizations() const { return synchronizations_; }
  /// Graphs launched so far in the place of single operations.
  virtual std::size_t graph_launches() const { return 0; }

  /// Phases nest; time goes to the innermost. On an asynchronous device it is the device's own time.
  virtual void begin_phase(Phase phase) = 0;
  virtual void end_phase() = 0;
  /// A profiler's range, for those that capture from a program's own word on (nsys, ncu); synchronises.
  virtual void begin_profile() {}
  virtual void end_profile() {}
  /// Time per phase, up to the last synchronisation, since the last call.
  virtual PhaseSeconds take_phase_seconds() = 0;

 protected:
  virtual void* allocate_bytes(std::size_t bytes) = 0;
  virtual void deallocate_bytes(void* memory) noexcept = 0;
  void count_synchronization() { ++synchronizations_; }

 private:
  std::size_t bytes_in_use_ = 0, peak_bytes_ = 0, allocations_ = 0, synchronizations_ = 0;
  std::size_t limit_ = std::numeric_limits<std::size_t>::max();
};

/// Marks a scope as one phase.
class PhaseScope {
 public:
  PhaseScope(Device& device, Phase phase) : device_(device) { device_.begin_phase(phase); }
  ~PhaseScope() { device_.end_phase(); }
  PhaseScope(const PhaseScope&) = delete;
  PhaseScope& operator=(const PhaseScope&) = delete;

 private:
  Device& device_;
};

/// Owns `size` elements of device memory.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  /// Uninitialised. Throws ShapeError for a negative size, OutOfMemory.
  Buffer(Device& device, Index size)
      : device_(&device),
        data_(static_cast<T*>(device.allocate(element_count("buffer", size, sizeof(T))))),
        size_(size) {}
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() {
    if (data_ != nullptr) device_->deallocate(data_, static_cast<std::size_t>(size_) * sizeof(T));
  }

  T* data() const { return data_; }
  Index size() const { return size_; }
  VectorView<T> vector() const { return {data_, size_}; }
  /// Views of the first elements. Throw ShapeError where the buffer is smaller.
  MatrixView<T> matrix(Index rows, Index cols) const {
    require(element_count("buffer", rows, cols));
    return {data_, rows, cols};
  }
  BatchView<T> batch(Index n, Index count) const {
    require(element_count("buffer", static_cast<Index>(element_count("buffer", n, n)), count));
    return {data_, n, count};
  }

  void upload(const T* host) { device_->upload(data_, host, static_cast<std::size_t>(size_) * sizeof(T)); }
  std::vector<T> download() const {
    std::vector<T> host(static_cast<std::size_t>(size_));
    if (size_ > 0) device_->download(host.data(), data_, host.size() * sizeof(T));
    return host;
  }
  /// Makes room for at least `size` elements; what was there is lost where the buffer grows. Throws
  /// OutOfMemory, and the buffer is empty then.
  void reserve(Device& device, Index size) {
    if (size > size_) {
      *this = Buffer();
      *this = Buffer(device, size);
    }
  }

 private:
  void require(std::size_t elements) const {
    if (elements <= static_cast<std::size_t>(size_)) return;
    throw ShapeError("buffer: a view of " + std::to_string(elements) + " elements, must be at most " +
                     std::to_string(size_));
  }
  void swap(Buffer& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  Device* device_ = nullptr;
  T* data_ = nullptr;
  Index size_ = 0;
};

}  // namespace natgrad
