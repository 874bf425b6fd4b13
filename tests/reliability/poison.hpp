/// Numbers put where they do not belong: into memory, or into what an operation is about to read.
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "support/reference_operations.hpp"

namespace natgrad {

struct Poison {
  std::string name;
  double value;
  bool finite;  // in precision R
};

template <class R>
std::vector<Poison> poisons() {
  using Limits = std::numeric_limits<R>;
  return {{"nan", Limits::quiet_NaN(), false},
          {"inf", Limits::infinity(), false},
          {"-inf", -Limits::infinity(), false},
          {"a denormal", Limits::denorm_min(), true},
          {sizeof(R) == 8 ? "1e300" : "1e38", sizeof(R) == 8 ? 1e300 : 1e38, true}};
}

enum class Where { first, middle, last };
inline const std::vector<Where> all_places = {Where::first, Where::middle, Where::last};

inline Index place(Where where, Index size) {
  return where == Where::first ? 0 : where == Where::middle ? size / 2 : size - 1;
}

/// element ← value as long as this lives.
template <class R>
class Spoilt {
 public:
  Spoilt(Backend<R>& backend, const R* element, double value) : backend_(backend), element_(element) {
    const R poison = static_cast<R>(value);
    backend.download(&before_, element, sizeof(R));
    backend.upload(const_cast<R*>(element), &poison, sizeof(R));
  }
  ~Spoilt() { backend_.upload(const_cast<R*>(element_), &before_, sizeof(R)); }
  Spoilt(const Spoilt&) = delete;

 private:
  Backend<R>& backend_;
  const R* element_;
  R before_;
};

/// What a step computes.
enum class Computed { rows, gradient, curvature, direction };
inline constexpr Computed all_computed[] = {Computed::rows, Computed::gradient, Computed::curvature,
                                            Computed::direction};

/// The reference backend, which poisons one element of what a step has computed before the step reads it.
template <class R>
class PoisonedBackend final : public reference::Operations<R> {
  using Base = reference::Operations<R>;

 public:
  void arm(Computed what, Where where, double value) {
    armed_ = true;
    what_ = what;
    where_ = where;
    value_ = static_cast<R>(value);
  }
  void disarm() { armed_ = false; }

  void multiply_slopes(MatrixView<const R> slopes, MatrixView<R> d) override {
    Base::multiply_slopes(slopes, d);
    if (is(Computed::rows)) d.data[place(where_, d.rows) + place(where_, d.cols) * d.stride] = value_;
  }
  void dot(VectorView<const R> x, VectorView<const R> y, Slot slot) override {
    const bool norm = x.data == y.data;
    if ((is(Computed::gradient) && norm && slot == Slot::gradient_norm2) ||
        (is(Computed::direction) && norm && slot == Slot::step_norm2))
      spoil(x);
    Base::dot(x, y, slot);
  }
  void damp(BatchView<const R> f, R lambda, BatchView<R> out) override {
    if (is(Computed::curvature)) spoil(f[place(where_, f.count)]);
    Base::damp(f, lambda, out);
  }
  void damp_factors(MatrixView<const R> a, MatrixView<const R> g, R gamma, MatrixView<R> out_a,
                    MatrixView<R> out_g) override {
    if (is(Computed::curvature)) spoil(where_ == Where::last ? g : a);
    Base::damp_factors(a, g, gamma, out_a, out_g);
  }
  void damped_quotient(VectorView<const R> b, VectorView<const R> f, R lambda, VectorView<R> x) override {
    if (is(Computed::curvature)) spoil(f);
    Base::damped_quotient(b, f, lambda, x);
  }

 private:
  bool is(Computed what) const { return armed_ && what == what_; }
  // A backend's operands are its own memory.
  void spoil(VectorView<const R> v) { const_cast<R&>(v.data[place(where_, v.size)]) = value_; }
  void spoil(MatrixView<const R> f) {  // the lower triangle, off the diagonal in the middle
    const Index i = place(where_, f.rows), j = where_ == Where::middle ? i / 2 : i;
    const_cast<R&>(f.data[i + j * f.stride]) = value_;
  }

  bool armed_ = false;
  Computed what_ = Computed::rows;
  Where where_ = Where::first;
  R value_ = R(0);
};

}  // namespace natgrad
