/// The signals and the exact factor of one sample, from a kernel of the caller's that keeps it in registers.
#include "device/own_kernel.hpp"
#include "natgrad/device/likelihood.hpp"
#include "support/random_matrix.hpp"
#include "support/rulers.hpp"

namespace natgrad {
namespace {

using DeviceLibrarySignals = BackendTest;
INSTANTIATE_TEST_SUITE_P(Cuda, DeviceLibrarySignals, ::testing::ValuesIn(cuda_cases()), backend_case_name);

constexpr Index samples = 33;
constexpr double roundings = 16.0;  // in an element of p − y, or of B times a vector

/// Columns of d: p − y; of bc: B(z)c, c with B(z)c = p − y. One sample a thread.
template <int C, class R>
__global__ void class_signals(MatrixView<const R> z, MatrixView<const R> y, MatrixView<R> d,
                              MatrixView<R> bc) {
  for (Index n : kernels::grid_stride(z.cols)) {
    R own_z[C], signal[C], b[C * (C - 1)], c[C - 1];
    for (int k = 0; k < C; ++k) own_z[k] = z.data[k + n * z.stride];
    const Index label = Categorical::class_of(y.data[n * y.stride], C);
    Categorical::signals(own_z, C, label, R(1), signal);
    Categorical::root_fisher(own_z, C, R(1), b, C);
    Categorical::residuals(own_z, C, label, R(1), c);
    for (int i = 0; i < C; ++i) {
      R sum = R(0);
      for (int k = 0; k < C - 1; ++k) sum += b[i + k * C] * c[k];
      d.data[i + n * d.stride] = signal[i];
      bc.data[i + n * bc.stride] = sum;
    }
  }
}

template <class Output, class R>
__global__ void output_signals(MatrixView<const R> z, MatrixView<const R> y, MatrixView<R> d,
                               MatrixView<R> bc) {
  for (Index n : kernels::grid_stride(z.cols)) {
    const R own_z = z.data[n * z.stride], own_y = y.data[n * y.stride];
    d.data[n * d.stride] = Output::mean(own_z) - own_y;
    bc.data[n * bc.stride] = Output::root_fisher(own_z) * Output::residual(own_z, own_y);
  }
}

/// p − y, rounded once from long double.
template <class R>
HostMatrix<R> signals_of(Likelihood likelihood, const HostMatrix<R>& z, const HostMatrix<R>& y) {
  HostMatrix<R> d(z.rows, z.cols);
  for (Index n = 0; n < z.cols; ++n) {
    long double sum = 0.0L;
    for (Index k = 0; k < z.rows; ++k) sum += std::exp(static_cast<long double>(z(k, n)));
    for (Index k = 0; k < z.rows; ++k) {
      const long double e = std::exp(static_cast<long double>(z(k, n)));
      const long double p = likelihood == Likelihood::gaussian    ? static_cast<long double>(z(k, n))
                            : likelihood == Likelihood::bernoulli ? e / (1.0L + e)
                                                                  : e / sum;
      const bool classes = likelihood == Likelihood::categorical;
      const long double wanted =
          classes ? static_cast<long double>(static_cast<Index>(y(0, n)) == k) : y(k, n);
      d(k, n) = static_cast<R>(p - wanted);
    }
  }
  return d;
}

/// |z| < 3, so that p − y and every term of Bc are below e³ + 3 in size.
template <class R, class Kernel>
void expect_signals(Backend<R>& backend, Likelihood likelihood, Index outputs, Kernel kernel) {
  Random random(1);
  const HostMatrix<R> z = random.matrix<R>(outputs, samples, -3.0, 3.0);
  const HostMatrix<R> y = random.targets<R>(likelihood, outputs, samples);
  const DeviceMatrix<R> d_z(backend, z), d_y(backend, y), d(backend, outputs, samples),
      bc(backend, outputs, samples);
  run_kernel(kernel, 1, 64, 0, d_z, d_y, d, bc);
  const HostMatrix<R> wanted = signals_of(likelihood, z, y);
  const auto allowed = [](Index, Index) { return roundings * epsilon<R>; };
  EXPECT_TRUE(within(d.download(), wanted, allowed)) << to_string(likelihood) << ", C " << outputs;
  const double terms = static_cast<double>(outputs);
  EXPECT_TRUE(within(bc.download(), wanted,
                     [&](Index, Index) { return roundings * terms * (std::exp(3.0) + 3.0) * epsilon<R>; }))
      << to_string(likelihood) << ", C " << outputs;
}

TEST_P(DeviceLibrarySignals, AreMeanMinusTargetAndTheExactFactorTimesTheResiduals) {
  run([]<class R>(Backend<R>& backend) {
    expect_signals(backend, Likelihood::gaussian, 1, output_signals<Gaussian, R>);
    expect_signals(backend, Likelihood::bernoulli, 1, output_signals<Bernoulli, R>);
    expect_signals(backend, Likelihood::categorical, 2, class_signals<2, R>);
    expect_signals(backend, Likelihood::categorical, 3, class_signals<3, R>);
    expect_signals(backend, Likelihood::categorical, 10, class_signals<10, R>);
  });
}

}  // namespace
}  // namespace natgrad
