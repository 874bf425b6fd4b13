#include "natgrad/natural_gradient.hpp"

namespace natgrad {
namespace {

constexpr int damping_retries = 6;      // rungs of the ladder
constexpr double damping_retry = 10.0;  // λ from rung to rung

}  // namespace

SolveLadder::SolveLadder(double damping, Solver solver)
    : start_(damping),
      damping_(damping),
      method_(solver == Solver::eigen || (solver == Solver::automatic && damping == 0.0)
                  ? SolveMethod::eigen
                  : SolveMethod::cholesky),
      may_change_method_(solver == Solver::automatic) {}

bool SolveLadder::climb() {
  if (method_ == SolveMethod::eigen) return false;
  if (retries_ < damping_retries) {
    damping_ *= damping_retry;
  } else if (may_change_method_) {
    method_ = SolveMethod::eigen;
    damping_ = start_;
  } else {
    return false;
  }
  ++retries_;
  return true;
}

}  // namespace natgrad
