/// The seam between the algorithms and the devices.
///
/// `Device` owns memory and the block of scalars; `Backend<R>` adds the operations, R = float or double.
/// Everything above this header is written once and never asks which device it runs on.
///
/// * Operations are enqueued: on an asynchronous device they return before they have run.
/// * No operation returns a number to the host. Reductions go to named f64 slots of a device-resident block,
///   accumulated in f64; `read_scalars()` reads the whole block at once, the only synchronisation of a step.
/// * Letters: N samples, r score rows per sample, R = N·r rows, n_l widths, C outputs, P parameters, K draws.
/// * Every operation throws ShapeError where the shapes of its operands do not fit together, DeviceError
///   where the device fails, OutOfMemory where memory cannot be had. Sizes of zero are allowed everywhere.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "natgrad/activation.hpp"
#include "natgrad/cuda_options.hpp"
#include "natgrad/device.hpp"
#include "natgrad/likelihood.hpp"
#include "natgrad/matrix.hpp"
#include "natgrad/random_key.hpp"

struct CUstream_st;  // cudaStream_t is a pointer to this

namespace natgrad {

enum class Transpose { no, yes };
enum class Side { left, right };
/// Of products behind a solve. refined: the caller refines the solution with residuals in full precision, so
/// that a device that is asked to (CudaOptions::tf32) may round the inputs of f32 products.
enum class Accuracy { full, refined };

/// Which rows S of per-sample scores stand for the Fisher F = SᵀS; see docs/notation.md.
///
/// exact: r = rank of H(z) rows, the columns of B(z), B Bᵀ = H(z) · mc: K rows (p − ŷ)/√K with ŷ drawn from
/// the model's own p(y | z) · empirical: one row p − y with the data's label.
enum class ScoreKind { exact, mc, empirical };

std::string_view to_string(ScoreKind kind);
/// Throws UsageError, naming the allowed values, where `name` is none of them.
ScoreKind parse_score_kind(std::string_view name);

/// A kind with what it needs: the draws K of `mc` and their stream.
struct ScoreSpec {
  ScoreKind kind = ScoreKind::exact;
  Index draws = 1;
  RandomKey key{};

  bool operator==(const ScoreSpec&) const = default;
  /// r, the score rows per sample.
  Index rows_per_sample(Likelihood likelihood, Index outputs) const;
};

/// One layer's factors of score rows: in this layer row c of S is vec(d_c ã_⌊c/r⌋ᵀ), with ã = [a; 1] or, for
/// a layer without a bias, a itself. ñ is the size of ã.
template <class R>
struct LayerFactors {
  MatrixView<const R> a;  // n × N
  MatrixView<const R> d;  // m × N·r, a sample's r signals in neighbouring columns
  bool bias = true;

