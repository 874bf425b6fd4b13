/// Memory, scalars, time, vectors and data of the CPU backend.
#include <cblas.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "cpu/cpu_backend.hpp"
#include "host_memory.hpp"
#include "natgrad/device/quadratic_model.hpp"
#include "operation_shapes.hpp"
#include "random.hpp"

namespace natgrad {

int available_cores() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

namespace {

constexpr std::align_val_t cpu_alignment{64};  // a cache line, a vector register

}  // namespace

template <class R>
CpuBackend<R>::CpuBackend(int threads)
    : threads_(threads > 0 ? threads : available_cores()), memory_(available_host_memory()) {
  if (threads < 0)
    throw UsageError("threads is " + std::to_string(threads) + ", must be at least 0, which takes all cores");
  openblas_set_num_threads(threads_);  // the OpenMP build ignores OPENBLAS_NUM_THREADS
}

template <class R>
std::string CpuBackend<R>::description() const {
  std::string config = openblas_get_config();  // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH …"
  const auto second_space = config.find(' ', config.find(' ') + 1);
  return "cpu (" + std::to_string(threads_) + (threads_ == 1 ? " thread, " : " threads, ") +
         config.substr(0, second_space) + ")";
}

// The system grants more than it has and kills the process that uses it: so what there was at the start is
// kept to.
template <class R>
std::size_t CpuBackend<R>::available_bytes() const {
  return memory_ - std::min(memory_, this->bytes_in_use());
}

template <class R>
void* CpuBackend<R>::allocate_bytes(std::size_t bytes) {
  const std::size_t left = available_bytes();
  void* memory = bytes <= left ? ::operator new(bytes, cpu_alignment, std::nothrow) : nullptr;
  if (memory == nullptr)
    throw OutOfMemory("cpu: " + std::to_string(bytes) + " bytes wanted, " + std::to_string(left) +
                      " free; try another structure, a smaller --batch or a smaller network");
  return memory;
}

template <class R>
void CpuBackend<R>::deallocate_bytes(void* memory) noexcept {
  ::operator delete(memory, cpu_alignment);
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

namespace {

// The elements of a matrix without gaps as one column, which several threads can share.
template <class T>
MatrixView<T> flattened(MatrixView<T> m) {
  return {m.data, m.size(), 1};
}

// xᵀy in f64.
template <class R>
double dot_product(const R* x, const R* y, Index size) {
  double sum = 0.0;
#pragma omp simd reduction(+ : sum)
  for (Index i = 0; i < size; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  return sum;
}

}  // namespace

template <class R>
void CpuBackend<R>::copy(MatrixView<const R> from, MatrixView<R> to) {
  shapes::copy(from, to);
  if (from.cols > 1 && from.stride == from.rows && to.stride == to.rows)
    return copy(flattened(from), flattened(to));
  if (from.cols == 1)
    return parallel_blocks(threads_, from.rows, [&](Index begin, Index end) {
      std::copy(from.data + begin, from.data + end, to.data + begin);
    });
  parallel_for(threads_, from.cols, from.rows,
               [&](Index j) { std::copy_n(column(from, j), from.rows, column(to, j)); });
}

template <class R>
void CpuBackend<R>::fill(MatrixView<R> x, R value) {
  if (x.cols > 1 && x.stride == x.rows) return fill(flattened(x), value);
  if (x.cols == 1)
    return parallel_blocks(threads_, x.rows,
                           [&](Index begin, Index end) { std::fill(x.data + begin, x.data + end, value); });
  parallel_for(threads_, x.cols, x.rows, [&](Index j) { std::fill_n(column(x, j), x.rows, value); });
}

template <class R>
void CpuBackend<R>::axpy(R alpha, VectorView<const R> x, VectorView<R> y) {
  shapes::same_size("axpy", x, y);
  parallel_blocks(threads_, x.size, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) y.data[i] += alpha * x.data[i];
  });
}

template <class R>
void CpuBackend<R>::axpy(R alpha, Slot s, VectorView<const R> x, VectorView<R> y) {
  axpy(alpha * static_cast<R>(scalar(s)), x, y);
}

template <class R>
void CpuBackend<R>::scale(R alpha, VectorView<R> x) {
  parallel_blocks(threads_, x.size, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) x.data[i] *= alpha;
  });
}

template <class R>
void CpuBackend<R>::dot(VectorView<const R> x, VectorView<const R> y, Slot slot) {
  shapes::same_size("dot", x, y);
  constexpr Index block = 4096;
  scalar(slot) = parallel_sum(threads_, (x.size + block - 1) / block, block, partial_, [&](Index b) {
    const Index begin = b * block;
    return dot_product(x.data + begin, y.data + begin, std::min(block, x.size - begin));
  });
}

template <class R>
void CpuBackend<R>::step_size(double kl_budget, double max_beta) {
  const double quadratic = scalar(Slot::quadratic);
  scalar(Slot::beta) = std::isfinite(quadratic) && quadratic >= 0.0
                           ? std::min(max_beta, std::sqrt(2.0 * kl_budget / quadratic))
                           : std::numeric_limits<double>::quiet_NaN();
}

template <class R>
void CpuBackend<R>::quadratic_step(double kappa) {
  const QuadraticStep step = solve_quadratic_model(
      {scalar(Slot::fisher_dd), scalar(Slot::fisher_ds), scalar(Slot::fisher_ss), scalar(Slot::norm_dd),
       scalar(Slot::norm_ds), scalar(Slot::norm_ss), scalar(Slot::slope_d), scalar(Slot::slope_s), kappa});
  scalar(Slot::rate) = step.rate;
  scalar(Slot::momentum) = step.momentum;
  scalar(Slot::quadratic) = step.quadratic;
}

template <class R>
void CpuBackend<R>::adam(const typename Backend<R>::AdamRates& rates, VectorView<const R> g, VectorView<R> m,
                         VectorView<R> v, VectorView<R> theta) {
  shapes::adam(g, m, v, theta);
  parallel_blocks(threads_, g.size, [&](Index begin, Index end) {
    // As locals, which no store can change, lest the loop is not vectorised.
    const R beta1 = static_cast<R>(rates.beta1), beta2 = static_cast<R>(rates.beta2);
    const R rate = static_cast<R>(rates.rate), epsilon = static_cast<R>(rates.epsilon);
    const R correction1 = static_cast<R>(rates.correction1), correction2 = static_cast<R>(rates.correction2);
    for (Index i = begin; i < end; ++i) {
      m.data[i] = beta1 * m.data[i] + (R(1) - beta1) * g.data[i];
      v.data[i] = beta2 * v.data[i] + (R(1) - beta2) * g.data[i] * g.data[i];
      theta.data[i] -= rate * (m.data[i] / correction1) / (std::sqrt(v.data[i] / correction2) + epsilon);
    }
  });
}

template <class R>
void CpuBackend<R>::gather_columns(MatrixView<const R> from, VectorView<const Index> index,
                                   MatrixView<R> to) {
  shapes::gather_columns(from, index, to);
  parallel_for(threads_, to.cols, to.rows,
               [&](Index k) { std::copy_n(column(from, index.data[k]), from.rows, column(to, k)); });
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
