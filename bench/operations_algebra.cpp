/// Products, factorisations and solves.
#include <fmt/format.h>

#include "cases.hpp"
#include "operations.hpp"

namespace natgrad::bench {
namespace {

using Shared = std::shared_ptr<Operands>;

Operation gemm(const char* name, Index m, Index n, Index k) {
  const double dm = static_cast<double>(m), dn = static_cast<double>(n), dk = static_cast<double>(k);
  return {name, fmt::format("({} × {})({} × {})", m, k, k, n), 2.0 * dm * dn * dk,
          bytes_of(dm * dk + dk * dn + dm * dn), [=](const Shared& o) {
            const auto a = o->matrix(m, k), b = o->matrix(k, n), c = o->matrix(m, n);
            return repeated([=] { o->backend().gemm(Transpose::no, Transpose::no, 1.0f, a, b, 0.0f, c); });
          }};
}

Operation syrk(const char* name, Index n, Index k) {
  const double dn = static_cast<double>(n), dk = static_cast<double>(k);
  return {name, fmt::format("{} × {}", n, k), dn * dn * dk, bytes_of(dn * dk + dn * dn / 2.0),
          [=](const Shared& o) {
            const auto a = o->matrix(n, k), c = o->matrix(n, n);
            return repeated([=] { o->backend().syrk(1.0f, a, 0.0f, c); });
          }};
}

// One matrix of order n, or a batch.
Operation cholesky(const std::string& name, Index n, Index count) {
  const double elements = static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(count);
  return {name,
          fmt::format("{} of order {}", count, n),
          static_cast<double>(count) * cholesky_flops(n),
          bytes_of(elements),
          [=](const Shared& o) {
            const BatchView<float> a = o->positive_definite(n, count);
            return on_copies(o, {a.data, n * n, count}, [o, n, count](MatrixView<float> copy) {
              o->backend().cholesky(BatchView<float>(copy.data, n, count));
            });
          },
          true};
}

Operation factor_and_solve(const std::string& name, Index n) {
  const double dn = static_cast<double>(n);
  return {name,
          fmt::format("order {}, one right-hand side", n),
          cholesky_flops(n) + 2.0 * dn * dn,
          bytes_of(dn * dn),
          [=](const Shared& o) {
            const auto f = o->positive_definite(n)[0], bordered = o->matrix(n + 1, n + 1);
            return on_copies(o, o->matrix(n, 1), [=](MatrixView<float> b) {
              o->backend().factor_and_solve(f, 0.01f, bordered, b.column(0), Accuracy::refined);
            });
          },
          true};
}

Operation triangular_solve(const std::string& name, Index n, Index m) {
  const double dn = static_cast<double>(n), dm = static_cast<double>(m);
  return {name, fmt::format("order {}, {} right-hand sides", n, m), dn * dn * dm,
          bytes_of(dn * dn / 2.0 + 2.0 * dn * dm), [=](const Shared& o) {
            const auto l = o->positive_definite(n)[0];
            return on_copies(o, o->matrix(n, m), [=](MatrixView<float> b) {
              o->backend().triangular_solve(Side::left, Transpose::no, l, b);
            });
          }};
}

}  // namespace

std::vector<Operation> algebra_operations(const Sizes& s) {
  std::vector<Operation> all = {
      gemm("gemm-mnist-1024", s(256), s(1024), s(784)), gemm("gemm-ae-1000", s(1000), s(1000), s(784)),
      gemm("gemm-ae-8192", s(1000), s(8192), s(784)), syrk("syrk-mnist-1024", s(1024), s(784)),
      syrk("syrk-digits", s(2410), s(9 * 1437))};
  for (Index n : {256, 512, 1024, 2048, 4096, 8192}) {
    all.push_back(cholesky(fmt::format("cholesky-{}", n), s(n), 1));
    all.push_back(factor_and_solve(fmt::format("factor-and-solve-{}", n), s(n)));
  }
  for (Index n : {16, 32, 64}) all.push_back(cholesky(fmt::format("cholesky-1000x{}", n), s(n), s(1000)));
  for (Index m : {1, 1024})
    all.push_back(triangular_solve(fmt::format("triangular-solve-1024x{}", m), s(1024), s(m)));
  return all;
}

}  // namespace natgrad::bench