  bool operator==(const LayerFactors&) const = default;
  /// ñ.
  Index inputs() const { return a.rows + (bias ? 1 : 0); }
  Index units() const { return d.rows; }
  /// mñ; in a vector of this size stand the weights, n × m (column j: into unit j), then the biases, m.
  Index parameters() const { return units() * inputs(); }
  /// The rows of samples begin … begin + count − 1.
  LayerFactors slice(Index begin, Index count) const {
    const Index r = a.cols > 0 ? d.cols / a.cols : 1;
    return {a.columns(begin, count), d.columns(begin * r, count * r), bias};
  }
};

/// Pairs of two layers' rows (p, q): all, p fastest; or, of one layer with itself, those with p ≥ q, as a
/// packed lower triangle stores them, column by column.
enum class Pairs { all, unique };

inline Index pair_count(Pairs pairs, Index p, Index q) {
  return pairs == Pairs::all ? p * q : p * (p + 1) / 2;
}

/// The operations. Matrices are column-major with one sample per column unless a comment says otherwise;
/// outputs do not overlap inputs unless a comment allows it. Only the lower triangle of a symmetric matrix
/// is read and written.
template <class R>
class Backend : public Device {
 public:
  // --- vectors and matrices ------------------------------------------------------------------------------
  /// to ← from, both m × n, any strides (a stride lets a row be copied as a 1 × n matrix).
  virtual void copy(MatrixView<const R> from, MatrixView<R> to) = 0;
  virtual void fill(MatrixView<R> x, R value) = 0;
  /// y ← y + αx.
  virtual void axpy(R alpha, VectorView<const R> x, VectorView<R> y) = 0;
  /// y ← y + α·s·x with s the slot's value.
  virtual void axpy(R alpha, Slot s, VectorView<const R> x, VectorView<R> y) = 0;
  virtual void scale(R alpha, VectorView<R> x) = 0;
  /// slot ← xᵀy, products and sum in f64, in an order that depends on nothing but the size.
  virtual void dot(VectorView<const R> x, VectorView<const R> y, Slot slot) = 0;
  /// C ← α op(A) op(B) + βC. Where β = 0, C may hold anything on entry.
  virtual void gemm(Transpose ta, Transpose tb, R alpha, MatrixView<const R> a, MatrixView<const R> b, R beta,
                    MatrixView<R> c) = 0;
  /// out ← x ∘ y, m × n; may be x or y itself.
  virtual void hadamard(MatrixView<const R> x, MatrixView<const R> y, MatrixView<R> out) = 0;
  /// Lower triangle of C ← αAAᵀ + βC; A is n × k.
  virtual void syrk(R alpha, MatrixView<const R> a, R beta, MatrixView<R> c) = 0;
  /// y ← Ax, A symmetric n × n.
  virtual void symv(MatrixView<const R> a, VectorView<const R> x, VectorView<R> y) = 0;

  // --- symmetric systems: a single matrix is a batch of one ------------------------------------------------
  // Slots factor_info, largest_diagonal, rank, largest_eigenvalue and smallest_eigenvalue gather over calls;
  // the caller sets them to 0 before the first (an eigenvalue slot of 0 is empty).

  /// out_k ← F_k + λI (lower triangles); out, where it is a single matrix, may have a stride. Slot
  /// largest_diagonal ← its maximum with every diagonal of F.
  virtual void damp(BatchView<const R> f, R lambda, BatchView<R> out) = 0;
  /// A_k ← its lower Cholesky factor. Slot factor_info, where it is still 0, ← the first failure; the
  /// diagonal of every factor is looked at, for a library's `info` of 0 proves nothing. Above the diagonal a
  /// batch of several is undefined afterwards.
  virtual void cholesky(BatchView<R> a) = 0;
  /// B ← (LLᵀ)⁻¹B. Batch of one: B is n × m, any m. Otherwise column k of B belongs to matrix k.
  virtual void cholesky_solve(BatchView<const R> l, MatrixView<R> b) = 0;
  /// L ← the Cholesky factor of F + λI, b ← (F + λI)⁻¹b; F: n × n, b: n; lower triangles. L stands in the
  /// leading block of `bordered`, of order n + 1, whose last row and column are workspace. Slots as for
  /// `damp` and `cholesky`; a b whose squares are too large fails as minor n + 1. Composed of the operations
  /// here unless a device has it in one.
  ///
  /// The last row of the factor of [F + λI, b; bᵀ, c] is (L⁻¹b)ᵀ, which leaves one back-substitution.
  virtual void factor_and_solve(MatrixView<const R> f, R lambda, MatrixView<R> bordered, VectorView<R> b,
                                Accuracy accuracy = Accuracy::full);
  /// B ← op(L)⁻¹B (left) or B op(L)⁻¹ (right), L lower triangular, of order B's rows or columns; any strides.
  virtual void triangular_solve(Side side, Transpose t, MatrixView<const R> l, MatrixView<R> b) = 0;
  /// A ← V, w ← the eigenvalues in ascending order, A = V diag(w) Vᵀ. Slot factor_info as for
  /// `cholesky`.
  virtual void eigen(MatrixView<R> a, VectorView<R> w) = 0;
  /// c_i ← c_i / w_i where w_i > cutoff · max w, else 0. Slot rank ← rank + the number kept,
  /// largest_eigenvalue ← its maximum with max w, smallest_eigenvalue ← its minimum with those kept.
  virtual void spectral_solve(VectorView<const R> w, R cutoff, VectorView<R> c) = 0;
  /// x_i ← b_i / (f_i + λ), 0 where the denominator is 0, NaN where it is infinite; x may be b itself.
  virtual void damped_quotient(VectorView<const R> b, VectorView<const R> f, R lambda, VectorView<R> x) = 0;
  /// The factored damping of a Kronecker product (Martens & Grosse 2015, section 6.3): out_a ← A + πγI,
  /// out_g ← G + γ/π I, lower triangles, π² = (tr A / order of A) / (tr G / order of G); π = 1 where a trace
  /// is 0. Slot largest_diagonal as for `damp`, of both.
  virtual void damp_factors(MatrixView<const R> a, MatrixView<const R> g, R gamma, MatrixView<R> out_a,
                            MatrixView<R> out_g) = 0;

