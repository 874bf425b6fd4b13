/// A curvature structure on a device, fed and read from the host.
#pragma once

#include <cmath>
#include <memory>

#include "support/device_matrix.hpp"
#include "support/structure_problems.hpp"

namespace natgrad {

/// Conjugate gradients that go as far as the precision allows.
template <class R>
FisherOptions options_of(Structure structure) {
  return {.structure = structure, .tolerance = 16.0 * epsilon<R>};
}

/// A structure on a device.
template <class R>
class DeviceFisher {
 public:
  DeviceFisher(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options)
      : backend_(backend), fisher_(make_fisher(backend, shape, options)) {}

  HostMatrix<R> dense() {
    const DeviceMatrix<R> out(backend_, fisher_->parameters(), fisher_->parameters());
    fisher_->to_dense(out);
    return out.download();
  }
  HostMatrix<R> multiply(const HostMatrix<R>& v) {
    const DeviceVector<R> in(backend_, v), out(backend_, v.rows);
    fisher_->multiply(in, out);
    return out.download();
  }
  /// d, with the scalars in `scalars`.
  HostMatrix<R> solve(SolveMethod method, double damping, const HostMatrix<R>& b) {
    const DeviceVector<R> in(backend_, b), out(backend_, b.rows);
    fisher_->solve(method, damping, {.b = in}, out);
    scalars = backend_.read_scalars();
    return out.download();
  }
  Fisher<R>* operator->() { return fisher_.get(); }

  Scalars scalars;

 private:
  Backend<R>& backend_;
  std::unique_ptr<Fisher<R>> fisher_;
};

inline double norm(const oracle::Vector& v) { return std::sqrt(static_cast<double>(oracle::dot(v, v))); }

}  // namespace natgrad
