/// The score rows of a problem on a device.
#pragma once

#include "natgrad/scores.hpp"
#include "support/problems.hpp"

namespace natgrad {

/// The rows of a problem, with what they view.
template <class R>
class Scores {
 public:
  Scores(Backend<R>& backend, const oracle::Problem& problem, const ScoreSpec& spec)
      : backend_(backend), device_(backend, problem) {
    forward(device_.net, device_.batch().x, acts_);
    rows = score_rows(device_.net, acts_, spec, problem.likelihood, device_.batch().y, signals_);
  }

  /// S as columns, P × R.
  HostMatrix<R> expanded() const { return expanded(rows); }
  HostMatrix<R> expanded(const Rows<R>& part) const {
    const DeviceMatrix<R> s(backend_, part.parameters(), part.count());
    expand(part, s.view());
    return s.download();
  }

  Rows<R> rows;

 private:
  Backend<R>& backend_;
  OnDevice<R> device_;
  Activations<R> acts_;
  Signals<R> signals_;
};

}  // namespace natgrad
