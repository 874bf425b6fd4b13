/// The CUDA backend: cuBLAS and cuSOLVER for matrices, the kernels of kernels/ for the rest, one stream.
/// Its members are defined in several files: cuda_backend.cu (memory, vectors, data), cuda_linear_algebra.cu
/// (products and Cholesky), cuda_spectral.cu (eigenvalues and damped divisions), cuda_network.cu (network and
/// likelihood), cuda_fisher.cu, cuda_permutation.cu (the only one that needs Thrust).
#pragma once

#include <exception>

#include "cuda/cuda_device.hpp"
#include "cuda/fused_product.hpp"
#include "cuda/replay.hpp"
#include "cuda/routes.hpp"
#include "natgrad/backend.hpp"

namespace natgrad {

template <class R>
class CudaBackend final : public Backend<R> {
 public:
  /// Throws DeviceError where there is no such GPU, or tf32 is asked of one that has none.
  /// Steps are replayed on a stream of its own only: on a caller's, others may count on the order of
  /// operations.
  CudaBackend(int device, cudaStream_t stream, const CudaOptions& options);
  ~CudaBackend() override;

  std::string description() const override { return device_.description(); }
  std::string name() const override { return device_.name(); }
  std::size_t available_bytes() const override { return device_.available_bytes(); }
  std::size_t graph_launches() const override { return replay_.launches(); }

  void upload(void* device, const void* host, std::size_t bytes) override;
  void download(void* host, const void* device, std::size_t bytes) override;
  void synchronize() override;
  Scalars read_scalars() override;
  void set_scalar(Slot slot, double value) override;
  void begin_phase(Phase phase) override { device_.begin_phase(phase, !replay_.is_withholding()); }
  void end_phase() override { device_.end_phase(!replay_.is_withholding()); }
  void begin_profile() override;
  void end_profile() override;
  PhaseSeconds take_phase_seconds() override { return device_.take_phase_seconds(); }

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

  void factor_and_solve(MatrixView<const R> f, R lambda, MatrixView<R> bordered, VectorView<R> b,
                        Accuracy accuracy) override;
  void damp(BatchView<const R> f, R lambda, BatchView<R> out) override;
  void cholesky(BatchView<R> a) override;
  void cholesky_solve(BatchView<const R> l, MatrixView<R> b) override;
  void triangular_solve(Side side, Transpose t, MatrixView<const R> l, MatrixView<R> b) override;
  void eigen(MatrixView<R> a, VectorView<R> w) override;
  void spectral_solve(VectorView<const R> w, R cutoff, VectorView<R> c) override;
  void damped_quotient(VectorView<const R> b, VectorView<const R> f, R lambda, VectorView<R> x) override;
  void damp_factors(MatrixView<const R> a, MatrixView<const R> g, R gamma, MatrixView<R> out_a,
                    MatrixView<R> out_g) override;

  void forward_layer(Activation phi, MatrixView<const R> w, VectorView<const R> bias, MatrixView<const R> x,
                     MatrixView<R> z, MatrixView<R> a) override;
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
  void outer_products(std::span<const LayerFactors<R>> layers, R alpha, R beta, MatrixView<R> rows,
                      MatrixView<R> f, Accuracy accuracy) override;
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
  void* allocate_bytes(std::size_t bytes) override { return device_.allocate(bytes); }
  void deallocate_bytes(void* memory) noexcept override;

 private:
  /// Whether the operation this->method(arguments...) is withheld, to be replayed; asked by every operation
  /// that may repeat, once its operands are known to fit.
  template <auto method, class... Arguments>
  bool is_withheld(const Arguments&... arguments) {
    return replay_.withhold<method>(*this, arguments...);
  }
  /// Enqueues what is withheld, before what is no operation, or one that does not repeat.
  void flush();
  /// An error is kept for the next flush to throw.
  void flush_quietly() noexcept;

  /// C ← α op(A) op(B) + βC, as `gemm`, as part of another operation.
  void multiply(Transpose ta, Transpose tb, R alpha, MatrixView<const R> a, MatrixView<const R> b, R beta,
                MatrixView<R> c);
  void gram_of(const std::vector<LayerFactors<R>>& layers, MatrixView<R> k, Accuracy accuracy);
  void outer_products_of(const std::vector<LayerFactors<R>>& layers, R alpha, R beta, MatrixView<R> f,
                         Accuracy accuracy);
  /// Whether products are those of tensor cores: of f64, which lose nothing, or of TF32 where that is
  /// allowed.
  bool takes_tensor_cores(Accuracy accuracy) const;
  /// K by two products and a pass per layer and tile.
  void gram_by_library(std::span<const LayerFactors<R>> layers, Index r, Accuracy accuracy, MatrixView<R> k);
  /// What layer factors x (rows) and y (columns) contribute to one tile of K; `work` holds the two products.
  void gram_tile(const LayerFactors<R>& x, const LayerFactors<R>& y, Index r, R beta, kernels::Part part,
                 R* work, MatrixView<R> k);

  /// Room for `count` elements until the next operation. It only grows, so that steps after the first
  /// allocate nothing; what is freed in growing is freed in the stream's order.
  template <class T>
  T* workspace(Index count) {
    return reinterpret_cast<T*>(grown(workspace_, count * static_cast<Index>(sizeof(T))));
  }
  int* info(Index count) { return grown(info_, count); }
  R** pointers(Index count) { return grown(pointers_, count); }
  template <class T>
  T* grown(Buffer<T>& buffer, Index count) {
    if (count > buffer.size()) replay_.forget();  // graphs hold the address
    buffer.reserve(*this, count);
    return buffer.data();
  }

  const CudaOptions options_;
  CudaDevice device_;  // before the buffers, which are freed through it
  const bool has_tensor_cores_ = device_.has_tensor_cores();
  Replay replay_;
  std::exception_ptr flush_error_;
  FusedProduct<R> fused_product_;
  Buffer<std::byte> workspace_, blas_workspace_;
  Buffer<int> info_;     // of cuSOLVER, one a matrix
  Buffer<R*> pointers_;  // to the matrices of a batch
};

}  // namespace natgrad
