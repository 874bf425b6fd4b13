/// Exact blocks of the layers, F_l = S_lᵀS_l: each through its own matrix (P_l) or its Gram matrix (R),
/// whichever is smaller. Systems of one order are solved as a batch.
#include <algorithm>
#include <map>

#include "fisher/damped_solver.hpp"
#include "fisher/dual.hpp"
#include "fisher/fisher.hpp"
#include "fisher/outer_product.hpp"
#include "fisher/symmetric.hpp"

namespace natgrad {
namespace {

// Layers whose systems have the same order.
struct Group {
  bool dual = false;
  Index order = 0;
  std::vector<std::size_t> layers;

  Index count() const { return static_cast<Index>(layers.size()); }
};

// Only the F of one batch has a Gram matrix.
std::vector<Group> groups_of(const RowsShape& shape, const FisherOptions& options) {
  std::map<std::pair<bool, Index>, Group> groups;
  for (std::size_t l = 0; l < shape.layers.size(); ++l) {
    const Index p = shape.layers[l].parameters();
    const bool dual = options.decay == 0.0 && options.refresh == 1 && shape.count() < p;
    Group& group = groups[{dual, dual ? shape.count() : p}];
    group.dual = dual;
    group.order = dual ? shape.count() : p;
    group.layers.push_back(l);
  }
  std::vector<Group> result;
  for (auto& [key, group] : groups) result.push_back(std::move(group));
  return result;
}

bool any_dual(const std::vector<Group>& groups) {
  return std::ranges::any_of(groups, [](const Group& group) { return group.dual; });
}

std::string name_of(const Group& group, const char* what) {
  return std::to_string(group.count()) + (group.dual ? " Gram " : " layer ") + what + " of order " +
         std::to_string(group.order);
}

// The layers that are not dual.
RowsShape primal_part(const RowsShape& shape, const std::vector<Group>& groups) {
  RowsShape part{{}, shape.samples, shape.per_sample};
  for (const Group& group : groups)
    for (std::size_t l : group.layers)
      if (!group.dual) part.layers.push_back(shape.layers[l]);
  return part;
}

std::vector<PlannedBuffer> buffers_of(const RowsShape& shape, const std::vector<Group>& groups) {
  std::vector<PlannedBuffer> buffers;
  for (const Group& group : groups) {
    buffers.push_back({name_of(group, "matrices"), capped_product(group.order, group.order, group.count())});
    buffers.push_back({name_of(group, "factors"), DampedSolver<float>::elements(group.order, group.count())});
    buffers.push_back({name_of(group, "right sides"), capped_product(group.order, group.count())});
  }
  const auto layers = static_cast<Index>(shape.layers.size());
  buffers.push_back({"Sd by layer", std::max(capped_product(shape.count(), layers), shape.parameters())});
  buffers.push_back({"product scratch", product_scratch(shape)});
  return buffers;
}

template <class R>
class LayerFisher final : public Fisher<R> {
 public:
  LayerFisher(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options)
      : Fisher<R>(backend, shape, options),
        groups_(groups_of(shape, options)),
        buffers_(backend, buffers_of(shape, groups_)),
        outer_(backend, primal_part(shape, groups_), Blocks::diagonal) {
    for (const Group& group : groups_)
      solvers_.emplace_back(backend, std::move(buffers_[name_of(group, "factors")]), group.order,
                            group.count(), options.cutoff);
  }

  bool dual() const override { return any_dual(groups_); }

  void refactor() override {
    for (auto& solver : solvers_) solver.invalidate();
  }

  void multiply(VectorView<const R> v, VectorView<R> out) override {
    each_matrix([&](const Group& group, Index k, std::size_t l) {
      if (group.dual) {
        const VectorView<R> w = response(l);
        natgrad::multiply<R>(this->rows_.layer(l), part(v, l), w, scratch());
        multiply_transposed<R>(this->rows_.layer(l), w, part(out, l), scratch());
      } else {
        this->backend_.symv(matrices(group)[k], part(v, l), part(out, l));
      }
    });
  }

  void to_dense(MatrixView<R> out) override {
    this->backend_.fill(out, R(0));
    each_matrix([&](const Group& group, Index k, std::size_t l) {
      const Index p = this->shape_.layers[l].parameters(), begin = this->shape_.offset(l);
      const MatrixView<R> block = out.block(begin, begin, p, p);
      if (group.dual) {
        Buffer<R> s(this->backend_, p * this->shape_.count());
        expand(this->rows_.layer(l), s.matrix(p, this->shape_.count()));
        this->backend_.syrk(R(1), s.matrix(p, this->shape_.count()), R(0), block);
      } else {
        this->backend_.copy(matrices(group)[k], block);
      }
      mirror_lower(this->backend_, block);
    });
  }

 private:
  void accumulate(R alpha, R beta) override {
    if (!this->due()) return;
    each_matrix([&](const Group& group, Index k, std::size_t l) {
      if (group.dual)
        natgrad::gram(this->rows_.layer(l), matrices(group)[k]);
      else
        outer_.accumulate(this->rows_.layer(l), alpha, beta, matrices(group)[k]);
    });
    refactor();
  }

  void visit_curvature(StateVisitor<R>& state) override {
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      StateVisitor<R> group = state.within(name_of(groups_[g], "matrices"));
      group.matrices("matrices", matrices(groups_[g]), Triangle::lower);
      visit_solver(this->options_, solvers_[g], group);
    }
  }