  // --- network ---------------------------------------------------------------------------------------------
  /// A ← φ(Z + b1ᵀ), Z ← φ'(Z + b1ᵀ); Z, A: n × N, b: n. A may be Z itself, then the slopes are not kept.
  virtual void activate(Activation phi, VectorView<const R> bias, MatrixView<R> z, MatrixView<R> a) = 0;
  /// A ← φ(WᵀX + b1ᵀ), Z ← φ'(WᵀX + b1ᵀ); W: n × m, X: n × N, Z, A: m × N, b: m. A may be Z itself, then the
  /// slopes are not kept. Composed of `gemm` and `activate` unless a device has it in one.
  virtual void forward_layer(Activation phi, MatrixView<const R> w, VectorView<const R> bias,
                             MatrixView<const R> x, MatrixView<R> z, MatrixView<R> a);
  /// D ← D ∘ slopes, column c of D (n × N·r) with column ⌊c/r⌋ of slopes (n × N).
  virtual void multiply_slopes(MatrixView<const R> slopes, MatrixView<R> d) = 0;

  // --- likelihood: z is C × N, y is C × N (categorical: 1 × N class indices; what is no
  // class makes losses NaN); a mean over N = 0 samples is 0
  // -------------------------------
  /// Slot loss ← mean over samples of the negative log-likelihood, each term in f64.
  virtual void loss(Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> y) = 0;
  /// Output signals δ_L of the score rows, d: C × N·r, the r signals of a sample in neighbouring columns,
  /// each carrying 1/√N. `y` is read by `empirical` only; else it may be an empty view.
  virtual void signals(const ScoreSpec& spec, Likelihood likelihood, MatrixView<const R> z,
                       MatrixView<const R> y, MatrixView<R> d) = 0;
  /// u with g = Sᵀu for the rows S that `signals` begins, u: N·r, of kinds exact and empirical: u = c/√N with
  /// B(z)c = p − y; empirical: 1/√N. Not finite where the label's probability underflows. Throws UsageError
  /// for `mc`, which has none.
  virtual void residuals(const ScoreSpec& spec, Likelihood likelihood, MatrixView<const R> z,
                         MatrixView<const R> y, VectorView<R> u) = 0;
  /// slot ← mean over samples of x_nᵀ H(z_n) y_n, H the Fisher of the outputs; x, y: C × N; terms in f64.
  virtual void output_fisher(Likelihood likelihood, MatrixView<const R> z, MatrixView<const R> x,
                             MatrixView<const R> y, Slot slot) = 0;
  /// Slot kl ← mean KL(p(·|z_old) ‖ p(·|z_new)), slot loss_change ← mean change of the negative
  /// log-likelihood; both without cancellation, each term in f64.
  virtual void divergence(Likelihood likelihood, MatrixView<const R> z_old, MatrixView<const R> z_new,
                          MatrixView<const R> y) = 0;
  /// means ← E[y | z], C × N: z, sigmoid(z) or softmax(z). May be z itself.
  virtual void means(Likelihood likelihood, MatrixView<const R> z, MatrixView<R> means) = 0;
  /// Slot correct ← samples whose largest z (the first of equals) is at their class, y: 1 × N.
  virtual void count_correct(MatrixView<const R> z, MatrixView<const R> y) = 0;
  /// Slot squared_error ← Σ_jn weight_j (mean_jn − y_jn)².
  virtual void squared_error(MatrixView<const R> means, MatrixView<const R> y,
                             VectorView<const R> weight) = 0;

