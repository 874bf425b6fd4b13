/// F = Σ_n w_n x_n x_nᵀ + λI by a thread, a warp and a block, against its definition.
#include "device/own_kernel.hpp"
#include "natgrad/device/block_outer_product.hpp"
#include "natgrad/device/warp.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {
namespace {

using DeviceLibraryOuterProducts = BackendTest;
INSTANTIATE_TEST_SUITE_P(Cuda, DeviceLibraryOuterProducts, ::testing::ValuesIn(cuda_cases()),
                         backend_case_name);

constexpr Index sample_counts[] = {0, 1, 31, 32, 33, 100};
constexpr double lambda = 0.25;

/// x: N × samples, w: samples, F: N × N, lower triangle.
template <class R>
struct Sum {
  MatrixView<const R> x, w;
  MatrixView<R> f;
};

template <int N, class R>
__global__ void thread_kernel(Sum<R> s) {
  LowerTriangle<R, N> f{};
  for (Index n = 0; n < s.x.cols; ++n) {
    R x[N];
    for (int i = 0; i < N; ++i) x[i] = s.x.data[i + n * s.x.stride];
    add_outer_product(f, x, s.w.data[n]);
  }
  add_diagonal(f, lambda);
  for (int j = 0; j < N; ++j)
    for (int i = j; i < N; ++i) s.f.data[i + j * s.f.stride] = f(i, j);
}

template <int N, class R>
__global__ void warp_kernel(Sum<R> s) {
  R row[N] = {};
  for (Index n = 0; n < s.x.cols; ++n) {  // lanes without an element bring NaN, which must not matter
    const R x = warp_lane() < N ? s.x.data[warp_lane() + n * s.x.stride] : static_cast<R>(NAN);
    warp_add_outer_product(row, x, s.w.data[n]);
  }
  warp_add_diagonal(row, lambda);
  warp_store_lower(row, s.f.data, s.f.stride);
}

/// The last chunk has no samples where their number is a multiple of the chunk's.
template <int N, class R>
__global__ void __launch_bounds__(256) block_kernel(Sum<R> s) {
  auto& chunk = block_shared<OuterProductChunk<R, N>>();
  BlockOuterProduct<R, N> f(chunk);
  const int thread = static_cast<int>(threadIdx.x + blockDim.x * threadIdx.y);
  for (Index begin = 0; begin <= s.x.cols; begin += chunk.samples) {
    const Index left = s.x.cols - begin;
    const int count = left < chunk.samples ? static_cast<int>(left) : chunk.samples;
    for (int e = thread; e < count * N; e += f.threads)
      chunk.x[e / N][e % N] = s.x.data[e % N + (begin + e / N) * s.x.stride];
    if (thread < count) chunk.weight[thread] = s.w.data[begin + thread];
    f.add(count);
  }
  f.for_each(
      [&](int i, int j, R f_ij) { s.f.data[i + j * s.f.stride] = f_ij + (i == j ? R(lambda) : R(0)); });
}

/// Calls sum(Sum) for every number of samples, which writes F, and compares.
template <class R, class Run>
void expect_sums(Backend<R>& backend, int order, Run sum) {
  for (const Index samples : sample_counts) {
    Random random(static_cast<std::uint64_t>(order + 1000 * samples));
    const HostMatrix<R> x = random.matrix<R>(order, samples), w = random.matrix<R>(samples, 1, 0.0, 2.0);
    HostMatrix<R> wanted(order, order), scale(order, order);  // rounded once, from long double
    for (Index j = 0; j < order; ++j)
      for (Index i = 0; i < order; ++i) {
        long double f = i == j ? static_cast<long double>(lambda) : 0.0L, size = f;
        for (Index n = 0; n < samples; ++n) {
          const long double term = static_cast<long double>(w(n, 0)) * x(i, n) * x(j, n);
          f += term;
          size += std::abs(term);
        }
        wanted(i, j) = static_cast<R>(f);
        scale(i, j) = static_cast<R>(size);
      }
    const DeviceMatrix<R> d_x(backend, x), d_w(backend, w), f(backend, order, order);
    sum(Sum<R>{d_x, d_w, f});
    EXPECT_TRUE(
        componentwise(f.download(), wanted, 4.0 * static_cast<double>(samples + 1), scale, Part::lower))
        << "order " << order << ", " << samples << " samples";
  }
}

TEST_P(DeviceLibraryOuterProducts, OfAThread) {
  run([]<class R>(Backend<R>& backend) {
    for_each_order<8>([&]<int N>() {
      expect_sums(backend, N, [](Sum<R> s) { run_kernel(thread_kernel<N, R>, 1, 1, 0, s); });
    });
  });
}

TEST_P(DeviceLibraryOuterProducts, OfAWarp) {
  run([]<class R>(Backend<R>& backend) {
    for_each_order<32>([&]<int N>() {
      expect_sums(backend, N, [](Sum<R> s) { run_kernel(warp_kernel<N, R>, 1, 32, 0, s); });
    });
  });
}

template <class R, int... orders>
void expect_block_sums(Backend<R>& backend, std::integer_sequence<int, orders...>) {
  (expect_sums(backend, orders,
               [](Sum<R> s) {
                 run_kernel(block_kernel<orders, R>, 1, dim3(16, 16), sizeof(OuterProductChunk<R, orders>),
                            s);
               }),
   ...);
}

TEST_P(DeviceLibraryOuterProducts, OfABlock) {
  run([]<class R>(Backend<R>& backend) {
    expect_block_sums(backend,
                      std::integer_sequence<int, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128>());
  });
}

/// sums: 32 × 1.
template <class R>
__global__ void sum_lanes(MatrixView<const R> x, MatrixView<R> sums) {
  sums.data[warp_lane()] = warp_sum(x.data[warp_lane()]);
}

TEST_P(DeviceLibraryOuterProducts, EveryLaneHasTheSameSumOfTheLanes) {
  run([]<class R>(Backend<R>& backend) {
    const HostMatrix<R> x = Random(1).matrix<R>(32, 1);
    const DeviceMatrix<R> d_x(backend, x), sums(backend, 32, 1);
    run_kernel(sum_lanes<R>, 1, 32, 0, d_x, sums);
    const HostMatrix<R> found = sums.download();
    long double sum = 0.0L, size = 0.0L;
    for (const R value : x.data) sum += value, size += std::abs(value);
    for (const R value : found.data) EXPECT_EQ(value, found(0, 0));
    EXPECT_TRUE(near(found(0, 0), static_cast<double>(sum), 32.0 * epsilon<R> * static_cast<double>(size)));
  });
}

}  // namespace
}  // namespace natgrad
