/// Cholesky by one thread: every order that is meant for it, both precisions, on the device and on the host.
#include "device/cholesky_problems.hpp"
#include "device/own_kernel.hpp"
#include "natgrad/device/thread_cholesky.hpp"

namespace natgrad {
namespace {

using DeviceLibraryThreadCholesky = BackendTest;
INSTANTIATE_TEST_SUITE_P(Cuda, DeviceLibraryThreadCholesky, ::testing::ValuesIn(cuda_cases()),
                         backend_case_name);

constexpr int most = 8;  // the largest order

/// a: N × N·count, b, y, x: N × count, info: count × 1.
template <class R>
struct Problem {
  MatrixView<R> a;
  MatrixView<const R> b;
  MatrixView<R> y, x;
  MatrixView<int> info;
};

/// A ← L, y ← L⁻¹b, x ← L⁻ᵀy of problem k; and (LLᵀ)⁻¹b once more in one call, which must be x.
template <int N, class R>
NATGRAD_HD void factor_and_solve(const Problem<R>& p, Index k) {
  R* a = p.a.data + k * N * p.a.stride;
  LowerTriangle<R, N> l;
  for (int j = 0; j < N; ++j)
    for (int i = j; i < N; ++i) l(i, j) = a[i + j * p.a.stride];
  p.info.data[k] = cholesky(l);
  if (p.info.data[k] != 0) return;
  R solution[N], at_once[N];
  for (int i = 0; i < N; ++i) solution[i] = at_once[i] = p.b.data[i + k * p.b.stride];
  solve_lower(l, solution);
  for (int i = 0; i < N; ++i) p.y.data[i + k * p.y.stride] = solution[i];
  solve_lower_transposed(l, solution);
  cholesky_solve(l, at_once);
  for (int j = 0; j < N; ++j) {
    p.x.data[j + k * p.x.stride] = solution[j] == at_once[j] ? solution[j] : static_cast<R>(NAN);
    for (int i = j; i < N; ++i) a[i + j * p.a.stride] = l(i, j);
  }
}

template <int N, class R>
__global__ void factor_and_solve_kernel(Problem<R> p) {
  for (Index k : kernels::grid_stride(p.b.cols)) factor_and_solve<N>(p, k);
}

/// What the problems leave, on the device and on the host.
template <class R>
struct Solved {
  HostMatrix<R> factors, y, x;
  HostMatrix<int> info;
};

template <int N, class R>
Solved<R> solve_on_device(Backend<R>& backend, const CholeskyProblems<R>& problems, const HostMatrix<R>& b) {
  const DeviceMatrix<R> a(backend, lower_only(problems.side_by_side())), d_b(backend, b),
      y(backend, N, b.cols), x(backend, N, b.cols);
  const DeviceMatrix<int> info(backend, b.cols, 1);
  run_kernel(factor_and_solve_kernel<N, R>, 1, 32, 0, {a, d_b, y, x, info});
  return {a.download(), y.download(), x.download(), info.download()};
}

template <int N, class R>
Solved<R> solve_on_host(const CholeskyProblems<R>& problems, const HostMatrix<R>& b) {
  Solved<R> s{lower_only(problems.side_by_side()), poisoned<R>(N, b.cols), poisoned<R>(N, b.cols),
              poisoned<int>(b.cols, 1)};
  const Problem<R> p{s.factors.view(), b.view(), s.y.view(), s.x.view(), s.info.view()};
  for (Index k = 0; k < b.cols; ++k) factor_and_solve<N>(p, k);
  return s;
}

TEST_P(DeviceLibraryThreadCholesky, FactorsAndSolvesEveryOrderOnDeviceAndHost) {
  run([]<class R>(Backend<R>& backend) {
    for_each_order<most>([&]<int N>() {
      const auto problems = definite_problems<R>(N);
      const HostMatrix<R> b = Random(1).matrix<R>(N, problems.count());
      for (const Solved<R>& solved :
           {solve_on_device<N>(backend, problems, b), solve_on_host<N>(problems, b)}) {
        EXPECT_EQ(solved.info.data, problems.info) << "order " << N;
        expect_solved(problems, solved.factors, b, solved.y, solved.x);
      }
    });
  });
}

TEST_P(DeviceLibraryThreadCholesky, TheFirstMinorThatFailsIsReported) {
  run([]<class R>(Backend<R>& backend) {
    for_each_order<most>([&]<int N>() {
      const auto problems = failing_problems<R>(N);
      const HostMatrix<R> b(N, problems.count());
      EXPECT_EQ((solve_on_device<N>(backend, problems, b).info.data), problems.info) << "order " << N;
      EXPECT_EQ((solve_on_host<N>(problems, b).info.data), problems.info) << "order " << N;
    });
  });
}

}  // namespace
}  // namespace natgrad
