// Fits y = x² and checks that the budget was kept: what a stranger's program would do first.
#include <natgrad/natgrad.hpp>

#include <cmath>
#include <cstdio>

int main() {
  using namespace natgrad;
  constexpr Index samples = 50;
  Dataset<double> data{HostMatrix<double>(1, samples), HostMatrix<double>(1, samples)};
  for (Index n = 0; n < samples; ++n) {
    const double x = 2.0 * static_cast<double>(n) / samples - 1.0;
    data.x(0, n) = x;
    data.y(0, n) = x * x;
  }
  try {
    const auto backend = make_backend<double>("auto");
    const DeviceDataset<double> train(*backend, data);
    const NetworkShape shape{{1, 8, 1}, {Activation::tanh}};
    Network<double> net(*backend, shape);
    net.set_parameters(initial_parameters(shape, Init::lecun, 1));
    NaturalGradient<double> optimizer(net, Likelihood::gaussian, {.kl = 0.1});
    StepReport report;
    for (int step = 0; step < 30; ++step) {
      report = optimizer.step(train.batch());
      if (!report.rejected && report.kl_measured > report.kl_budget) return 1;
    }
    std::printf("%s: loss %.2e\n", backend->name().c_str(), report.new_loss);
    return report.new_loss < 1e-4 ? 0 : 1;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
}
