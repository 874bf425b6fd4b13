/// Cholesky by one warp: every order, both precisions.
#include "device/cholesky_problems.hpp"
#include "device/own_kernel.hpp"
#include "natgrad/device/warp_cholesky.hpp"

namespace natgrad {
namespace {

using DeviceLibraryWarpCholesky = BackendTest;
INSTANTIATE_TEST_SUITE_P(Cuda, DeviceLibraryWarpCholesky, ::testing::ValuesIn(cuda_cases()),
                         backend_case_name);

constexpr int warps = 2;            // a block
constexpr dim3 block(8, 4, warps);  // lanes are counted through all dimensions

/// Element of the lane, and NaN in lanes that have none: what they hold must not matter.
template <class R, int N>
__device__ R lane_element(MatrixView<const R> m, Index col) {
  return warp_lane() < N ? m.data[warp_lane() + col * m.stride] : static_cast<R>(NAN);
}
template <class R, int N>
__device__ void store_lane_element(MatrixView<R> m, Index col, R value) {
  if (warp_lane() < N) m.data[warp_lane() + col * m.stride] = value;
}

/// A ← L, y ← L⁻¹b, x ← L⁻ᵀy, one problem a warp. a: N × N·count, b, y, x: N × count, info: 32 × count.
template <class R, int N>
__global__ void factor_and_solve(MatrixView<R> a, MatrixView<const R> b, MatrixView<R> y, MatrixView<R> x,
                                 MatrixView<int> info) {
  const Index k = static_cast<Index>(blockIdx.x) * warps + threadIdx.z;
  if (k >= info.cols) return;
  R row[N];
  warp_load_lower(row, a.data + k * N * a.stride, a.stride);
  const int failed = warp_cholesky(row);
  info.data[warp_lane() + k * info.stride] = failed;
  if (failed != 0) return;
  warp_store_lower(row, a.data + k * N * a.stride, a.stride);
  const R y_i = warp_solve_lower(row, lane_element<R, N>(b, k));
  store_lane_element<R, N>(y, k, y_i);
  store_lane_element<R, N>(x, k, warp_solve_lower_transposed(row, y_i));
}

/// x ← (LLᵀ)⁻¹b with factors from memory.
template <class R, int N>
__global__ void solve_stored(MatrixView<const R> l, MatrixView<const R> b, MatrixView<R> x) {
  const Index k = static_cast<Index>(blockIdx.x) * warps + threadIdx.z;
  if (k >= b.cols) return;
  R row[N];
  warp_load_lower(row, l.data + k * N * l.stride, l.stride);
  store_lane_element<R, N>(x, k, warp_cholesky_solve(row, lane_element<R, N>(b, k)));
}

unsigned blocks_of(Index count) { return static_cast<unsigned>((count + warps - 1) / warps); }

/// What factor_and_solve leaves.
template <class R>
struct Solved {
  HostMatrix<R> factors, y, x;
  HostMatrix<int> info;
};

template <class R, int N>
Solved<R> run_factor_and_solve(Backend<R>& backend, const CholeskyProblems<R>& problems,
                               const HostMatrix<R>& b) {
  const Index count = problems.count();
  const DeviceMatrix<R> a(backend, lower_only(problems.side_by_side())), d_b(backend, b),
      y(backend, N, count), x(backend, N, count);
  const DeviceMatrix<int> info(backend, 32, count);
  run_kernel(factor_and_solve<R, N>, blocks_of(count), block, 0, a, d_b, y, x, info);
  return {a.download(), y.download(), x.download(), info.download()};
}

/// Every lane of the warp has the expected info.
template <class R>
void expect_info(const CholeskyProblems<R>& problems, const HostMatrix<int>& info) {
  for (Index k = 0; k < info.cols; ++k)
    for (Index lane = 0; lane < info.rows; ++lane)
      ASSERT_EQ(info(lane, k), problems.info[static_cast<std::size_t>(k)])
          << "lane " << lane << ", matrix " << k << " of order " << problems.a[0].rows;
}

TEST_P(DeviceLibraryWarpCholesky, FactorsAndSolvesEveryOrder) {
  run([]<class R>(Backend<R>& backend) {
    for_each_order<32>([&]<int N>() {
      const auto problems = definite_problems<R>(N);
      const HostMatrix<R> b = Random(1).matrix<R>(N, problems.count());
      const Solved<R> solved = run_factor_and_solve<R, N>(backend, problems, b);
      expect_info(problems, solved.info);
      expect_solved(problems, solved.factors, b, solved.y, solved.x);
    });
  });
}

TEST_P(DeviceLibraryWarpCholesky, AFactorFromMemorySolvesToTheSameBits) {
  run([]<class R>(Backend<R>& backend) {
    for_each_order<32>([&]<int N>() {
      const auto problems = definite_problems<R>(N);
      const HostMatrix<R> b = Random(1).matrix<R>(N, problems.count());
      const Solved<R> solved = run_factor_and_solve<R, N>(backend, problems, b);
      const DeviceMatrix<R> l(backend, solved.factors), d_b(backend, b), x(backend, N, b.cols);
      run_kernel(solve_stored<R, N>, blocks_of(b.cols), block, 0, l, d_b, x);
      EXPECT_TRUE(identical(x.download(), solved.x)) << "order " << N;
    });
  });
}

TEST_P(DeviceLibraryWarpCholesky, EveryLaneLearnsTheFirstMinorThatFails) {
  run([]<class R>(Backend<R>& backend) {
    for_each_order<32>([&]<int N>() {
      const auto problems = failing_problems<R>(N);
      expect_info(problems,
                  run_factor_and_solve<R, N>(backend, problems, HostMatrix<R>(N, problems.count())).info);
    });
  });
}

}  // namespace
}  // namespace natgrad