  // --- Fisher: from layers' factors
  // --------------------------------------------------------------------------
  /// s ← score rows as columns: column c holds δ_jc a_i⌊c/r⌋ at j·n + i and, with a bias, δ_jc at m·n + j;
  /// s: mñ × N·r.
  virtual void khatri_rao(const LayerFactors<R>& layer, MatrixView<R> s) = 0;
  /// Lower triangle of F ← αSᵀS + βF, P × P, from the score rows of all layers, of which `rows`, P × any
  /// multiple of r but 0, holds as many at once as it has columns. Where β = 0, F may hold anything on entry.
  /// Composed of `khatri_rao` and `syrk` unless a device has it in one, without `rows`.
  virtual void outer_products(std::span<const LayerFactors<R>> layers, R alpha, R beta, MatrixView<R> rows,
                              MatrixView<R> f, Accuracy accuracy = Accuracy::full);
  /// Lower triangle of K ← Σ_l (Ã_lᵀÃ_l) ∘ (D_lᵀD_l) = SSᵀ, K: N·r × N·r; element (c, c') of the first factor
  /// is that of samples ⌊c/r⌋ and ⌊c'/r⌋.
  virtual void gram(std::span<const LayerFactors<R>> layers, MatrixView<R> k,
                    Accuracy accuracy = Accuracy::full) = 0;
  /// F_j ← αΣ_c δ_jc² ããᵀ + βF_j, a batch of m matrices of order ñ, lower triangles. Where β = 0, F may hold
  /// anything on entry.
  virtual void unit_blocks(const LayerFactors<R>& layer, R alpha, R beta, BatchView<R> f) = 0;
  /// out ← products of inputs, row (p, q) of column n: ã_pn ã'_qn; out: pairs(ñ, ñ') × N.
  virtual void input_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y,
                           MatrixView<R> out) = 0;
  /// out ← products of signals, row (p, q) of column n: Σ_k δ_p,nr+k δ'_q,nr+k; out: pairs(m, m') × N.
  virtual void signal_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y,
                            MatrixView<R> out) = 0;
  /// Puts products Q = (input pairs)(signal pairs)ᵀ where they stand in the block F ← βF + S_xᵀS_y of two
  /// layers, mñ × m'ñ': element (p, q) of the inputs, (j, j') of the signals belongs to row (j, p), column
  /// (j', q). Q holds the signal pairs from `first` on as its columns, and only their elements of F are
  /// touched. With `unique` (x and y the same layer) the lower triangle of F alone.
  virtual void unpack_pairs(Pairs pairs, const LayerFactors<R>& x, const LayerFactors<R>& y,
                            MatrixView<const R> q, Index first, R beta, MatrixView<R> f) = 0;
  /// w_c ← βw_c + Σ_j D_jc T_j⌊c/r⌋; T: m × N, w: N·r.
  virtual void column_dots(MatrixView<const R> d, MatrixView<const R> t, R beta, VectorView<R> w) = 0;
  /// E_jn ← Σ_k w_{nr+k} D_j,nr+k; E: m × N.
  virtual void weighted_signals(MatrixView<const R> d, VectorView<const R> w, MatrixView<R> e) = 0;
  /// E_jn ← T_jn Σ_k D_j,nr+k²; E, T: m × N. May be T itself.
  virtual void squared_signals(MatrixView<const R> d, MatrixView<const R> t, MatrixView<R> e) = 0;
  /// b_j ← Σ_n E_jn.
  virtual void row_sums(MatrixView<const R> e, VectorView<R> b) = 0;

  // --- optimisers and data ---------------------------------------------------------------------------------
  /// Slot beta ← min(β_max, √(2ε / slot quadratic)); β_max where the quadratic is 0, NaN where it is not a
  /// finite number ≥ 0.
  virtual void step_size(double kl_budget, double max_beta) = 0;
  /// The minimiser of the quadratic model along d and the step before, s (Martens & Grosse 2015, section 7):
  /// slots rate, momentum ← (α, μ) of [dᵀCd, dᵀCs; dᵀCs, sᵀCs](α, μ)ᵀ = (gᵀd, gᵀs)ᵀ, C = F + κI, from the
  /// slots fisher_*, norm_* and slope_*; μ = 0 where the system is singular to 1e-10. Slot quadratic ← α²dᵀFd
  /// + 2αμ dᵀFs + μ²sᵀFs. NaN where an input is not finite.
  virtual void quadratic_step(double kappa) = 0;
  /// Adam (Kingma & Ba 2015, algorithm 1), with bias corrections c1 = 1 − β1ᵗ, c2 = 1 − β2ᵗ:
  /// m ← β1 m + (1 − β1)g, v ← β2 v + (1 − β2)g², θ ← θ − rate · (m/c1) / (√(v/c2) + ϵ).
  struct AdamRates {
    double rate, beta1, beta2, epsilon, correction1, correction2;
  };
  virtual void adam(const AdamRates& rates, VectorView<const R> g, VectorView<R> m, VectorView<R> v,
                    VectorView<R> theta) = 0;
  /// to_·k ← from_·index_k; `to`: rows × index.size.
  virtual void gather_columns(MatrixView<const R> from, VectorView<const Index> index, MatrixView<R> to) = 0;
  /// The stream's permutation of 0 … n−1, the same on every device.
  virtual void permutation(RandomKey key, VectorView<Index> index) = 0;
};

