/// The whole Fisher matrix, P × P, from score rows that are expanded chunk by chunk.
#include <algorithm>

#include "fisher/damped_solver.hpp"
#include "fisher/fisher.hpp"
#include "shape_check.hpp"

namespace natgrad {
namespace {

// Bounds the memory that expanded rows take, whatever the batch.
constexpr Index chunk_bytes = Index{64} << 20;

template <class R>
class DenseFisher final : public Fisher<R> {
 public:
  DenseFisher(Backend<R>& backend, const NetworkShape& shape)
      : Fisher<R>(backend, shape.parameters()),
        f_(backend, shape.parameters() * shape.parameters()),
        solver_(backend, shape.parameters(), 1) {}

  // F = Σ over chunks of SᵀS, lower triangle
  void update(const Rows<R>& rows) override {
    require_size("fisher", "the number of parameters", rows.parameters(), this->parameters_);
    const PhaseScope phase(this->backend_, Phase::fisher);
    rows_ = rows;
    const Index p = this->parameters_, r = rows.per_sample, samples = rows.samples();
    const Index fitting = chunk_bytes / static_cast<Index>(sizeof(R)) / std::max<Index>(1, p * r);
    const Index chunk = std::clamp<Index>(fitting, 1, samples);
    expanded_.reserve(this->backend_, p * chunk * r);
    for (Index begin = 0; begin < samples; begin += chunk) {
      const Index count = std::min(chunk, samples - begin);
      const MatrixView<R> s = expanded_.matrix(p, count * r);  // P × R of the chunk
      expand(rows.slice(begin, count), s);
      this->backend_.syrk(R(1), s, begin == 0 ? R(0) : R(1), matrix());
    }
  }

  void multiply(VectorView<const R> v, VectorView<R> out) override { this->backend_.symv(matrix(), v, out); }

  // dᵀFd = ‖Sd‖²
  void quadratic(VectorView<const R> d) override {
    product_.reserve(this->backend_, rows_.count());
    const VectorView<R> w = product_.vector().slice(0, rows_.count());
    natgrad::multiply(rows_, d, w, scratch_);
    this->backend_.dot(w, w, Slot::quadratic);
  }

  void factor(SolveMethod method, R damping) override {
    for (Slot slot : {Slot::factor_info, Slot::largest_diagonal, Slot::rank})
      this->backend_.set_scalar(slot, 0.0);
    solver_.factor(method, f_.batch(this->parameters_, 1), damping);
  }

  void solve(VectorView<const R> b, VectorView<R> d) override {
    const Index p = this->parameters_;
    this->backend_.copy({b.data, p, 1}, {d.data, p, 1});
    solver_.solve({d.data, p, 1});
  }

  void to_dense(MatrixView<R> out) override {
    this->backend_.copy(matrix(), out);
    for (Index j = 0; j + 1 < out.rows; ++j) {  // row j right of the diagonal ← column j below it
      const Index below = out.rows - j - 1;
      this->backend_.copy({out.data + j + 1 + j * out.stride, 1, below, 1},
                          {out.data + j + (j + 1) * out.stride, 1, below, out.stride});
    }
  }

 private:
  MatrixView<R> matrix() const { return f_.matrix(this->parameters_, this->parameters_); }

  Rows<R> rows_;
  Buffer<R> f_;         // P × P
  Buffer<R> expanded_;  // P × R of a chunk
  Buffer<R> product_;   // R
  Buffer<R> scratch_;
  DampedSolver<R> solver_;
};

}  // namespace

template <class R>
std::unique_ptr<Fisher<R>> make_dense_fisher(Backend<R>& backend, const NetworkShape& shape) {
  return std::make_unique<DenseFisher<R>>(backend, shape);
}
template std::unique_ptr<Fisher<float>> make_dense_fisher(Backend<float>&, const NetworkShape&);
template std::unique_ptr<Fisher<double>> make_dense_fisher(Backend<double>&, const NetworkShape&);

}  // namespace natgrad
