/// The CPU backend: OpenBLAS and LAPACKE for matrices, OpenMP loops for the rest. Operations run at once, so
/// synchronising costs nothing.
#pragma once

#include <chrono>
#include <vector>

#include "cpu/parallel.hpp"
#include "natgrad/backend.hpp"

namespace natgrad {

template <class T>
T* column(MatrixView<T> m, Index j) {
  return m.data + j * m.stride;
}

template <class R>
class CpuBackend final : public Backend<R> {
 public:
  explicit CpuBackend(int threads);

  std::string description() const override;
  std::string name() const override { return "cpu"; }
  std::size_t available_bytes() const override;

  void upload(void* device, const void* host, std::size_t bytes) override;
  void download(void* host, const void* device, std::size_t bytes) override;
  void synchronize() override { this->count_synchronization(); }
  Scalars read_scalars() override;
  void set_scalar(Slot slot, double value) override { scalar(slot) = value; }
  void begin_phase(Phase phase) override;
  void end_phase() override;
  PhaseSeconds take_phase_seconds() override;

  void copy(MatrixView<const R> from, MatrixView<R> to) override;
  void fill(MatrixView<R> x, R value) override;
  void axpy(R alpha, VectorView<const R> x, VectorView<R> y) override;
  void axpy(R alpha, Slot s, VectorView<const R> x, VectorView<R> y) override;
  void scale(R alpha, VectorView<R> x) override;
  void dot(VectorView<const R> x, VectorView<const R> y, Slot slot) override;
  void gemm(Transpose ta, Transpose tb, R alpha, MatrixView<const R> a, MatrixView<const R> b, R beta,
            MatrixView<R> c) override;
  void hadamard(MatrixView<const R> x, MatrixView<const R> y, MatrixView<R> out) override;
  void syrk(R alpha, MatrixView<const R> a, R beta, MatrixView<R> c) override;
  void symv(MatrixView<const R> a, VectorView<const R> x, VectorView<R> y) override;

  void damp(BatchView<const R> f, R lambda, BatchView<R> out) override;
  void cholesky(BatchView<R> a) override;
  void cholesky_solve(BatchView<const R> l, MatrixView<R> b) override;
  void triangular_solve(Side side, Transpose t, MatrixView<const R> l, MatrixView<R> b) override;
  void eigen(MatrixView<R> a, VectorView<R> w) override;
  void spectral_solve(VectorView<const R> w, R cutoff, VectorView<R> c) override;
  void damped_quotient(VectorView<const R> b, VectorView<const R> f, R lambda, VectorView<R> x) override;
  void damp_factors(MatrixView<const R> a, MatrixView<const R> g, R gamma, MatrixView<R> out_a,
                    MatrixView<R> out_g) override;

  void activate(Activation phi, VectorView<const R> bias, MatrixView<R> z, MatrixView<R> a) override;
  void multiply_slopes(MatrixView<const R> slopes, MatrixView<R> d) override;

  void loss(Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> y) override;
  void signals(const ScoreSpec& spec, Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> y,
               MatrixView<R> d) override;
  void residuals(const ScoreSpec& spec, Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> y,
                 VectorView<R> u) override;
  void output_fisher(Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> x,
                     MatrixView<const R> y, Slot slot) override;
  void divergence(Likelihood likelihood, MatrixView<const R> z_old, MatrixView<const R> z_new,
                  MatrixView<const R> y) override;
  void means(Likelihood likelihood, MatrixView<const R> z, MatrixView<R> means) override;
  void count_correct(MatrixView<const R> z, MatrixView<const R> y) override;
  void squared_error(MatrixView<const R> means, MatrixView<const R> y, VectorView<const R> weight) override;

  void khatri_rao(const LayerFactors<R>& layer, MatrixView<R> s) override;
  void gram(std::span<const LayerFactors<R>> layers, MatrixView<R> k, Accuracy accuracy) override;
  void unit_blocks(const LayerFactors<R>& layer, R alpha, R beta, BatchView<R> f) override;
  void input_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y,
                   MatrixView<R> out) override;
  void signal_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y,
                    MatrixView<R> out) override;
  void unpack_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y, MatrixView<const R> q,
                    Index first, R beta, MatrixView<R> f) override;
  void column_dots(MatrixView<const R> d, MatrixView<const R> t, R beta, VectorView<R> w) override;
  void weighted_signals(MatrixView<const R> d, VectorView<const R> w, MatrixView<R> e) override;
  void squared_signals(MatrixView<const R> d, MatrixView<const R> t, MatrixView<R> e) override;
  void row_sums(MatrixView<const R> e, VectorView<R> b) override;

  void step_size(double kl_budget, double max_beta) override;
  void quadratic_step(double kappa) override;
  void adam(const typename Backend<R>::AdamRates& rates, VectorView<const R> g, VectorView<R> m,
            VectorView<R> v, VectorView<R> theta) override;
  void gather_columns(MatrixView<const R> from, VectorView<const Index> index, MatrixView<R> to) override;
  void permutation(RandomKey key, VectorView<Index> index) override;

 protected:
  void* allocate_bytes(std::size_t bytes) override;
  void deallocate_bytes(void* memory) noexcept override;

 private:
  using Clock = std::chrono::steady_clock;

  double& scalar(Slot slot) { return scalars_.values[static_cast<std::size_t>(slot)]; }
  void record_failure(int info) {  // the first one stays
    if (scalar(Slot::factor_info) == 0.0) scalar(Slot::factor_info) = info;
  }
  void charge_time();  // to the innermost phase
  R* workspace(Index elements) {
    if (const auto size = static_cast<std::size_t>(elements); size > workspace_.size()) {
      workspace_ = {};
      workspace_.resize(size);
    }
    return workspace_.data();
  }

  int threads_;
  std::size_t memory_;  // bytes available at the start
  Scalars scalars_;
  std::vector<double> partial_;  // of reductions
  std::vector<double> terms_;    // of the second sum of an operation
  std::vector<int> info_;        // of a batch of factorisations; integers of an eigendecomposition
  std::vector<R> workspace_;     // of one operation, for all its threads
  std::vector<Phase> phases_;    // open ones, innermost last
  Clock::time_point phase_start_;
  PhaseSeconds phase_seconds_{};
};

}  // namespace natgrad
