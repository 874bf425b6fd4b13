/// Memory, scalars, time, vectors and data of the CPU backend.
#include <cblas.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <utility>

#include "cpu/cpu_backend.hpp"
#include "operation_shapes.hpp"
#include "random.hpp"

namespace natgrad {

int available_cores() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

namespace {

/// Bytes that the system can give without swapping; all there are where it does not tell.
std::size_t available_memory() {
  std::ifstream meminfo("/proc/meminfo");
  for (std::string line; std::getline(meminfo, line);)
    if (line.starts_with("MemAvailable:")) return std::stoull(line.substr(line.find(':') + 1)) * 1024;
  return std::numeric_limits<std::size_t>::max();
}

}  // namespace

template <class R>
CpuBackend<R>::CpuBackend(int threads)
    : threads_(threads > 0 ? threads : available_cores()), memory_(available_memory()) {
  openblas_set_num_threads(threads_);  // the OpenMP build ignores OPENBLAS_NUM_THREADS
}

template <class R>
std::string CpuBackend<R>::description() const {
  std::string config = openblas_get_config();  // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH …"
  const auto second_space = config.find(' ', config.find(' ') + 1);
  return "cpu (" + std::to_string(threads_) + (threads_ == 1 ? " thread, " : " threads, ") +
         config.substr(0, second_space) + ")";
}

template <class R>
void* CpuBackend<R>::allocate_bytes(std::size_t bytes) {
  constexpr std::size_t alignment = 64;  // a cache line, a vector register
  const std::size_t rounded = (std::max<std::size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  // The system grants more than it has and kills the process that uses it: so what there was at the start is
  // kept to.
  const std::size_t left = memory_ - std::min(memory_, this->bytes_in_use());
  void* memory = bytes <= left ? std::aligned_alloc(alignment, rounded) : nullptr;
  if (memory == nullptr)
    throw OutOfMemory("cpu: " + std::to_string(bytes) + " bytes wanted, " + std::to_string(left) +
                      " free; try another structure, a smaller --batch or a smaller network");
  return memory;
}

template <class R>
void CpuBackend<R>::deallocate_bytes(void* memory) noexcept {
  std::free(memory);
}

template <class R>
void CpuBackend<R>::upload(void* device, const void* host, std::size_t bytes) {
  if (bytes > 0) std::memcpy(device, host, bytes);
}

template <class R>
void CpuBackend<R>::download(void* host, const void* device, std::size_t bytes) {
  if (bytes > 0) std::memcpy(host, device, bytes);
  this->count_synchronization();
}

template <class R>
Scalars CpuBackend<R>::read_scalars() {
  this->count_synchronization();
  return scalars_;
}

template <class R>
void CpuBackend<R>::charge_time() {
  const auto now = Clock::now();
  if (!phases_.empty())
    phase_seconds_[static_cast<std::size_t>(phases_.back())] +=
        std::chrono::duration<double>(now - phase_start_).count();
  phase_start_ = now;
}

template <class R>
void CpuBackend<R>::begin_phase(Phase phase) {
  charge_time();
  phases_.push_back(phase);
}

template <class R>
void CpuBackend<R>::end_phase() {
  charge_time();
  phases_.pop_back();
}

template <class R>
PhaseSeconds CpuBackend<R>::take_phase_seconds() {
  charge_time();
  return std::exchange(phase_seconds_, PhaseSeconds{});
}

template <class R>
void CpuBackend<R>::copy(MatrixView<const R> from, MatrixView<R> to) {
  shapes::copy(from, to);
  parallel_for(threads_, from.cols, from.rows, [&](Index j) {
    std::copy_n(from.data + j * from.stride, from.rows, to.data + j * to.stride);
  });
}

template <class R>
void CpuBackend<R>::fill(MatrixView<R> x, R value) {
  parallel_for(threads_, x.cols, x.rows, [&](Index j) { std::fill_n(x.data + j * x.stride, x.rows, value); });
}

template <class R>
void CpuBackend<R>::axpy(R alpha, VectorView<const R> x, VectorView<R> y) {
  shapes::same_size("axpy", x, y);
  for (Index i = 0; i < x.size; ++i) y.data[i] += alpha * x.data[i];
}

template <class R>
void CpuBackend<R>::axpy(R alpha, Slot s, VectorView<const R> x, VectorView<R> y) {
  axpy(alpha * static_cast<R>(scalar(s)), x, y);
}

template <class R>
void CpuBackend<R>::scale(R alpha, VectorView<R> x) {
  for (Index i = 0; i < x.size; ++i) x.data[i] *= alpha;
}

template <class R>
void CpuBackend<R>::dot(VectorView<const R> x, VectorView<const R> y, Slot slot) {
  shapes::same_size("dot", x, y);
  scalar(slot) = parallel_sum(threads_, x.size, 1, partial_,
                              [&](Index i) { return static_cast<double>(x.data[i]) * y.data[i]; });
}

template <class R>
void CpuBackend<R>::step_size(double kl_budget, double max_beta) {
  const double quadratic = scalar(Slot::quadratic);
  scalar(Slot::beta) = std::isfinite(quadratic) && quadratic >= 0.0
                           ? std::min(max_beta, std::sqrt(2.0 * kl_budget / quadratic))
                           : std::numeric_limits<double>::quiet_NaN();
}

template <class R>
void CpuBackend<R>::adam(const typename Backend<R>::AdamRates& rates, VectorView<const R> g, VectorView<R> m,
                         VectorView<R> v, VectorView<R> theta) {
  shapes::adam(g, m, v, theta);
  const R beta1 = static_cast<R>(rates.beta1), beta2 = static_cast<R>(rates.beta2);
  const R rate = static_cast<R>(rates.rate), epsilon = static_cast<R>(rates.epsilon);
  const R correction1 = static_cast<R>(rates.correction1), correction2 = static_cast<R>(rates.correction2);
  for (Index i = 0; i < g.size; ++i) {
    m.data[i] = beta1 * m.data[i] + (R(1) - beta1) * g.data[i];
    v.data[i] = beta2 * v.data[i] + (R(1) - beta2) * g.data[i] * g.data[i];
    theta.data[i] -= rate * (m.data[i] / correction1) / (std::sqrt(v.data[i] / correction2) + epsilon);
  }
}

template <class R>
void CpuBackend<R>::gather_columns(MatrixView<const R> from, VectorView<const Index> index,
                                   MatrixView<R> to) {
  shapes::gather_columns(from, index, to);
  parallel_for(threads_, to.cols, to.rows, [&](Index k) {
    std::copy_n(from.data + index.data[k] * from.stride, from.rows, to.data + k * to.stride);
  });
}

template <class R>
void CpuBackend<R>::permutation(RandomKey key, VectorView<Index> index) {
  std::ranges::copy(random_permutation(key, index.size), index.data);
}

template class CpuBackend<float>;
template class CpuBackend<double>;

template <class R>
std::unique_ptr<Backend<R>> make_cpu_backend(int threads) {
  return std::make_unique<CpuBackend<R>>(threads);
}
template std::unique_ptr<Backend<float>> make_cpu_backend(int);
template std::unique_ptr<Backend<double>> make_cpu_backend(int);

}  // namespace natgrad