  void solve_damped(SolveMethod method, R damping, const RightSide<R>& right, VectorView<R> d) override {
    each_matrix([&](const Group& group, Index k, std::size_t l) {
      const VectorView<R> column = right_sides(group).column(k);
      const RightSide<R> own = part(right, l);
      if (group.dual)
        dual_right_side(this->rows_.layer(l), own, damping, column, scratch());
      else
        this->backend_.copy({own.b.data, column.size, 1}, {column.data, column.size, 1});
    });
    solve_groups(true, method, damping);
    if (squared_dual(right, damping)) {
      this->backend_.set_scalar(Slot::rank, 0.0);  // counted once
      solve_groups(true, method, damping);
    }
    solve_groups(false, method, damping);
    each_matrix([&](const Group& group, Index k, std::size_t l) {
      const VectorView<R> column = right_sides(group).column(k), own = part(d, l);
      if (group.dual)
        dual_direction<R>(this->rows_.layer(l), part(right, l), damping, column, own, scratch());
      else
        this->backend_.copy({column.data, column.size, 1}, {own.data, own.size, 1});
    });
    quadratic(d);
  }

  void solve_groups(bool dual, SolveMethod method, R damping) {
    for (std::size_t g = 0; g < groups_.size(); ++g)
      if (groups_[g].dual == dual)
        solvers_[g].solve(method, matrices(groups_[g]), damping, right_sides(groups_[g]));
  }

  // dᵀFd = Σ_l ‖S_l d_l‖², which never cancels; of an older F dᵀ(Fd)
  void quadratic(VectorView<const R> d) {
    if (this->older()) {
      const VectorView<R> fd = buffers_["Sd by layer"].vector().slice(0, d.size);
      multiply(d, fd);
      return this->backend_.dot(d, fd, Slot::quadratic);
    }
    for (std::size_t l = 0; l < this->shape_.layers.size(); ++l)
      natgrad::multiply<R>(this->rows_.layer(l), part(d, l), response(l), scratch());
    const VectorView<R> all = buffers_["Sd by layer"].vector().slice(
        0, this->shape_.count() * static_cast<Index>(this->shape_.layers.size()));
    this->backend_.dot(all, all, Slot::quadratic);
  }

  template <class Body>
  void each_matrix(Body body) {
    for (const Group& group : groups_)
      for (Index k = 0; k < group.count(); ++k) body(group, k, group.layers[static_cast<std::size_t>(k)]);
  }

  template <class T>
  VectorView<T> part(VectorView<T> v, std::size_t l) const {
    return v.slice(this->shape_.offset(l), this->shape_.layers[l].parameters());
  }
  RightSide<R> part(const RightSide<R>& right, std::size_t l) const {
    RightSide<R> own{part(right.b, l), right.u, {}};
    if (right.v.size > 0) own.v = part(right.v, l);
    return own;
  }
  BatchView<R> matrices(const Group& group) {
    return buffers_[name_of(group, "matrices")].batch(group.order, group.count());
  }
  MatrixView<R> right_sides(const Group& group) {
    return buffers_[name_of(group, "right sides")].matrix(group.order, group.count());
  }
  VectorView<R> response(std::size_t l) {
    return buffers_["Sd by layer"].vector().slice(static_cast<Index>(l) * this->shape_.count(),
                                                  this->shape_.count());
  }
  Buffer<R>& scratch() { return buffers_["product scratch"]; }

  std::vector<Group> groups_;
  PlannedBuffers<R> buffers_;
  OuterProduct<R> outer_;
  std::vector<DampedSolver<R>> solvers_;  // by group
};

}  // namespace

// Per layer: its matrix and n³/3 for the factor, n the order; and Sᵀy of the dual ones.
FisherPlan plan_layer(const RowsShape& shape, const FisherOptions& options) {
  const auto groups = groups_of(shape, options);
  const RowsShape primal = primal_part(shape, groups);
  FisherPlan plan{.buffers = buffers_of(shape, groups),
                  .flops = OuterProduct<float>::flops(primal, Blocks::diagonal),
                  .dual = any_dual(groups)};
  for (auto& buffer : OuterProduct<float>::buffers(primal, Blocks::diagonal))
    plan.buffers.push_back(std::move(buffer));
  const double rows = static_cast<double>(shape.count()), samples = static_cast<double>(shape.samples);
  for (const Group& group : groups) {
    const double order = static_cast<double>(group.order);
    plan.flops += static_cast<double>(group.count()) * order * order * order / 3.0;
    for (std::size_t l : group.layers)
      if (group.dual)
        plan.flops += samples * samples * static_cast<double>(shape.layers[l].inputs) +
                      rows * rows * static_cast<double>(shape.layers[l].units) +
                      2.0 * samples * static_cast<double>(shape.layers[l].parameters());
  }
  return plan;
}

template <class R>
FisherOwner<R> make_layer(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options) {
  return std::make_unique<LayerFisher<R>>(backend, shape, options);
}
template FisherOwner<float> make_layer(Backend<float>&, const RowsShape&, const FisherOptions&);
template FisherOwner<double> make_layer(Backend<double>&, const RowsShape&, const FisherOptions&);

}  // namespace natgrad