/// Cores that this process may use.
int available_cores();

/// The CPU: OpenBLAS, LAPACKE, OpenMP. `threads` = 0 takes all available cores. Throws UsageError for a
/// negative number.
template <class R>
std::unique_ptr<Backend<R>> make_cpu_backend(int threads = 0);

/// A GPU, on a stream of its own or on the caller's, which must outlive the backend. Throws DeviceError where
/// there is no usable GPU, or where natgrad was built without CUDA.
template <class R>
std::unique_ptr<Backend<R>> make_cuda_backend(int device = 0, CUstream_st* stream = nullptr,
                                              const CudaOptions& options = {});

/// What is known of the GPUs: empty `problem` and at least one line, or why there is none.
struct CudaStatus {
  bool built = false;                // was natgrad built with CUDA
  std::string problem;               // why no GPU is usable; empty where one is
  std::vector<std::string> devices;  // name, memory, compute capability
  std::string versions;              // driver, runtime, libraries
};
CudaStatus cuda_status();

/// "cpu", "cuda", "cuda:N" or "auto": a usable GPU, else the CPU. `reason`, where given, tells what was taken
/// and why. Throws UsageError for another name, DeviceError where a GPU is asked for and there is none.
template <class R>
std::unique_ptr<Backend<R>> make_backend(std::string_view device, int threads = 0,
                                         std::string* reason = nullptr, const CudaOptions& cuda = {});

}  // namespace natgrad
